//! How busy the machine is, from `/proc`: a few microseconds of reading, so it stays on the calling thread.

use procfs::{Current as _, CurrentSI as _, KernelStats, Meminfo};

/// Remembers the last reading of the CPU counters, which only grow.
pub(super) struct Load {
    last: Option<CpuTicks>,
}

#[derive(Clone, Copy)]
struct CpuTicks {
    idle: u64,
    total: u64,
}

impl Load {
    pub(super) fn new() -> Self {
        Self { last: CpuTicks::read() }
    }

    /// CPU use since the last sample and memory in use, both in percent of the machine; what is unknown is `None`.
    pub(super) fn sample(&mut self) -> (Option<f32>, Option<f32>) {
        let now = CpuTicks::read();
        let cpu = self.last.zip(now).and_then(|(before, now)| now.percent_since(before));
        self.last = now;
        (cpu, memory_percent())
    }
}

impl CpuTicks {
    fn read() -> Option<Self> {
        let cpu = KernelStats::current().ok()?.total;
        let idle = cpu.idle + cpu.iowait.unwrap_or(0);
        let interrupts = cpu.irq.unwrap_or(0) + cpu.softirq.unwrap_or(0);
        // Guest time is part of `user` already (proc_stat(5)).
        let busy = cpu.user + cpu.nice + cpu.system + interrupts + cpu.steal.unwrap_or(0);
        Some(Self { idle, total: idle + busy })
    }

    /// `None` until a tick has passed.
    fn percent_since(self, before: Self) -> Option<f32> {
        let total = self.total.checked_sub(before.total)?;
        let idle = self.idle.saturating_sub(before.idle).min(total);
        percent(total - idle, total)
    }
}

fn memory_percent() -> Option<f32> {
    let memory = Meminfo::current().ok()?;
    percent(memory.mem_total.checked_sub(memory.mem_available?)?, memory.mem_total)
}

/// Rounded to a tenth: more would only make every heartbeat differ.
fn percent(part: u64, whole: u64) -> Option<f32> {
    let tenths = part.checked_mul(1000)?.checked_div(whole)?;
    u16::try_from(tenths).ok().map(|tenths| f32::from(tenths) / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_is_the_busy_share_of_the_ticks_that_passed() {
        let before = CpuTicks { idle: 100, total: 200 };
        assert_eq!(CpuTicks { idle: 175, total: 300 }.percent_since(before), Some(25.0));
        assert_eq!(before.percent_since(before), None);
        // iowait may decrease (proc_stat(5)).
        assert_eq!(CpuTicks { idle: 90, total: 300 }.percent_since(before), Some(100.0));
    }

    #[test]
    fn this_machine_uses_some_memory() {
        let (_, memory) = Load::new().sample();
        assert!(memory.is_some_and(|percent| percent > 0.0 && percent <= 100.0), "{memory:?}");
    }
}
