//! What this process takes of its machine.

use std::time::Duration;

use procfs::process::Process as Known;
use procfs::{Current, Meminfo};

/// At one moment. What the kernel does not tell is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Process {
    cpu_seconds: f64,
    resident_bytes: u64,
    machine_bytes: u64,
}

impl Process {
    pub(super) fn now() -> Self {
        let known = Known::myself().ok();
        let stat = known.as_ref().and_then(|known| known.stat().ok());
        let ticks = stat.as_ref().map_or(0, |stat| stat.utime + stat.stime);
        let resident = known.and_then(|known| known.statm().ok()).map_or(0, |statm| statm.resident);
        Self {
            cpu_seconds: in_seconds(ticks),
            resident_bytes: resident * procfs::page_size(),
            machine_bytes: Meminfo::current().map_or(0, |memory| memory.mem_total),
        }
    }

    /// Percent of all cores.
    pub(super) fn cpu_percent_since(&self, before: &Self, passed: Duration) -> f64 {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let all_seconds = passed.as_secs_f64() * f64::from(u32::try_from(cores).unwrap_or(u32::MAX));
        (100.0 * (self.cpu_seconds - before.cpu_seconds) / all_seconds).clamp(0.0, 100.0)
    }

    /// Percent of the machine's memory.
    #[expect(clippy::cast_precision_loss, reason = "bytes of a machine are below 2^52")]
    pub(super) fn memory_percent(&self) -> f64 {
        if self.machine_bytes == 0 { 0.0 } else { 100.0 * self.resident_bytes as f64 / self.machine_bytes as f64 }
    }
}

#[expect(clippy::cast_precision_loss, reason = "ticks of a process are below 2^52")]
fn in_seconds(ticks: u64) -> f64 {
    ticks as f64 / procfs::ticks_per_second() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_the_whole_machine() {
        let process = |cpu_seconds| Process { cpu_seconds, resident_bytes: 1, machine_bytes: 4 };
        assert_eq!(process(0.0).memory_percent(), 25.0);
        assert_eq!(process(5.0).cpu_percent_since(&process(5.0), Duration::from_secs(1)), 0.0);
        assert!(process(1e9).cpu_percent_since(&process(0.0), Duration::from_secs(1)) <= 100.0);
        assert!(Process::now().memory_percent() > 0.0);
    }
}
