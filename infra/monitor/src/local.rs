//! Droplets of the local cloud share one kernel: what one of them uses is what its processes use, and what it has is what its
//! size would have. Its processes are those whose environment says its root, which the droplet's init and sshd see to.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use procfs::process::{Process, all_processes};
use procfs::{ProcError, page_size, ticks_per_second};
use sluice_infra_host::layout::ROOT_VARIABLE;

use crate::measures::Counters;
use crate::sampler::as_f64;

/// Bytes of a GiB.
const GIB: u64 = 1 << 30;

/// What a droplet of a size has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Allotment {
    cores: f64,
    memory: u64,
    started: Option<Instant>,
}

impl Allotment {
    /// As the slug says it: `s-2vcpu-4gb`. One core and one GiB where it does not.
    pub(crate) fn of(size: &str) -> Self {
        let number = |unit: &str| size.split('-').find_map(|part| part.strip_suffix(unit)?.parse::<u32>().ok());
        let cores = number("vcpu").unwrap_or(1).max(1);
        let gib = number("gb").unwrap_or(1).max(1);
        Self { cores: f64::from(cores), memory: u64::from(gib) * GIB, started: None }
    }

    /// Fills in what it has and uses.
    pub(crate) fn fill(&mut self, counters: &mut Counters, used: Used) {
        let running = self.started.get_or_insert_with(Instant::now).elapsed().as_secs_f64() * self.cores;
        counters.cores = self.cores;
        counters.cpu_seconds = vec![
            ("user".to_owned(), used.user_seconds),
            ("system".to_owned(), used.system_seconds),
            ("idle".to_owned(), (running - used.user_seconds - used.system_seconds).max(0.0)),
        ];
        counters.memory_total = self.memory;
        counters.memory_available = self.memory.saturating_sub(used.memory);
        // A load of its own is not to be had; that of the kernel is of all droplets together.
        counters.loads = [0.0; 3];
    }
}

/// What the processes of a droplet used since the first look, and the memory that they have.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Used {
    user_seconds: f64,
    system_seconds: f64,
    memory: u64,
}

/// The processes of a droplet, from look to look: those that ended keep their share.
#[derive(Debug)]
pub(crate) struct Processes {
    root: PathBuf,
    /// Process and its start -> ticks of user and system time at the last look.
    known: HashMap<(i32, u64), (u64, u64)>,
    first: bool,
    used: Used,
}

impl Processes {
    /// Of the droplet whose files are below this root.
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), known: HashMap::new(), first: true, used: Used::default() }
    }

    /// What they used up to now.
    pub(crate) fn look(&mut self) -> Result<Used, ProcError> {
        let mut seen = HashMap::new();
        self.used.memory = 0;
        // A process that ends while it is looked at is left out.
        let ours: Vec<Process> = all_processes()?.flatten().filter(|process| self.is_ours(process)).collect();
        for process in ours {
            let Ok(stat) = process.stat() else { continue };
            let (key, now) = ((stat.pid, stat.starttime), (stat.utime, stat.stime));
            // At the first look, what was used before is not of this time.
            let before = self.known.get(&key).copied().unwrap_or(if self.first { now } else { (0, 0) });
            let seconds = |ticks: u64| as_f64(ticks) / as_f64(ticks_per_second());
            self.used.user_seconds += seconds(now.0.saturating_sub(before.0));
            self.used.system_seconds += seconds(now.1.saturating_sub(before.1));
            self.used.memory += stat.rss.saturating_mul(page_size());
            seen.insert(key, now);
        }
        self.known = seen;
        self.first = false;
        Ok(self.used)
    }

    fn is_ours(&self, process: &Process) -> bool {
        let environment = process.environ();
        environment.is_ok_and(|environment| {
            environment.get(std::ffi::OsStr::new(ROOT_VARIABLE)).is_some_and(|root| Path::new(root) == self.root)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::time::Duration;

    use super::*;

    struct Busy(Child);

    impl Drop for Busy {
        fn drop(&mut self) {
            self.0.kill().ok();
            self.0.wait().ok();
        }
    }

    #[test]
    fn a_busy_droplet_is_busy_and_the_one_beside_it_is_not() {
        let (busy, quiet) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (mut ours, mut others) = (Processes::new(busy.path()), Processes::new(quiet.path()));
        ours.look().unwrap();
        others.look().unwrap();
        let mut command = Command::new("sh");
        let child = command.args(["-c", "while :; do :; done"]).env(ROOT_VARIABLE, busy.path()).spawn().unwrap();
        let _busy = Busy(child);
        let until = Instant::now() + Duration::from_secs(30);
        while ours.look().unwrap().user_seconds < 0.05 {
            assert!(Instant::now() < until, "its processes were not found");
        }
        assert!(ours.look().unwrap().memory > 0);
        assert_eq!(others.look().unwrap(), Used::default());
    }

    #[test]
    fn a_size_says_what_it_has() {
        assert_eq!(Allotment::of("s-2vcpu-4gb"), Allotment { cores: 2.0, memory: 4 * GIB, started: None });
        assert_eq!(Allotment::of("c-16"), Allotment { cores: 1.0, memory: GIB, started: None });
        let mut counters = Counters::default();
        Allotment::of("s-1vcpu-1gb").fill(&mut counters, Used { memory: GIB / 4, ..Used::default() });
        assert_eq!(counters.memory_available, GIB / 4 * 3);
    }
}
