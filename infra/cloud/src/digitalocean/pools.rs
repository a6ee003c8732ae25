//! The cloud's own figures of droplets, and its own autoscale pools: what ours is compared with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::DigitalOcean;
use super::call::Call;
use crate::error::CloudError;
use crate::types::DropletId;

/// What is measured from outside of a droplet, or by its metrics agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Seconds of CPU, by mode.
    Cpu,
    /// Load of the last minute.
    Load1,
    /// Bytes of memory in all.
    MemoryTotal,
    /// Bytes of memory to be had.
    MemoryAvailable,
}

impl Metric {
    const fn path(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Load1 => "load_1",
            Self::MemoryTotal => "memory_total",
            Self::MemoryAvailable => "memory_available",
        }
    }
}

/// One line of figures.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Sample {
    /// What it is of: `mode` = `idle`, ..
    #[serde(rename = "metric", default)]
    pub labels: BTreeMap<String, String>,
    /// Seconds since the Unix epoch, and the figure as text.
    pub values: Vec<(f64, String)>,
}

/// What is wanted of an autoscale pool.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AutoscaleWanted {
    /// Its name.
    pub name: String,
    /// When it grows and shrinks.
    pub config: AutoscaleConfig,
    /// What its droplets are like.
    pub droplet_template: AutoscaleTemplate,
}

/// When an autoscale pool grows and shrinks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AutoscaleConfig {
    /// Fewest droplets.
    #[serde(default)]
    pub min_instances: u32,
    /// Most droplets.
    #[serde(default)]
    pub max_instances: u32,
    /// Share of CPU to keep to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_cpu_utilization: Option<f64>,
    /// Least time between two changes, minutes; 5 to 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooldown_minutes: Option<u32>,
}

/// What the droplets of an autoscale pool are like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AutoscaleTemplate {
    /// Slug of the region.
    pub region: String,
    /// Slug of the size.
    pub size: String,
    /// Slug of the image.
    pub image: String,
    /// Ids of the keys that may log in as root.
    pub ssh_keys: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
}

/// An autoscale pool.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct AutoscalePool {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it grows and shrinks.
    pub config: AutoscaleConfig,
    /// `active`, `deleting`, `error`, or a word that is new.
    #[serde(default)]
    pub status: String,
    /// Droplets that it has.
    #[serde(default)]
    pub active_resources_count: u32,
}

impl DigitalOcean {
    /// Figures of a droplet between two times, seconds since the Unix epoch.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn metric(
        &self,
        metric: Metric,
        droplet: &DropletId,
        from_seconds: u64,
        to_seconds: u64,
    ) -> Result<Vec<Sample>, CloudError> {
        #[derive(Deserialize)]
        struct Data {
            result: Vec<Sample>,
        }
        let call = Call::get(&["monitoring", "metrics", "droplet", metric.path()])
            .with("host_id", droplet.0.as_str())
            .with("start", from_seconds.to_string())
            .with("end", to_seconds.to_string());
        let data: Data = self.one(&call, "data").await?;
        Ok(data.result)
    }

    /// All autoscale pools.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn autoscale_pools(&self) -> Result<Vec<AutoscalePool>, CloudError> {
        self.all(Call::get(&["droplets", "autoscale"]), "autoscale_pools").await
    }

    /// Asks for an autoscale pool.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn create_autoscale_pool(&self, wanted: &AutoscaleWanted) -> Result<AutoscalePool, CloudError> {
        self.one(&Call::post(&["droplets", "autoscale"], json!(wanted)), "autoscale_pool").await
    }

    /// Removes an autoscale pool, and leaves its droplets; one that is gone is fine.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn delete_autoscale_pool(&self, id: &str) -> Result<(), CloudError> {
        self.gone(&Call::delete(&["droplets", "autoscale", id])).await
    }
}
