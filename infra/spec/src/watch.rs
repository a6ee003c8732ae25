//! What is worth an alert: metrics of machines, against bounds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A rule. Its name is the `rule` of its alerts; each droplet is a subject of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricRule {
    /// Unique name.
    pub name: String,
    /// What is looked at.
    pub metric: NodeMetric,
    /// The bound; what the metric counts in (percent, or runnable processes per core for load). No bound for
    /// [`NodeMetric::Absent`].
    pub above: f64,
    /// Droplets of these pools; empty = all.
    pub pools: Vec<String>,
    /// It must hold so long before the alert is raised. For [`NodeMetric::Absent`]: so long without data.
    pub hold: Duration,
    /// The alert stays up so long after it was last seen; then it is resolved.
    pub keep: Duration,
}

/// What the agent of a machine measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeMetric {
    /// CPU in use, percent of the machine.
    Cpu,
    /// Memory in use (total - available), percent.
    Memory,
    /// Load of the last minute, per core.
    Load,
    /// Space in use on the fullest file system, percent.
    Disk,
    /// Some task waited for CPU (PSI `some avg10`), percent.
    CpuPressure,
    /// Some task waited for memory (PSI `some avg10`), percent.
    MemoryPressure,
    /// No data came.
    Absent,
}

impl NodeMetric {
    /// As written in the file.
    pub const WORDS: [(&'static str, Self); 7] = [
        ("cpu", Self::Cpu),
        ("memory", Self::Memory),
        ("load", Self::Load),
        ("disk", Self::Disk),
        ("cpu_pressure", Self::CpuPressure),
        ("memory_pressure", Self::MemoryPressure),
        ("absent", Self::Absent),
    ];

    /// Unit of the bound, for people.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Cpu | Self::Memory | Self::Disk | Self::CpuPressure | Self::MemoryPressure => "%",
            Self::Load => "per core",
            Self::Absent => "",
        }
    }
}
