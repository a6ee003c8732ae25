//! The figures of one machine at one moment.

use serde::{Deserialize, Serialize};

/// The figures of one machine. Percent are of the whole machine, over the time since the sample before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// When, ms since the Unix epoch.
    pub at_ms: u64,
    /// CPU in use, percent; `None` in the first sample.
    pub cpu: Option<f64>,
    /// Memory in use (total - available), percent.
    pub memory: f64,
    /// Load of the last minute, per core.
    pub load: f64,
    /// Space in use on the fullest file system, percent.
    pub disk: f64,
    /// Some task waited for CPU (PSI `some avg10`), percent; `None` where the kernel does not measure it.
    pub cpu_pressure: Option<f64>,
    /// Some task waited for memory (PSI `some avg10`), percent.
    pub memory_pressure: Option<f64>,
    /// What the figures come from.
    pub counters: Counters,
}

/// What only grows, and what stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    /// Cores.
    pub cores: f64,
    /// Seconds of CPU since the machine started, by mode: `user`, `system`, `idle`, ...
    pub cpu_seconds: Vec<(String, f64)>,
    /// Memory, bytes.
    pub memory_total: u64,
    /// Of it, what programs may still have without swapping, bytes.
    pub memory_available: u64,
    /// Load of the last 1, 5 and 15 minutes.
    pub loads: [f64; 3],
    /// File systems.
    pub disks: Vec<Disk>,
    /// Network devices, without the loopback.
    pub nets: Vec<Net>,
    /// Seconds that some task waited: for `cpu`, `memory`, `io`.
    pub pressures: Vec<Pressure>,
    /// When the machine started, seconds since the Unix epoch.
    pub boot_seconds: u64,
}

/// A file system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Where it is mounted.
    pub mountpoint: String,
    /// Bytes in all.
    pub size: u64,
    /// Bytes that programs may still use.
    pub available: u64,
}

/// A network device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Net {
    /// Its name.
    pub device: String,
    /// Bytes that came in.
    pub received: u64,
    /// Bytes that went out.
    pub sent: u64,
}

/// How long some task waited for a resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pressure {
    /// `cpu`, `memory` or `io`.
    pub resource: String,
    /// Seconds, since the machine started.
    pub waiting_seconds: f64,
}
