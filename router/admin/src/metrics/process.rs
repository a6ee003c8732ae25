//! What the kernel knows of this process, under the names that every Prometheus client uses.

use procfs::ProcResult;
use procfs::process::{LimitValue, Process};
use prometheus::proto::MetricFamily;

use super::families::{counter_of, counters, number, one_gauge};

/// The standard process metrics; none where `/proc` cannot be read.
pub(super) fn families() -> Vec<MetricFamily> {
    read().unwrap_or_else(|error| {
        tracing::debug!(%error, "/proc cannot be read");
        Vec::new()
    })
}

fn read() -> ProcResult<Vec<MetricFamily>> {
    let process = Process::myself()?;
    let stat = process.stat()?;
    let ticks_per_second = number(procfs::ticks_per_second());
    let cpu_seconds = number(stat.utime + stat.stime) / ticks_per_second;
    let started = number(procfs::boot_time_secs()?) + number(stat.starttime) / ticks_per_second;
    let descriptors_max = match process.limits()?.max_open_files.soft_limit {
        LimitValue::Unlimited => f64::INFINITY,
        LimitValue::Value(max) => number(max),
    };
    Ok(vec![
        counters("process_cpu_seconds_total", "CPU time spent, user and system.", [counter_of(&[], cpu_seconds)]),
        one_gauge("process_resident_memory_bytes", "Resident memory.", number(stat.rss * procfs::page_size())),
        one_gauge("process_virtual_memory_bytes", "Virtual memory.", number(stat.vsize)),
        one_gauge("process_open_fds", "Open file descriptors.", number(process.fd_count()? as u64)),
        one_gauge("process_max_fds", "Most file descriptors that may be open.", descriptors_max),
        one_gauge("process_start_time_seconds", "When the process started, Unix time.", started),
        one_gauge("process_threads", "Threads.", number(u64::try_from(stat.num_threads).unwrap_or_default())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_knows_this_process() {
        let families = read().unwrap();
        let value = |name: &str| {
            let family = families.iter().find(|family| family.name() == name).unwrap();
            family.get_metric()[0].get_gauge().get_value()
        };
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_start_time_seconds") > 1.6e9);
        assert!(value("process_open_fds") >= 1.0 && value("process_threads") >= 1.0);
    }
}
