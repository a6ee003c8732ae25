//! The plugins of a route, asked on instances of their own: what each of them would say of a request. Nothing that they
//! want beside their verdict happens.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use http::header;
use sluice_policy::FailurePolicy;
use sluice_snapshot::{Link, Plugin, Seat, Snapshot};
use sluice_wasm::{CallError, Decision, Edit, Effect, FailureKind, Instance, Level, SizeUnit, Verdict};

use crate::clock::now_ms;
use crate::explain::question::Head;
use crate::explain::report::{PluginSaid, Said};
use crate::fault::chain as causes;

/// What is told of a plugin whose seat is empty.
const NOT_LOADED: &str = "its file could not be loaded";
/// Where it is told, in the place of a phase.
const LOAD: &str = "load";
/// What is told of a plugin that is not called.
const QUARANTINED: &str = "it is quarantined, after too many failures in a row";

/// Makes an instance of the plugin of this index that knows the present state.
pub(crate) type Probe<'a> = dyn FnMut(usize) -> Result<Instance, String> + 'a;

/// What the chain says as a whole.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) plugins: Vec<PluginSaid>,
    /// The last variant that was chosen, and by whom.
    pub(crate) variant: Option<(String, String)>,
    /// Who answers, and with which status; then nobody after it is asked.
    pub(crate) answered: Option<Ending>,
    /// The plugin that would abort the rollout.
    pub(crate) aborted_by: Option<String>,
}

/// How a plugin ends the request.
#[derive(Debug)]
pub(crate) enum Ending {
    /// It answers.
    Answer {
        /// Its name.
        plugin: String,
        /// The status.
        status: u16,
    },
    /// It fails, and its failure policy is to refuse.
    Failure {
        /// Its name.
        plugin: String,
        /// The status.
        status: u16,
    },
}

/// Asks the chain of `route` about `head`.
pub(crate) fn ask(snapshot: &Snapshot, route: usize, head: &Head, probe: &mut Probe<'_>) -> Heard {
    let mut asking = Asking {
        snapshot,
        route,
        head,
        probe,
        instances: BTreeMap::new(),
        contexts: BTreeMap::new(),
        heard: Heard::default(),
    };
    let links = &snapshot.routes[route];
    asking.empty_seats();
    for link in &links.request_phase {
        if asking.heard.answered.is_some() {
            return asking.heard;
        }
        asking.request(*link);
    }
    for link in &links.body_size_phase {
        if asking.heard.answered.is_some() {
            return asking.heard;
        }
        asking.body_size(*link);
    }
    for link in &links.body_chunk_phase {
        asking.body_chunk(*link);
    }
    asking.heard
}

struct Asking<'a, 'p> {
    snapshot: &'a Snapshot,
    route: usize,
    head: &'a Head,
    probe: &'a mut Probe<'p>,
    /// By index of the plugin.
    instances: BTreeMap<usize, Instance>,
    /// What plugins asked to be handed back, by position in the chain.
    contexts: BTreeMap<usize, u32>,
    heard: Heard,
}

impl Asking<'_, '_> {
    /// Plugins of the chain that could not be loaded: the route is closed, or goes on without them.
    fn empty_seats(&mut self) {
        let policy = &self.snapshot.policy;
        for index in &policy.routes[self.route].chain {
            let Seat::Empty(without) = self.snapshot.seats[*index] else { continue };
            let name = policy.plugins[*index].name.clone();
            let verdict = match without {
                FailurePolicy::Open => Said::Skipped { reason: NOT_LOADED.to_owned() },
                FailurePolicy::Closed { status } => {
                    let plugin = name.clone();
                    self.heard.answered.get_or_insert(Ending::Failure { plugin, status });
                    Said::Failed { reason: NOT_LOADED.to_owned(), status: Some(status) }
                }
            };
            self.heard.plugins.push(PluginSaid { name, phase: LOAD.to_owned(), verdict, would: Vec::new() });
        }
    }

    fn request(&mut self, link: Link) {
        const PHASE: &str = "request";
        let plugin = self.snapshot.seats[link.plugin].plugin();
        // In a seat with a trial, the phase may be that of the other digest.
        let Some(plugin) = plugin.filter(|plugin| plugin.activation.phases.request) else { return };
        if let Some(reason) = not_concerned(plugin, self.head) {
            return self.say(plugin, PHASE, Said::Skipped { reason }, Vec::new());
        }
        let mut blob = Vec::new();
        self.head.fields().pack(&mut blob, &plugin.request_fields, &self.snapshot.policy);
        let verdict = self.call(link, |instance, _| instance.on_request(&blob, now_ms(), rand::random()));
        self.hear(plugin, PHASE, verdict);
    }

