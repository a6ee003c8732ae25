//! Reads `/proc`, again and again.

use std::time::{SystemTime, UNIX_EPOCH};

use procfs::prelude::*;
use procfs::{CpuPressure, IoPressure, KernelStats, LoadAverage, Meminfo, MemoryPressure, ticks_per_second};
use sluice_infra_host::{AgentConfig, Layout};

use crate::local::{Allotment, Processes};
use crate::measures::{Counters, Disk, Measures, Net, Pressure};

/// Most network devices that are told of.
const DEVICES_MAX: usize = 64;
/// Microseconds in a second, as PSI counts.
const MICROSECONDS: f64 = 1_000_000.0;

/// Why a machine does not know how it fares.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// A file of `/proc`.
    #[error("read {what}")]
    Proc {
        /// Which.
        what: &'static str,
        /// Why.
        #[source]
        source: procfs::ProcError,
    },
    /// A file system.
    #[error("ask for the space of {path}")]
    Space {
        /// Where.
        path: String,
        /// Why.
        #[source]
        source: rustix::io::Errno,
    },
}

/// Remembers the sample before.
#[derive(Debug)]
pub struct Sampler {
    layout: Layout,
    /// On the local cloud all droplets share one kernel: a droplet's figures are those of its own processes, against what its
    /// size would have.
    local: Option<(Allotment, Processes)>,
    /// Busy seconds, and seconds in all, per core.
    before: Option<(f64, f64)>,
}

impl Sampler {
    /// For this machine.
    #[must_use]
    pub fn new(layout: Layout, config: &AgentConfig) -> Self {
        let shared = layout.root() != std::path::Path::new("/");
        let local = shared.then(|| (Allotment::of(&config.size), Processes::new(layout.root())));
        Self { layout, local, before: None }
    }

    /// The figures of now. Blocks for some milliseconds at most.
    ///
    /// # Errors
    /// [`SampleError`]
    pub fn sample(&mut self) -> Result<Measures, SampleError> {
        let proc = |what| move |source| SampleError::Proc { what, source };
        let load = LoadAverage::current().map_err(proc("/proc/loadavg"))?;
        let stats = KernelStats::current().map_err(proc("/proc/stat"))?;
        let mut counters = Counters {
            loads: [load.one, load.five, load.fifteen].map(f64::from),
            disks: vec![self.disk()?],
            nets: nets().map_err(proc("/proc/net/dev"))?,
            pressures: pressures(),
            boot_seconds: stats.btime,
            ..Counters::default()
        };
        if let Some((allotment, processes)) = &mut self.local {
            let used = processes.look().map_err(proc("/proc"))?;
            allotment.fill(&mut counters, used);
        } else {
            machine(&mut counters, &stats)?;
        }
        Ok(self.measures(counters))
    }

    fn measures(&mut self, counters: Counters) -> Measures {
        let seconds = |idle: bool| {
            let of = counters.cpu_seconds.iter().filter(|(mode, _)| matches!(mode.as_str(), "idle" | "iowait") == idle);
            of.map(|(_, seconds)| seconds).sum::<f64>()
        };
        let (busy, idle) = (seconds(false), seconds(true));
        let before = self.before.replace((busy, busy + idle));
        let cpu = before.and_then(|(busy_before, all_before)| {
            let all = busy + idle - all_before;
            (all > 0.0).then(|| ((busy - busy_before) / all * 100.0).clamp(0.0, 100.0))
        });
        let pressure = |average: Option<f32>| average.map(f64::from);
        Measures {
            at_ms: now_ms(),
            cpu,
            memory: share(counters.memory_total, counters.memory_available),
            load: counters.loads[0] / counters.cores.max(1.0),
            disk: counters.disks.iter().map(|disk| share(disk.size, disk.available)).fold(0.0, f64::max),
            cpu_pressure: pressure(CpuPressure::current().ok().map(|pressure| pressure.some.avg10)),
            memory_pressure: pressure(MemoryPressure::current().ok().map(|pressure| pressure.some.avg10)),
            counters,
        }
    }

    /// The file system that the machine's files are on.
    fn disk(&self) -> Result<Disk, SampleError> {
        let path = self.layout.root();
        let space = rustix::fs::statvfs(path)
            .map_err(|source| SampleError::Space { path: path.display().to_string(), source })?;
        Ok(Disk {
            mountpoint: "/".to_owned(),
            size: space.f_blocks.saturating_mul(space.f_frsize),
            available: space.f_bavail.saturating_mul(space.f_frsize),
        })
    }
}

