//! `[[routes]]`: one route, first by itself, then with its names resolved.

use sluice_document::keys::Keys;
use sluice_document::names::Names;
use sluice_document::reader::{Named, Place, Reader, Value};
use sluice_document::shape::{Form, HOST, Key, Rule, Shape};
use sluice_document::values::{list, name_text, one_or_more, unique};

use super::filter::{self, FiltersDraft};
use super::matching::{self, MatchDraft};
use super::target::{self, TargetDraft};
use super::{Scope, cors, header_edits, limits, path_change, timing};
use crate::limits::RouteLimits;
use crate::route::{HostPattern, Retries, Route, Timeouts};

/// Most hosts of one route; the bound of the Gateway API.
pub(crate) const HOSTS_MAX: usize = 16;
/// Most matches of one route; the bound of the Gateway API.
pub(crate) const MATCHES_MAX: usize = 64;
/// Most combinations of host, match and method of one route; each is an entry of the route table.
pub(crate) const COMBINATIONS_MAX: usize = 1_024;
/// Most plugins of one chain.
pub(crate) const CHAIN_MAX: usize = 16;
/// Most error pages of one route.
pub(crate) const ERROR_PAGES_MAX: usize = 16;

pub(crate) const SHAPE: Shape = Shape::new(
    "[[routes]]",
    &[
        Key::required("name", Form::Name, "Unique over all files"),
        Key::default(
            "hosts",
            Form::OneOrMore(&HOST, HOSTS_MAX),
            "\"*\"",
            "Hosts it answers for, without port: `example.org`, `*.example.org` or `*`",
        ),
        Key::default(
            "match",
            Form::OneOrMore(&Form::Table(&matching::SHAPE), MATCHES_MAX),
            "{}",
            "What a request must look like; one of several is enough",
        ),
        Key::default("plugins", Form::List(&Form::Name, 0, CHAIN_MAX), "[]", "The chain, in order"),
        Key::optional("rollout", Form::Name, "Rollout whose variants it serves"),
        Key::default(
            "request_headers",
            Form::Table(&header_edits::SHAPE),
            "{}",
            "Edits of the request's fields; never of those that the router writes",
        ),
        Key::default("response_headers", Form::Table(&header_edits::SHAPE), "{}", "Edits of the response's fields"),
        Key::optional("redirect", Form::Table(&path_change::REDIRECT), "Answers with a redirect, in place of `to`"),
        Key::optional("rewrite", Form::Table(&path_change::REWRITE), "What the server gets in place of host and path"),
        Key::optional(
            "mirror",
            Form::OneOrMore(&Form::Either(&[Form::Name, Form::Table(&filter::MIRROR)]), filter::MIRRORS_MAX),
            "Upstreams that get a copy of requests",
        ),
        Key::optional("cors", Form::Table(&cors::SHAPE), "Cross-origin resource sharing, answered by the router"),
        Key::optional("to", TO, "Upstreams by weight, where no variant was chosen, or a part of the router"),
        Key::default(
            "timeouts",
            Form::Table(&timing::TIMEOUTS),
            "{}",
            "Time limits; past them a request is answered 504",
        ),
        Key::default(
            "retries",
            Form::Table(&timing::RETRIES),
            "{}",
            "Whether and how often a failed request is sent again, to another server where there is one",
        ),
        Key::default("limits", Form::Table(&limits::SHAPE), "{}", "Limits"),
        Key::default(
            "error_pages",
            Form::List(&Form::Name, 0, ERROR_PAGES_MAX),
            "[]",
            "Error pages it uses, first fit first; without them the default ones",
        ),
    ],
)
.with_rule(Rule::ExactlyOne(&["to", "redirect"]));
const TO: Form = Form::Either(&[
    Form::Name,
    Form::Table(&target::BUILTIN),
    Form::Table(&target::WEIGHTED),
    Form::List(&Form::Either(&[Form::Name, Form::Table(&target::WEIGHTED)]), 1, target::TARGETS_MAX),
]);

/// A route whose names are not yet resolved. A faulty part is left out, so that the names of the others are looked at
/// all the same; the parse has failed then.
pub(crate) struct RouteDraft {
    pub(crate) name: String,
    pub(crate) hosts: Vec<HostPattern>,
    pub(crate) matches: Vec<MatchDraft>,
    chain: Vec<Named>,
    rollout: Option<Named>,
    target: Option<TargetDraft>,
    timeouts: Timeouts,
    retries: Retries,
    filters: FiltersDraft,
    limits: RouteLimits,
    error_pages: Vec<Named>,
}

