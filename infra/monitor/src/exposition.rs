//! Figures as Prometheus' text, under the names of node_exporter, so that dashboards made for it work.

use prometheus::{CounterVec, Encoder as _, Gauge, GaugeVec, IntGauge, Opts, Registry, TextEncoder};

use crate::measures::Measures;
use crate::sampler::as_f64;

/// The content type of the text.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// What the agent knows beside the machine's own figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agent {
    /// Name of the droplet.
    pub droplet: String,
    /// Its pool.
    pub pool: String,
    /// Releases that hold a lease, and those that should and are not fit.
    pub serving: i64,
    /// See `serving`.
    pub unfit: i64,
}

/// The text of these figures.
///
/// # Errors
/// Never for the names below; the registry checks them anew each time.
pub fn text(measures: &Measures, agent: &Agent) -> Result<String, prometheus::Error> {
    let registry = Registry::new();
    let counters = &measures.counters;
    family(&registry, "node_cpu_seconds_total", "Seconds the CPUs spent in each mode.", &["cpu", "mode"], |family| {
        counters
            .cpu_seconds
            .iter()
            .for_each(|(mode, seconds)| family.with_label_values(&["all", mode]).inc_by(*seconds));
    })?;
    gauge(&registry, "node_memory_MemTotal_bytes", "Memory of the machine.", as_f64(counters.memory_total))?;
    gauge(
        &registry,
        "node_memory_MemAvailable_bytes",
        "Memory that programs may still have.",
        as_f64(counters.memory_available),
    )?;
    for (name, load) in ["node_load1", "node_load5", "node_load15"].into_iter().zip(counters.loads) {
        gauge(&registry, name, "Load average.", load)?;
    }
    for (name, help, value) in [
        ("node_filesystem_size_bytes", "Size of the file system.", (|disk| disk.size) as fn(&crate::Disk) -> u64),
        ("node_filesystem_avail_bytes", "Space that programs may still use.", |disk| disk.available),
    ] {
        let family = GaugeVec::new(Opts::new(name, help), &["mountpoint"])?;
        registry.register(Box::new(family.clone()))?;
        counters.disks.iter().for_each(|disk| family.with_label_values(&[&disk.mountpoint]).set(as_f64(value(disk))));
    }
    for (name, help, value) in [
        ("node_network_receive_bytes_total", "Bytes that came in.", (|net| net.received) as fn(&crate::Net) -> u64),
        ("node_network_transmit_bytes_total", "Bytes that went out.", |net| net.sent),
    ] {
        family(&registry, name, help, &["device"], |family| {
            counters.nets.iter().for_each(|net| family.with_label_values(&[&net.device]).inc_by(as_f64(value(net))));
        })?;
    }
    for pressure in &counters.pressures {
        let name = format!("node_pressure_{}_waiting_seconds_total", pressure.resource);
        family(&registry, &name, "Seconds that some task waited for it.", &[], |family| {
            family.with_label_values::<&str>(&[]).inc_by(pressure.waiting_seconds);
        })?;
    }
    gauge(&registry, "node_boot_time_seconds", "When the machine started.", as_f64(counters.boot_seconds))?;
    of_agent(&registry, agent)?;
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn of_agent(registry: &Registry, agent: &Agent) -> Result<(), prometheus::Error> {
    let about = GaugeVec::new(Opts::new("sluice_agent_info", "The machine."), &["droplet", "pool", "version"])?;
    registry.register(Box::new(about.clone()))?;
    about.with_label_values(&[agent.droplet.as_str(), agent.pool.as_str(), env!("CARGO_PKG_VERSION")]).set(1.0);
    for (name, help, value) in [
        ("sluice_agent_releases_serving", "Releases that hold a lease.", agent.serving),
        ("sluice_agent_releases_unfit", "Releases that should hold a lease and are not fit.", agent.unfit),
    ] {
        let gauge = IntGauge::new(name, help)?;
        registry.register(Box::new(gauge.clone()))?;
        gauge.set(value);
    }
    Ok(())
}

fn gauge(registry: &Registry, name: &str, help: &str, value: f64) -> Result<(), prometheus::Error> {
    let gauge = Gauge::new(name, help)?;
    registry.register(Box::new(gauge.clone()))?;
    gauge.set(value);
    Ok(())
}

fn family(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
    fill: impl FnOnce(&CounterVec),
) -> Result<(), prometheus::Error> {
    let family = CounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(family.clone()))?;
    fill(&family);
    Ok(())
}

#[cfg(test)]
mod tests {
    use sluice_infra_host::Layout;

    use super::*;

    #[test]
    fn figures_have_the_names_of_node_exporter() {
        let config = sluice_infra_host::AgentConfig {
            fleet: "f".into(),
            droplet: "f-app-1".into(),
            pool: "app".into(),
            roles: Vec::new(),
            size: "s-1vcpu-1gb".into(),
            address: [127, 0, 0, 1].into(),
            metrics_port: 9100,
            redis_address: [127, 0, 0, 1].into(),
            redis_port: 6379,
            app: None,
            variant: None,
            traffic: None,
        };
        let measures = crate::Sampler::new(Layout::new("/"), &config).sample().unwrap();
        let agent = Agent { droplet: "f-app-1".into(), pool: "app".into(), serving: 1, unfit: 0 };
        let text = text(&measures, &agent).unwrap();
        for line in [
            "node_cpu_seconds_total{cpu=\"all\",mode=\"idle\"} ",
            "node_memory_MemAvailable_bytes ",
            "node_load1 ",
            "node_filesystem_avail_bytes{mountpoint=\"/\"} ",
            "sluice_agent_releases_serving 1",
        ] {
            assert!(text.lines().any(|found| found.starts_with(line)), "{line} in\n{text}");
        }
    }
}
