//! What an instance may hold: bytes of linear memory, elements of tables, parts.

use wasmtime::ResourceLimiter;

use crate::bounds::{CORE_PARTS_MAX, MEMORIES_MAX, TABLE_ELEMENTS_MAX};

/// A plugin asked for more than it may hold. It is told by a trap: a plugin that is told "no" aborts anyway, and its
/// trap would hide the cause.
#[derive(Debug, thiserror::Error)]
#[error("over the limit of memory")]
pub(crate) struct OverLimit;

/// Counts what the memories and tables of one instance hold.
pub(crate) struct MemoryLimit {
    bytes: usize,
    bytes_max: usize,
    bytes_soft: usize,
    table_elements: usize,
}

impl MemoryLimit {
    /// Up to `bytes_max`, and swollen past `bytes_soft`.
    pub(crate) fn new(bytes_max: u64, bytes_soft: u64) -> Self {
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Self { bytes: 0, bytes_max: size(bytes_max), bytes_soft: size(bytes_soft), table_elements: 0 }
    }

    /// True past the soft limit.
    pub(crate) const fn is_swollen(&self) -> bool {
        self.bytes > self.bytes_soft
    }

    /// Bytes of all linear memories.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that they may have.
    pub(crate) const fn bytes_max(&self) -> usize {
        self.bytes_max
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool, wasmtime::Error> {
        let bytes = grown(self.bytes, current, desired, self.bytes_max)?;
        let is_possible = maximum.is_none_or(|maximum| desired <= maximum);
        self.bytes = if is_possible { bytes } else { self.bytes };
        Ok(is_possible)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> Result<(), wasmtime::Error> {
        // Past 4 GiB, or the machine has no more: over the limit either way.
        Err(OverLimit.into())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool, wasmtime::Error> {
        let elements = grown(self.table_elements, current, desired, TABLE_ELEMENTS_MAX)?;
        let is_possible = maximum.is_none_or(|maximum| desired <= maximum);
        self.table_elements = if is_possible { elements } else { self.table_elements };
        Ok(is_possible)
    }

    fn instances(&self) -> usize {
        CORE_PARTS_MAX
    }

    fn tables(&self) -> usize {
        CORE_PARTS_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }
}

/// The sum after one part grew, if it stays within `max`.
fn grown(sum: usize, current: usize, desired: usize, max: usize) -> Result<usize, OverLimit> {
    let sum = sum.saturating_sub(current).saturating_add(desired);
    if sum > max { Err(OverLimit) } else { Ok(sum) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_counts_over_all_memories_and_ends_at_its_limit() {
        let mut limit = MemoryLimit::new(300, 200);
        assert!(limit.memory_growing(0, 100, None).unwrap());
        assert!(limit.memory_growing(0, 100, None).unwrap());
        assert!(!limit.is_swollen(), "at the soft limit");
        assert!(limit.memory_growing(100, 200, None).unwrap());
        assert!(limit.is_swollen());
        assert_eq!(limit.bytes(), 300);
        assert!(limit.memory_growing(200, 201, None).unwrap_err().is::<OverLimit>());
        assert_eq!(limit.bytes(), 300);
    }

    #[test]
    fn a_memory_at_its_own_maximum_does_not_grow_and_does_not_trap() {
        let mut limit = MemoryLimit::new(300, 200);
        assert!(limit.memory_growing(0, 100, Some(100)).unwrap());
        assert!(!limit.memory_growing(100, 101, Some(100)).unwrap());
        assert_eq!(limit.bytes(), 100);
    }

    #[test]
    fn tables_end_at_their_limit() {
        let mut limit = MemoryLimit::new(0, 0);
        assert!(limit.table_growing(0, TABLE_ELEMENTS_MAX, None).unwrap());
        assert!(limit.table_growing(0, 1, None).is_err());
    }
}