impl RouteDraft {
    pub(crate) fn resolve(self, reader: &mut Reader<'_>, scope: &Scope) -> Option<Route> {
        let Self { name, hosts, matches, chain, rollout, target, timeouts, retries, filters, limits, error_pages } =
            self;
        let chain: Vec<_> = chain.iter().map(|plugin| scope.plugins.resolve(reader, "plugin", plugin)).collect();
        let rollout = rollout.map(|rollout| scope.rollouts.resolve(reader, "rollout", &rollout));
        let target = target.and_then(|target| target.resolve(reader, scope));
        let filters = filters.resolve(reader, scope);
        let pages: Vec<_> =
            error_pages.iter().map(|page| scope.error_pages.resolve(reader, "error page", page)).collect();
        Some(Route {
            name,
            hosts,
            matches: matches.into_iter().map(|draft| draft.found).collect(),
            chain: chain.into_iter().collect::<Option<_>>()?,
            rollout: rollout.map_or(Some(None), |index| index.map(Some))?,
            target: target?,
            timeouts,
            retries,
            filters: filters?,
            limits,
            error_pages: pages.into_iter().collect::<Option<_>>()?,
        })
    }
}

pub(crate) fn read<'d>(reader: &mut Reader<'_>, names: &mut Names, value: &'d Value<'d>) -> Option<RouteDraft> {
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let name = keys.required(reader, "name", "write name = \"..\", unique over all files", name_text);
    if let Some(name) = &name {
        names.declare(reader, "route", name);
    }
    let hosts = keys.find("hosts").map(|value| one_or_more(reader, value, HOSTS_MAX, matching::host));
    let matches = keys.find("match").map(|value| one_or_more(reader, value, MATCHES_MAX, matching::read));
    let chain = keys.optional(reader, "plugins", |reader, value| unique_names(reader, value, CHAIN_MAX));
    let rollout = keys.optional(reader, "rollout", name_text);
    let filters = filter::read(reader, &mut keys);
    let target = target::read(reader, &mut keys, filters.redirect_place.as_ref());
    let timeouts = keys.optional(reader, "timeouts", timing::timeouts).unwrap_or_default();
    let retries = keys.optional(reader, "retries", timing::retries).unwrap_or_default();
    let limits = keys.optional(reader, "limits", limits::read).unwrap_or_default();
    let error_pages =
        keys.optional(reader, "error_pages", |reader, value| unique_names(reader, value, ERROR_PAGES_MAX));
    let place = keys.place().clone();
    keys.finish(reader);
    check_target(reader, target.as_ref(), rollout.as_ref(), &filters);
    let shown_at = name.as_ref().map_or(&place, |name| &name.place).clone();
    let every = || Some(vec![MatchDraft { found: matching::every_request(), place: shown_at }]);
    let draft = RouteDraft {
        hosts: hosts.unwrap_or_else(|| Some(vec![HostPattern::Any])).unwrap_or_default(),
        matches: matches.unwrap_or_else(every).unwrap_or_default(),
        name: name.map(|name| name.text).unwrap_or_default(),
        chain: chain.unwrap_or_default(),
        rollout,
        target,
        timeouts,
        retries,
        filters,
        limits,
        error_pages: error_pages.unwrap_or_default(),
    };
    filter::check_prefixes(reader, &draft.filters, &draft.matches);
    check_combinations(reader, &draft, &place);
    Some(draft)
}

/// Reports what a route that leads to no server cannot have.
fn check_target(
    reader: &mut Reader<'_>,
    target: Option<&TargetDraft>,
    rollout: Option<&Named>,
    filters: &FiltersDraft,
) {
    let what = match target {
        Some(TargetDraft::Builtin(_)) => "a built-in target",
        Some(TargetDraft::Redirect) => "a redirect",
        Some(TargetDraft::Upstreams(_)) | None => return,
    };
    if let Some(rollout) = rollout {
        reader.fault(&rollout.place, format!("{what} has no variants"), "remove `rollout`");
    }
    if let (Some(TargetDraft::Builtin(_)), Some(rewrite)) = (target, &filters.rewrite_place) {
        reader.fault(rewrite, "a built-in target sees no rewritten request", "remove `rewrite`");
    }
}

fn check_combinations(reader: &mut Reader<'_>, draft: &RouteDraft, place: &Place) {
    let methods: usize = draft.matches.iter().map(|draft| draft.found.methods.len().max(1)).sum();
    if draft.hosts.len() * methods > COMBINATIONS_MAX {
        let message = format!("more than {COMBINATIONS_MAX} combinations of host, match and method");
        reader.fault(place, message, "split the route");
    }
}

fn unique_names<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>, max: usize) -> Option<Vec<Named>> {
    let names = list(reader, value, max, name_text)?;
    unique(reader, &names);
    Some(names)
}