/// CPU and memory of a machine that has a kernel of its own.
fn machine(counters: &mut Counters, stats: &KernelStats) -> Result<(), SampleError> {
    let memory = Meminfo::current().map_err(|source| SampleError::Proc { what: "/proc/meminfo", source })?;
    counters.memory_total = memory.mem_total;
    counters.memory_available = memory.mem_available.unwrap_or(memory.mem_free);
    counters.cores = f64::from(u32::try_from(stats.cpu_time.len()).unwrap_or(u32::MAX));
    let total = &stats.total;
    let seconds = |ticks: u64| as_f64(ticks) / as_f64(ticks_per_second());
    // User time holds that of guests already (proc_stat(5)).
    counters.cpu_seconds = [
        ("user", total.user),
        ("nice", total.nice),
        ("system", total.system),
        ("idle", total.idle),
        ("iowait", total.iowait.unwrap_or_default()),
        ("irq", total.irq.unwrap_or_default()),
        ("softirq", total.softirq.unwrap_or_default()),
        ("steal", total.steal.unwrap_or_default()),
    ]
    .map(|(mode, ticks)| (mode.to_owned(), seconds(ticks)))
    .to_vec();
    Ok(())
}

/// Devices of this network namespace.
fn nets() -> Result<Vec<Net>, procfs::ProcError> {
    let mut nets: Vec<Net> = procfs::net::dev_status()?
        .into_values()
        .filter(|device| device.name != "lo")
        .map(|device| Net { device: device.name, received: device.recv_bytes, sent: device.sent_bytes })
        .collect();
    nets.sort_by(|one, other| one.device.cmp(&other.device));
    nets.truncate(DEVICES_MAX);
    Ok(nets)
}

/// What the kernel measures of waiting, if it does.
fn pressures() -> Vec<Pressure> {
    let total = |resource: &str, microseconds: Option<u64>| {
        let waiting_seconds = as_f64(microseconds?) / MICROSECONDS;
        Some(Pressure { resource: resource.to_owned(), waiting_seconds })
    };
    let all = [
        total("cpu", CpuPressure::current().ok().map(|pressure| pressure.some.total)),
        total("memory", MemoryPressure::current().ok().map(|pressure| pressure.some.total)),
        total("io", IoPressure::current().ok().map(|pressure| pressure.some.total)),
    ];
    all.into_iter().flatten().collect()
}

/// What is in use of a whole, percent.
fn share(total: u64, available: u64) -> f64 {
    if total == 0 { 0.0 } else { as_f64(total.saturating_sub(available)) / as_f64(total) * 100.0 }
}

/// Exact up to 2^53, which no counter here reaches: as bytes that is 8 PiB.
#[expect(clippy::cast_precision_loss, reason = "counters of a machine stay below 2^53")]
pub(crate) const fn as_f64(number: u64) -> f64 {
    number as f64
}

pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(root: &str) -> Sampler {
        let layout = Layout::new(root);
        let local = (root != "/").then(|| (Allotment::of("s-1vcpu-1gb"), Processes::new(layout.root())));
        Sampler { layout, local, before: None }
    }

    #[test]
    fn a_machine_has_figures_and_cpu_from_the_second_sample_on() {
        let mut sampler = sampler("/");
        let first = sampler.sample().unwrap();
        assert!(first.cpu.is_none() && first.memory > 0.0 && first.memory < 100.0, "{first:?}");
        assert!(first.counters.cores >= 1.0 && !first.counters.disks.is_empty());
        let until = std::time::Instant::now() + std::time::Duration::from_millis(50);
        while std::time::Instant::now() < until {}
        let cpu = sampler.sample().unwrap().cpu.unwrap();
        assert!((0.0..=100.0).contains(&cpu), "{cpu}");
    }

    #[test]
    fn percent_are_of_the_time_between_two_samples() {
        let mut sampler = sampler("/");
        let counters = |busy: f64, idle: f64| Counters {
            cpu_seconds: vec![("user".into(), busy), ("idle".into(), idle)],
            ..Counters::default()
        };
        assert_eq!(sampler.measures(counters(10.0, 10.0)).cpu, None);
        assert_eq!(sampler.measures(counters(11.0, 13.0)).cpu, Some(25.0));
        assert_eq!(sampler.measures(counters(11.0, 13.0)).cpu, None, "no time went by");
        assert_eq!(share(200, 50), 75.0);
        assert_eq!(share(0, 0), 0.0);
    }
}
