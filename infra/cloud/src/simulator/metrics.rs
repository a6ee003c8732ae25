//! Monitoring: series of CPU, memory, load, file system and bandwidth, the same for the same droplet and time.

use serde_json::{Value, json};

use super::call::{Answer, Outcome, Refusal};
use super::catalogue::size_of;
use super::droplets::{Droplet, Status};
use super::routes::Call;

/// Between two points, seconds.
const STEP_SECONDS: u64 = 120;
/// Points of one series; longer spans have wider steps.
const POINTS_MAX: u64 = 720;
/// Shares that are in use of a droplet of which nothing was set.
const IDLE: (f64, f64) = (0.05, 0.35);
const MIB: f64 = 1_048_576.0;
const GIB: f64 = 1_073_741_824.0;

impl Droplet {
    /// CPU and memory in use, as shares.
    pub(super) fn load(&self) -> (f64, f64) {
        self.load.unwrap_or(IDLE)
    }
}

/// `GET /v2/monitoring/metrics/droplet/METRIC`
pub(super) fn show(call: &Call<'_>, metric: &str) -> Outcome {
    let number = |name: &str| call.request.parameter(name).and_then(|text| text.parse::<u64>().ok());
    let (Some(id), Some(start), Some(end)) = (number("host_id"), number("start"), number("end")) else {
        return Err(Refusal::bad_request("host_id, start and end are required"));
    };
    let droplet = call.world.droplets.get(&id).ok_or_else(Refusal::not_found)?;
    let (first, last) = (start.max(droplet.created_ms / 1_000), end.min(call.world.now_ms / 1_000));
    let step = (last.saturating_sub(first) / POINTS_MAX).max(STEP_SECONDS);
    let silent = droplet.status != Status::Active || droplet.is_unhealthy;
    let times: Vec<u64> = if silent || first > last {
        Vec::new()
    } else {
        (first..=last).step_by(usize::try_from(step).unwrap_or(1)).collect()
    };
    let result = series(droplet, metric, call)?.into_iter().filter(|_| !times.is_empty()).map(|(labels, value_at)| {
        let values: Vec<Value> = times.iter().map(|&at| json!([at, format!("{:.4}", value_at(at))])).collect();
        json!({ "metric": labels, "values": values })
    });
    let data = json!({ "resultType": "matrix", "result": result.collect::<Vec<_>>() });
    Ok(Answer::json(200, &json!({ "status": "success", "data": data })))
}

type Series = (Value, Box<dyn Fn(u64) -> f64>);

fn series(droplet: &Droplet, metric: &str, call: &Call<'_>) -> Result<Vec<Series>, Refusal> {
    let host = droplet.id.to_string();
    let (cpu, memory) = droplet.load();
    let size = size_of(&droplet.size).ok_or_else(Refusal::not_found)?;
    let (cores, bytes) = (f64::from(size.vcpus), f64::from(size.memory_mib) * MIB);
    let disk = f64::from(size.disk_gib) * GIB;
    let begin = droplet.created_ms / 1_000;
    let one = |value: f64| -> Vec<Series> { vec![(json!({ "host_id": host }), Box::new(move |_| value))] };
    let file_system = |value: f64| -> Vec<Series> {
        let labels = json!({ "host_id": host, "device": "/dev/vda1", "fstype": "ext4", "mountpoint": "/" });
        vec![(labels, Box::new(move |_| value))]
    };
    Ok(match metric {
        // Seconds since the start, as the agent counts them.
        "cpu" => [("idle", 1.0 - cpu), ("user", cpu * 0.8), ("system", cpu * 0.2)]
            .map(|(mode, share)| -> Series {
                let count = move |at: u64| {
                    f64::from(u32::try_from(at.saturating_sub(begin)).unwrap_or(u32::MAX)) * share * cores
                };
                (json!({ "host_id": host, "mode": mode }), Box::new(count))
            })
            .into(),
        "load_1" | "load_5" | "load_15" => one(cpu * cores),
        "memory_total" => one(bytes),
        "memory_available" => one(bytes * (1.0 - memory)),
        "memory_free" => one(bytes * (1.0 - memory) * 0.6),
        "memory_cached" => one(bytes * (1.0 - memory) * 0.4),
        "filesystem_size" => file_system(disk),
        "filesystem_free" => file_system(disk * 0.8),
        "bandwidth" => {
            let word = |name: &str| call.request.parameter(name).unwrap_or_default().to_owned();
            let labels = json!({ "host_id": host, "direction": word("direction"), "interface": word("interface") });
            // Mbit/s
            vec![(labels, Box::new(move |_| cpu * 10.0))]
        }
        _ => return Err(Refusal::not_found()),
    })
}
