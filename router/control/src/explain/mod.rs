//! Explaining a request: what would become of it, and why.
//!
//! The same route table, fields, plugins and cells as in the request path, on a snapshot; but plugins run on instances of
//! their own, their effects are only told, no counter moves and nothing is sent. Blocking: it may start plugins.

mod chain;
mod destination;
mod filters;
mod offline;
mod question;
mod report;
mod route;

use sluice_policy::TrialMode;
use sluice_snapshot::plugin::Trial;
use sluice_snapshot::{Seat, Snapshot};

pub use offline::{Assumed, OfflineError, explain_folder};
pub use question::{HEADERS_MAX, Question, QuestionError};
pub use report::{
    Explanation, Outcome, PluginSaid, RequestSeen, RolloutSeen, RouteLost, RouteTaken, Said, ServerSeen, TimeLimits,
    UpstreamSeen,
};

pub(crate) use chain::{Probe, not_concerned};
pub(crate) use question::Head;

use crate::release::ledger::short;

/// Status of the answer to a preflight.
const PREFLIGHT_STATUS: u16 = 204;
/// A slash that is no separator, in a path in normal form.
const ENCODED_SLASH: &str = "%2F";
/// Explanations that a router makes or has waiting at a time: they start plugins, and an operator asks one by one.
pub(crate) const EXPLANATIONS_AT_ONCE_MAX: usize = 4;

/// Explains `head` on `snapshot`; `probe` makes the instances that are asked. Blocking.
pub(crate) fn explain(snapshot: &Snapshot, head: &Head, probe: &mut Probe<'_>) -> Explanation {
    let mut explanation = Explanation {
        revision: snapshot.revision,
        request: seen(head),
        route: None,
        others: Vec::new(),
        others_left_out: 0,
        filters: Vec::new(),
        plugins: Vec::new(),
        rollout: None,
        outcome: Outcome::Refused { status: 404, reason: "no route matches".to_owned() },
        limits: None,
        notes: Vec::new(),
    };
    if let Err(fault) = &head.path {
        explanation.outcome = Outcome::Refused { status: 400, reason: fault.to_string() };
        return explanation;
    }
    let route::Taken { taken, others, left_out } = route::find(&snapshot.policy, head);
    (explanation.others, explanation.others_left_out) = (others, left_out);
    let Some((found, taken)) = taken else { return explanation };
    explanation.route = Some(taken);
    let index = found.route;
    let route = &snapshot.policy.routes[index];
    explanation.filters = filters::describe(&snapshot.policy, found, head);
    explanation.rollout = destination::rollout(snapshot, index, head);
    if let Some(reason) = filters::refuses(route, head) {
        explanation.outcome = Outcome::Refused { status: 413, reason };
        return explanation;
    }
    if route::is_preflight(&snapshot.policy, Some(found), head) {
        let by = "the CORS rules of the route, for it is a preflight".to_owned();
        explanation.outcome = Outcome::Answered { by, status: PREFLIGHT_STATUS, location: None };
        return explanation;
    }
    let heard = chain::ask(snapshot, index, head, probe);
    explanation.outcome = destination::outcome(snapshot, found, head, &heard);
    explanation.notes = notes(head, &heard);
    explanation.notes.extend(trials(snapshot, index));
    explanation.plugins = heard.plugins;
    if matches!(explanation.outcome, Outcome::Sent { .. }) {
        explanation.limits = Some(filters::time_limits(route));
    }
    explanation
}

fn seen(head: &Head) -> RequestSeen {
    RequestSeen {
        method: head.method.to_string(),
        host: head.host.clone(),
        path: head.path().to_owned(),
        sent_path: (head.sent_path != head.path()).then(|| head.sent_path.clone()),
        query: head.query.clone(),
        body_bytes: head.body_bytes,
    }
}

/// New digests that may be asked in the place of those that were, or beside them.
fn trials(snapshot: &Snapshot, route: usize) -> Vec<String> {
    let seats = snapshot.policy.routes[route].chain.iter().map(|index| &snapshot.seats[*index]);
    let note = |trial: &std::sync::Arc<Trial>| {
        let (name, digest) = (trial.plugin.name(), short(&trial.plugin.key.digest));
        let percent = trial.share.as_percent();
        match trial.mode {
            TrialMode::Canary => {
                format!("of {percent} % of the requests, digest {digest} of `{name}` is asked instead")
            }
            TrialMode::Shadow => format!("digest {digest} of `{name}` is on trial as a shadow: it changes nothing"),
        }
    };
    seats.filter_map(Seat::trial).map(note).collect()
}

fn notes(head: &Head, heard: &chain::Heard) -> Vec<String> {
    let mut notes = Vec::new();
    if head.path().contains(ENCODED_SLASH) {
        let note = "the path has an encoded slash: a listener may refuse or decode it (encoded_slash), here it is kept";
        notes.push(note.to_owned());
    }
    if head.body_bytes.is_some() && chain::is_form(head) {
        let note = "the parts of a form are counted as they stream by: --body-bytes is taken as its largest file";
        notes.push(note.to_owned());
    }
    if let (Some(plugin), true) = (&heard.aborted_by, chain::is_form(head)) {
        notes.push(format!(
            "this request is on its way before plugin `{plugin}` would abort; the next ones go to stable"
        ));
    }
    notes
}