    fn body_size(&mut self, link: Link) {
        const PHASE: &str = "body-size";
        let plugin = self.snapshot.seats[link.plugin].plugin();
        let Some(plugin) = plugin.filter(|plugin| plugin.activation.phases.body_size) else { return };
        let above = plugin.activation.body_size_above;
        let skipped = match (not_concerned(plugin, self.head), self.head.body_bytes) {
            (Some(reason), _) => Some(reason),
            (None, None) => Some("the size of the body is not known: ask with --body-bytes".to_owned()),
            (None, Some(bytes)) if bytes <= above => Some(format!("{bytes} bytes are not above its {above}")),
            (None, Some(_)) => None,
        };
        if let Some(reason) = skipped {
            return self.say(plugin, PHASE, Said::Skipped { reason }, Vec::new());
        }
        let bytes = self.head.body_bytes.unwrap_or_default();
        let (unit, is_declared) = if is_form(self.head) { (SizeUnit::Part, false) } else { (SizeUnit::Body, true) };
        let verdict = self.call(link, |instance, ctx| instance.on_body_size(ctx, bytes, unit, is_declared));
        self.hear(plugin, PHASE, verdict);
    }

    /// Bytes of a body are not asked for here: what a plugin says of them is not known.
    fn body_chunk(&mut self, link: Link) {
        const PHASE: &str = "body-chunk";
        let plugin = self.snapshot.seats[link.plugin].plugin();
        let Some(plugin) = plugin.filter(|plugin| plugin.activation.phases.body_chunk) else { return };
        let is_shown = self.head.body_bytes.is_some_and(|bytes| bytes > 0);
        if is_shown && not_concerned(plugin, self.head).is_none() {
            let reason = "what it says of the body's bytes shows when they come".to_owned();
            self.say(plugin, PHASE, Said::Skipped { reason }, Vec::new());
        }
    }

    fn call(
        &mut self,
        link: Link,
        call: impl FnOnce(&mut Instance, u32) -> Result<Verdict, CallError>,
    ) -> Result<Verdict, Failed> {
        let plugin = self.snapshot.seats[link.plugin].plugin();
        if plugin.is_some_and(|plugin| plugin.breaker.is_refusing(now_ms)) {
            return Err(Failed::of(FailureKind::Trap, QUARANTINED));
        }
        if let Entry::Vacant(place) = self.instances.entry(link.plugin) {
            place.insert((self.probe)(link.plugin).map_err(|reason| Failed::of(FailureKind::Trap, &reason))?);
        }
        let instance = self.instances.get_mut(&link.plugin);
        let instance = instance.ok_or_else(|| Failed::of(FailureKind::Trap, "it has no instance"))?;
        let ctx = self.contexts.entry(link.position).or_default();
        let verdict = call(instance, *ctx).map_err(|error| Failed::of(error.kind(), &causes(&error)))?;
        *ctx = verdict.ctx;
        Ok(verdict)
    }

    fn hear(&mut self, plugin: &Plugin, phase: &str, verdict: Result<Verdict, Failed>) {
        let name = plugin.name().to_owned();
        let verdict = match verdict {
            Ok(verdict) => verdict,
            Err(failed) => return self.fail(plugin, phase, failed),
        };
        let (edits, effects) =
            verdict.outcome.as_deref().map_or((&[][..], &[][..]), |outcome| (&outcome.edits, &outcome.effects));
        if plugin.abort_granted && effects.iter().any(is_abort) {
            self.heard.aborted_by = Some(name.clone());
        }
        let would = edits.iter().map(would_edit).chain(effects.iter().map(would)).collect();
        let said = match verdict.decision {
            Decision::Next | Decision::Done => Said::Next,
            Decision::Variant(index) => {
                let variant = plugin.activation.variants.get(usize::from(index)).cloned().unwrap_or_default();
                if !self.has_variant(&variant) {
                    let reason = format!("it chose the variant `{variant}`, which the route does not have");
                    return self.fail(plugin, phase, Failed::of(FailureKind::Trap, &reason));
                }
                self.heard.variant = Some((variant.clone(), name));
                Said::Variant { variant }
            }
            Decision::Respond { status } => {
                self.heard.answered = Some(Ending::Answer { plugin: name, status });
                let own = verdict.outcome.as_ref().and_then(|outcome| outcome.response.as_ref());
                Said::Respond { status, body_bytes: own.map_or(0, |own| own.body.len()) }
            }
        };
        self.say(plugin, phase, said, would);
    }

