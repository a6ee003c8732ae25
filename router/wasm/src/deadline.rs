//! The deadline of a call, as CPU time of the calling thread.
//!
//! The engine's clock interrupts a running plugin once per tick. At the first interruption of a call the CPU clock is
//! read, at each later one compared: a thread that the kernel does not let run spends nothing. Calls that end within
//! their first tick, all healthy ones, never read a clock. The price is up to two ticks of precision.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::bounds::{WALL_CEILING_FACTOR, WALL_CEILING_MIN};

/// The two clocks that count.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    cpu: Duration,
    wall: Instant,
}

impl Reading {
    /// The clocks of the calling thread, now.
    pub(crate) fn now() -> Self {
        let cpu = clock_gettime(ClockId::ThreadCPUTime);
        let cpu = Duration::try_from(cpu).expect("invariant: a CPU clock starts at zero and is normalised");
        Self { cpu, wall: Instant::now() }
    }
}

/// Deadline of the present call.
pub(crate) struct Deadline {
    budget: Duration,
    first_tick: Option<Reading>,
}

impl Deadline {
    /// A deadline for calls that have not begun: nothing may run.
    pub(crate) const fn unarmed() -> Self {
        Self { budget: Duration::ZERO, first_tick: None }
    }

    /// A call begins that may spend `budget` of CPU time.
    pub(crate) const fn arm(&mut self, budget: Duration) {
        self.budget = budget;
        self.first_tick = None;
    }

    /// CPU time that the present call may spend.
    pub(crate) const fn budget(&self) -> Duration {
        self.budget
    }

    /// A tick of the clock interrupted the call; true if the call ends here.
    pub(crate) fn is_over(&mut self, now: Reading) -> bool {
        let Some(first) = self.first_tick else {
            self.first_tick = Some(now);
            return false;
        };
        let wall_ceiling = (self.budget * WALL_CEILING_FACTOR).max(WALL_CEILING_MIN);
        now.cpu.saturating_sub(first.cpu) >= self.budget || now.wall.duration_since(first.wall) >= wall_ceiling
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Duration = Duration::from_millis(5);
    const NEARLY: Duration = Duration::from_nanos(1);

    fn armed(budget: Duration) -> (Deadline, Reading) {
        let mut deadline = Deadline::unarmed();
        deadline.arm(budget);
        let start = Reading { cpu: Duration::from_secs(7), wall: Instant::now() };
        assert!(!deadline.is_over(start), "the first tick only sets the baseline");
        (deadline, start)
    }

    fn after(start: Reading, cpu: Duration, wall: Duration) -> Reading {
        Reading { cpu: start.cpu + cpu, wall: start.wall + wall }
    }

    #[test]
    fn the_budget_is_cpu_time() {
        let (mut deadline, start) = armed(BUDGET);
        assert!(!deadline.is_over(after(start, BUDGET - NEARLY, WALL_CEILING_MIN - NEARLY)));
        assert!(deadline.is_over(after(start, BUDGET, BUDGET)));
    }

    #[test]
    fn the_wall_clock_has_a_ceiling() {
        let (mut deadline, start) = armed(BUDGET);
        assert!(deadline.is_over(after(start, Duration::ZERO, WALL_CEILING_MIN)), "the least ceiling");
        let budget = WALL_CEILING_MIN;
        let (mut deadline, start) = armed(budget);
        let ceiling = budget * WALL_CEILING_FACTOR;
        assert!(!deadline.is_over(after(start, Duration::ZERO, ceiling - NEARLY)));
        assert!(deadline.is_over(after(start, Duration::ZERO, ceiling)));
    }

    #[test]
    fn each_call_has_its_own_deadline() {
        let (mut deadline, start) = armed(BUDGET);
        deadline.arm(BUDGET);
        assert!(!deadline.is_over(after(start, BUDGET * 2, BUDGET * 2)), "a new call, a new baseline");
    }
}
