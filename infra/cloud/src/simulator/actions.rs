//! Actions: what was asked for and takes its time.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::{Answer, Outcome, Refusal};
use super::catalogue::region_of;
use super::clock::written;
use super::droplets::Status;
use super::faults::Effect;
use super::pages::Page;
use super::routes::Call;
use super::world::{Event, World};

/// What was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Action {
    id: u64,
    kind: Kind,
    state: State,
    started_ms: u64,
    completed_ms: Option<u64>,
    pub(super) resource: u64,
    region: String,
    /// It will fail.
    is_doomed: bool,
}

/// How it fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    InProgress,
    Completed,
    Errored,
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Create,
    Destroy,
    PowerOff,
    PowerOn,
    PowerCycle,
    Reboot,
    Shutdown,
    AssignIp,
    UnassignIp,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Destroy => "destroy",
            Self::PowerOff => "power_off",
            Self::PowerOn => "power_on",
            Self::PowerCycle => "power_cycle",
            Self::Reboot => "reboot",
            Self::Shutdown => "shutdown",
            Self::AssignIp => "assign_ip",
            Self::UnassignIp => "unassign_ip",
        }
    }

    fn of_droplet(word: &str) -> Option<Self> {
        [Self::PowerOff, Self::PowerOn, Self::PowerCycle, Self::Reboot, Self::Shutdown]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

impl Action {
    pub(super) fn value(&self) -> Value {
        let status = match self.state {
            State::InProgress => "in-progress",
            State::Completed => "completed",
            State::Errored => "errored",
        };
        let resource = if matches!(self.kind, Kind::AssignIp | Kind::UnassignIp) { "reserved_ip" } else { "droplet" };
        json!({
            "id": self.id, "status": status, "type": self.kind.as_str(), "started_at": written(self.started_ms),
            "completed_at": self.completed_ms.map(written), "resource_id": self.resource, "resource_type": resource,
            "region": region_of(&self.region).map(|region| &region.value), "region_slug": self.region,
        })
    }
}

/// `GET /v2/actions` and `GET /v2/droplets/ID/actions`, newest first.
pub(super) fn list(call: &Call<'_>, droplet: Option<u64>) -> Outcome {
    if droplet.is_some_and(|id| !call.world.droplets.contains_key(&id)) {
        return Err(Refusal::not_found());
    }
    let fit = || call.world.actions.values().rev().filter(|action| droplet.is_none_or(|id| action.resource == id));
    Ok(Page::of(call.request)
        .answer(call.request, "actions", fit().count(), fit(), |action| action.value().to_string()))
}

/// `GET /v2/actions/ID`, and the same below its droplet.
pub(super) fn show(call: &Call<'_>, id: u64, droplet: Option<u64>) -> Outcome {
    let action = call.world.actions.get(&id).filter(|action| droplet.is_none_or(|id| action.resource == id));
    Ok(Answer::json(200, &json!({ "action": action.ok_or_else(Refusal::not_found)?.value() })))
}

/// `POST /v2/droplets/ID/actions`
pub(super) fn start(call: &mut Call<'_>, droplet: u64) -> Outcome {
    #[derive(Deserialize)]
    struct Wanted {
        r#type: String,
    }
    let wanted: Wanted = call.request.json()?;
    let found = call.world.droplets.get(&droplet).ok_or_else(Refusal::not_found)?;
    let kind = Kind::of_droplet(&wanted.r#type)
        .ok_or_else(|| Refusal::unprocessable(&format!("`{}` is not simulated.", wanted.r#type)))?;
    let is_busy = call.world.actions.values().rev().any(|a| a.resource == droplet && a.state == State::InProgress);
    if is_busy || found.is_leaving || found.status == Status::New {
        return Err(Refusal::unprocessable("Droplet already has a pending event."));
    }
    if kind == Kind::PowerOn && found.status == Status::Active {
        return Err(Refusal::unprocessable("Droplet is already powered on."));
    }
    let region = found.region.clone();
    let is_doomed = call.effects.contains(&Effect::ActionErrored);
    let id = call.world.begin_action(kind, droplet, &region, is_doomed);
    call.world.later(call.world.latency.action_ms, Event::ActionEnds(id));
    let action = call.world.actions.get(&id).map(Action::value);
    Ok(Answer::json(201, &json!({ "action": action })))
}

impl World {
    /// Writes down that something begins; when it ends is the caller's matter.
    pub(super) fn begin_action(&mut self, kind: Kind, resource: u64, region: &str, is_doomed: bool) -> u64 {
        let id = self.take_action_id();
        let (state, started_ms) = (State::InProgress, self.now_ms);
        let region = region.to_owned();
        self.actions
            .insert(id, Action { id, kind, state, started_ms, completed_ms: None, resource, region, is_doomed });
        id
    }

    /// An action ends, and what it was for is so.
    pub(super) fn end_action(&mut self, id: u64) {
        let Some(action) = self.actions.get_mut(&id) else { return };
        action.state = if action.is_doomed { State::Errored } else { State::Completed };
        action.completed_ms = Some(self.now_ms);
        let (kind, resource, is_doomed) = (action.kind, action.resource, action.is_doomed);
        if kind == Kind::Create {
            self.droplet_made(resource);
        }
        let status = match kind {
            _ if is_doomed => return,
            Kind::PowerOff | Kind::Shutdown => Status::Off,
            Kind::PowerOn | Kind::PowerCycle | Kind::Reboot => Status::Active,
            Kind::Create | Kind::Destroy | Kind::AssignIp | Kind::UnassignIp => return,
        };
        if let Some(droplet) = self.droplets.get_mut(&resource) {
            droplet.status = status;
        }
    }

    /// Ends those that wait for the end of a droplet.
    pub(super) fn end_destroy(&mut self, droplet: u64) {
        let open =
            self.actions.values().rev().find(|action| action.resource == droplet && action.kind == Kind::Destroy);
        if let Some(id) = open.map(|action| action.id) {
            self.end_action(id);
        }
    }
}