    fn fail(&mut self, plugin: &Plugin, phase: &str, Failed { kind, reason }: Failed) {
        let on_failure = &plugin.on_failure;
        let policy = match kind {
            FailureKind::Trap => on_failure.trap,
            FailureKind::Deadline => on_failure.deadline,
            FailureKind::Memory => on_failure.memory,
        };
        let status = match policy {
            FailurePolicy::Closed { status } => Some(status),
            FailurePolicy::Open => None,
        };
        let plugin_name = plugin.name().to_owned();
        self.heard.answered = status.map(|status| Ending::Failure { plugin: plugin_name, status });
        self.say(plugin, phase, Said::Failed { reason, status }, Vec::new());
    }

    fn has_variant(&self, variant: &str) -> bool {
        let policy = &self.snapshot.policy;
        let rollout = policy.routes[self.route].rollout.map(|rollout| &policy.rollouts[rollout]);
        rollout.is_some_and(|rollout| rollout.upstream_of(variant).is_some())
    }

    fn say(&mut self, plugin: &Plugin, phase: &str, verdict: Said, would: Vec<String>) {
        let name = plugin.name().to_owned();
        self.heard.plugins.push(PluginSaid { name, phase: phase.to_owned(), verdict, would });
    }
}

/// A call that fails.
struct Failed {
    kind: FailureKind,
    /// How, for people.
    reason: String,
}

impl Failed {
    fn of(kind: FailureKind, reason: &str) -> Self {
        Self { kind, reason: reason.to_owned() }
    }
}

/// Why the host does not ask a plugin, decided without a call.
pub(crate) fn not_concerned(plugin: &Plugin, head: &Head) -> Option<String> {
    if plugin.applies(head.method.as_str(), head.path()) {
        return None;
    }
    let activation = &plugin.activation;
    let mut wants = Vec::new();
    if !activation.methods.is_empty() {
        wants.push(activation.methods.join(", "));
    }
    if !activation.path_prefixes.is_empty() {
        wants.push(format!("paths below {}", activation.path_prefixes.join(", ")));
    }
    Some(format!("it takes part only in {}", wants.join(" and ")))
}

/// Of a form the parts are counted as they stream by; of anything else the declared length counts.
pub(crate) fn is_form(head: &Head) -> bool {
    let content_type = head.headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    content_type.to_ascii_lowercase().starts_with(b"multipart/form-data")
}

const fn is_abort(effect: &Effect) -> bool {
    matches!(effect, Effect::RaiseAlert(alert) if alert.abort_rollout)
}

fn would(effect: &Effect) -> String {
    match effect {
        Effect::RaiseAlert(alert) => {
            let abort = if alert.abort_rollout { " and abort the rollout" } else { "" };
            format!("would raise the alert `{}`{abort}: {}", alert.rule, alert.message)
        }
        Effect::Add { name, value } => format!("would add {value} to the counter `{name}`"),
        Effect::Log { level, message } => {
            let level = match level {
                Level::Debug => "debug",
                Level::Info => "info",
                Level::Warn => "warn",
            };
            format!("would log at level {level}: {message}")
        }
        Effect::Tag(tag) => format!("would tag the request `{tag}`"),
    }
}

fn would_edit(edit: &Edit) -> String {
    match edit {
        Edit::SetHeader { name, value } => format!("would set the header `{name}: {value}`"),
        Edit::AppendHeader { name, value } => format!("would append the header `{name}: {value}`"),
        Edit::RemoveHeader { name } => format!("would remove the header `{name}`"),
        Edit::SetPath(path) => format!("would send it to the path {path}"),
        Edit::SetQuery(query) if query.is_empty() => "would send it without a query".to_owned(),
        Edit::SetQuery(query) => format!("would send it with the query {query}"),
        Edit::SetStatus(status) => format!("would set the status {status}"),
    }
}
