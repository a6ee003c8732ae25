//! The simulator as these tests want it: in process, on the paused time of the runtime, with a mishap for each create; and
//! what somebody does to its droplets by hand.

use std::time::Duration;

use serde_json::{Value, json};
use sluice_infra_cloud::simulator::{FaultPlan, Request, Simulator, SimulatorSettings};
use sluice_infra_cloud::{Cloud as _, CreateDroplet, DropletId, Firewall};

/// Longest that the simulator takes to delete a droplet or to switch it off.
const DONE_MAX: Duration = Duration::from_secs(76);

/// What happens to one call of `create_droplet`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// It goes well.
    None,
    /// 5xx or time-out after the droplet was made.
    UnclearAfter,
    /// 5xx before it was made.
    UnclearBefore,
    /// 429.
    TooMany,
    /// "please try again".
    Transient,
    /// "will exceed your droplet limit".
    Quota,
    /// Accepted, and then 404: its placement failed.
    Vanishes,
    /// Accepted, and never active.
    NeverActive,
}

impl Mishap {
    const fn kind(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::UnclearAfter => Some("error-after"),
            Self::UnclearBefore => Some("error-before"),
            Self::TooMany => Some("too-many-requests"),
            Self::Transient => Some("try-again"),
            Self::Quota => Some("quota"),
            Self::Vanishes => Some("vanish"),
            Self::NeverActive => Some("never-active"),
        }
    }
}

/// A droplet that is billed.
#[derive(Clone, Debug)]
pub(crate) struct Billed {
    pub(crate) id: DropletId,
    pub(crate) size: String,
    pub(crate) tags: Vec<String>,
}

/// The simulator of one test.
pub(crate) struct Simulated(pub(crate) Simulator);

impl Default for Simulated {
    fn default() -> Self {
        Self::with(&[], Duration::ZERO)
    }
}

impl Simulated {
    /// The first creates end so; listings of droplets lag behind by so much.
    pub(crate) fn with(mishaps: &[Mishap], lag: Duration) -> Self {
        let simulator = Simulator::new(&SimulatorSettings { speed: Some(1.0), ..SimulatorSettings::default() });
        let of_create = mishaps.iter().enumerate().filter_map(|(before, mishap)| {
            let kind = mishap.kind()?;
            Some(json!({ "kind": kind, "route": "POST /v2/droplets", "nth": before + 1, "seconds": 40 }))
        });
        let mut faults: Vec<Value> = of_create.collect();
        if !lag.is_zero() {
            faults.push(json!({ "kind": "stale-list", "seconds": lag.as_secs() }));
        }
        simulator.set_faults(FaultPlan::parse(&json!({ "fault": faults }).to_string()).unwrap());
        Self(simulator)
    }

    fn entries(&self, kind: &str) -> Vec<Value> {
        let state = self.0.state();
        state[kind].as_object().into_iter().flatten().map(|(_, entry)| entry.clone()).collect()
    }

    /// Droplets that stand and whose end nobody asked for.
    pub(crate) fn billed(&self) -> Vec<Billed> {
        let standing = self.entries("droplets").into_iter().filter(|droplet| droplet["is_leaving"] == false);
        standing
            .map(|droplet| Billed {
                id: DropletId(droplet["id"].to_string()),
                size: droplet["size"].as_str().unwrap().to_owned(),
                tags: serde_json::from_value(droplet["tags"].clone()).unwrap(),
            })
            .collect()
    }

    fn charges(&self) -> Vec<Value> {
        self.0.bill()["charges"].as_array().unwrap().clone()
    }

    /// Droplets that were ever made.
    pub(crate) fn created(&self) -> usize {
        self.charges().len()
    }

    /// Highest number of droplets that were billed at a time.
    pub(crate) fn peak(&self) -> usize {
        let charges = self.charges();
        let span = |charge: &Value| (charge["from_ms"].as_u64().unwrap(), charge["until_ms"].as_u64().unwrap());
        let spans: Vec<(u64, u64)> = charges.iter().map(span).collect();
        let at = |time: u64| spans.iter().filter(|(from, until)| (*from..*until).contains(&time)).count();
        spans.iter().map(|(from, _)| at(*from)).max().unwrap_or_default()
    }

    /// Names of the firewalls.
    pub(crate) fn walls(&self) -> Vec<String> {
        self.entries("firewalls").iter().map(|wall| wall["name"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn keys(&self) -> usize {
        self.entries("keys").len()
    }

    /// Somebody asks for something by hand, and waits until it is so.
    fn by_hand(&self, method: &str, path: &str, body: &Value) {
        let request = Request {
            method: method.into(),
            path: path.into(),
            token: Some("hand".into()),
            body: body.to_string().into_bytes(),
            ..Request::default()
        };
        let reply = self.0.answer(&request);
        assert!((200..300).contains(&reply.answer.status), "{method} {path}: {reply:?}");
        self.0.advance(DONE_MAX);
    }

    /// Somebody deletes a droplet by hand.
    pub(crate) fn lose(&self, id: &DropletId) {
        self.by_hand("DELETE", &format!("/v2/droplets/{id}"), &Value::Null);
    }

    /// Somebody switches a droplet off.
    pub(crate) fn power_off(&self, id: &DropletId) {
        self.by_hand("POST", &format!("/v2/droplets/{id}/actions"), &json!({ "type": "power_off" }));
    }

    /// Somebody takes all tags off a droplet.
    pub(crate) fn untag(&self, droplet: &Billed) {
        let resources = json!({ "resources": [{ "resource_id": droplet.id.0, "resource_type": "droplet" }] });
        for tag in &droplet.tags {
            self.by_hand("DELETE", &format!("/v2/tags/{tag}/resources"), &resources);
        }
    }

    /// Somebody makes a droplet by hand.
    pub(crate) async fn stray(&self, tags: &[String]) -> DropletId {
        let wanted = CreateDroplet {
            name: "stray".to_owned(),
            region: "fra1".to_owned(),
            size: "s-1vcpu-1gb".to_owned(),
            image: "debian-13-x64".to_owned(),
            ssh_keys: Vec::new(),
            tags: tags.to_vec(),
            user_data: String::new(),
        };
        self.0.create_droplet(&wanted).await.unwrap().id
    }

    /// Somebody opens a firewall by hand.
    pub(crate) async fn open_walls(&self, name: &str) {
        let mut walls = self.0.firewalls(name).await.unwrap();
        let wall = walls.pop().unwrap();
        self.0.put_firewall(&Firewall { inbound: Vec::new(), ..wall }).await.unwrap();
    }
}
