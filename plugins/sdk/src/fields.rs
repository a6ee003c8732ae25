//! The packed field blob of the hot exports, read lazily: no allocation, and a field that is not looked at is only
//! skipped over.

/// Stands for the length of an absent field.
const ABSENT: u32 = u32::MAX;

/// The fields of one call, in the order of the activation: for each, its length as u32 little-endian and its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'call> {
    blob: &'call [u8],
}

impl<'call> Fields<'call> {
    pub(crate) const fn new(blob: &'call [u8]) -> Self {
        Self { blob }
    }

    /// The field at `index`; `None` = absent, or past the end.
    #[must_use]
    #[inline]
    pub fn value(mut self, index: usize) -> Option<&'call [u8]> {
        for _ in 0..index {
            self.next()?;
        }
        self.next()?
    }
}

impl<'call> Iterator for Fields<'call> {
    /// `None` = an absent field.
    type Item = Option<&'call [u8]>;

    /// Ends early at a blob that is cut off, which no host sends.
    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.blob.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length);
        if length == ABSENT {
            self.blob = rest;
            return Some(None);
        }
        let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.blob = rest;
        Some(Some(value))
    }
}

/// Appends one field to a blob, as the host does.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn push(blob: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        Some(value) => {
            let length = u32::try_from(value.len()).expect("invariant: a test's field is far below 4 GiB");
            blob.extend_from_slice(&length.to_le_bytes());
            blob.extend_from_slice(value);
        }
        None => blob.extend_from_slice(&ABSENT.to_le_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_index() {
        let mut blob = Vec::new();
        for value in [Some(&b"GET"[..]), None, Some(b""), Some(b"\xff/x")] {
            push(&mut blob, value);
        }
        let fields = Fields::new(&blob);
        assert_eq!(fields.value(0), Some(&b"GET"[..]));
        assert_eq!(fields.value(1), None);
        assert_eq!(fields.value(2), Some(&b""[..]));
        assert_eq!(fields.value(3), Some(&b"\xff/x"[..]));
        assert_eq!(fields.value(4), None);
        assert_eq!(fields.count(), 4);
    }

    #[test]
    fn a_cut_blob_ends_early() {
        assert_eq!(Fields::new(&[5, 0, 0, 0, b'a']).value(0), None);
        assert_eq!(Fields::new(&[5, 0]).value(0), None);
        assert_eq!(Fields::new(&[]).value(0), None);
    }
}
