//! Alert rules, as the policy declares them: what is measured, against which bound, for how long, and who is told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A rule. Its name is the `rule` of its alerts; without a condition it settles what becomes of the alerts that plugins
/// raise under that name.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRule {
    /// Unique name.
    pub name: String,
    /// What the routers measure themselves; `None` = plugins raise the alert.
    pub condition: Option<Condition>,
    /// How long the condition must hold before the alert is raised, ms.
    pub for_ms: u64,
    /// How long an alert stays up after it was last seen; then it is resolved, ms.
    pub keep_firing_ms: u64,
    /// How long the same alert (rule and fingerprint) is not raised again, ms.
    pub cooldown_ms: u64,
    /// Names of the sinks that are told; `None` = all.
    pub sinks: Option<Vec<String>>,
    /// Said with the alert.
    pub labels: BTreeMap<String, String>,
}

/// `metric` of `route` above `above`.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// What is measured.
    pub metric: Metric,
    /// Of this route; `None` = of each route apart.
    pub route: Option<String>,
    /// The bound: percent, milliseconds or requests per second, as the metric has it.
    pub above: f64,
    /// Requests in the window below which the condition does not hold.
    pub min_samples: u64,
}

/// What a router measures, over the last ten seconds, of itself or of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Percent of the requests that got a 5xx or no answer.
    ErrorRate,
    /// Half of the answers took longer, ms.
    LatencyP50,
    /// One answer in a hundred took longer, ms.
    LatencyP99,
    /// Requests per second.
    RequestRate,
    /// CPU of the router's process, percent of the machine.
    Cpu,
    /// Memory of the router's process, percent of the machine.
    Memory,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::ErrorRate, Self::LatencyP50, Self::LatencyP99, Self::RequestRate, Self::Cpu, Self::Memory];

    /// As it is written in a policy file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ErrorRate => "error_rate",
            Self::LatencyP50 => "latency_p50",
            Self::LatencyP99 => "latency_p99",
            Self::RequestRate => "request_rate",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }

    /// True if it is of the router and not of a route.
    #[must_use]
    pub const fn is_of_router(self) -> bool {
        matches!(self, Self::Cpu | Self::Memory)
    }

    /// Unit of the bound, for people.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::ErrorRate | Self::Cpu | Self::Memory => "%",
            Self::LatencyP50 | Self::LatencyP99 => "ms",
            Self::RequestRate => "requests/s",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_metrics_are_those_of_the_policy() {
        for metric in Metric::ALL {
            assert_eq!(serde_json::to_string(&metric).unwrap(), format!("\"{}\"", metric.as_str()));
            assert!(!metric.unit().is_empty());
        }
        assert_eq!(Metric::ALL.iter().filter(|metric| metric.is_of_router()).count(), 2);
    }
}
