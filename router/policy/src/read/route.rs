//! `[[routes]]`: one route, first by itself, then with its names resolved.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Scope;
use super::keys::Keys;
use super::matching::{self, MatchDraft};
use super::names::Names;
use super::reader::{Named, Place, Reader, Value};
use super::target::{self, TargetDraft};
use super::values::{duration, integer, list, name_text, one_or_more, unique};
use crate::route::{HostPattern, RETRY_ATTEMPTS_MAX, Retries, Route, Timeouts};

/// Most hosts of one route; the bound of the Gateway API.
pub(crate) const HOSTS_MAX: usize = 16;
/// Most matches of one route; the bound of the Gateway API.
pub(crate) const MATCHES_MAX: usize = 64;
/// Most combinations of host, match and method of one route; each is an entry of the route table.
pub(crate) const COMBINATIONS_MAX: usize = 1_024;
/// Most plugins of one chain.
pub(crate) const CHAIN_MAX: usize = 16;
/// What a timeout may be: from the resolution of a timer to a day.
const TIMEOUT_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);

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
}

impl RouteDraft {
    pub(crate) fn resolve(self, reader: &mut Reader<'_>, scope: &Scope) -> Option<Route> {
        let Self { name, hosts, matches, chain, rollout, target, timeouts, retries } = self;
        let chain: Vec<_> = chain.iter().map(|plugin| scope.plugins.resolve(reader, "plugin", plugin)).collect();
        let rollout = rollout.map(|rollout| scope.rollouts.resolve(reader, "rollout", &rollout));
        let target = target.and_then(|target| target.resolve(reader, scope));
        Some(Route {
            name,
            hosts,
            matches: matches.into_iter().map(|draft| draft.found).collect(),
            chain: chain.into_iter().collect::<Option<_>>()?,
            rollout: rollout.map_or(Some(None), |index| index.map(Some))?,
            target: target?,
            timeouts,
            retries,
            filters: crate::Filters::default(),
            limits: crate::RouteLimits::default(),
            error_pages: Vec::new(),
        })
    }
}

pub(crate) fn read<'d>(reader: &mut Reader<'_>, names: &mut Names, value: &'d Value<'d>) -> Option<RouteDraft> {
    let mut keys = Keys::of(reader, value)?;
    let name = keys.required(reader, "name", "write name = \"..\", unique over all files", name_text);
    if let Some(name) = &name {
        names.declare(reader, "route", name);
    }
    let hosts = keys.find("hosts").map(|value| one_or_more(reader, value, HOSTS_MAX, matching::host));
    let matches = keys.find("match").map(|value| one_or_more(reader, value, MATCHES_MAX, matching::read));
    let chain = keys.optional(reader, "plugins", chain).unwrap_or_default();
    let rollout = keys.optional(reader, "rollout", name_text);
    let target = keys.required(reader, "to", target::HINT, target::read);
    let timeouts = keys.optional(reader, "timeouts", timeouts).unwrap_or_default();
    let retries = keys.optional(reader, "retries", retries).unwrap_or_default();
    let place = keys.place().clone();
    keys.finish(reader);
    if let (Some(rollout), Some(TargetDraft::Builtin(_))) = (&rollout, &target) {
        reader.fault(&rollout.place, "a built-in target has no variants", "remove `rollout`");
    }
    let shown_at = name.as_ref().map_or(&place, |name| &name.place).clone();
    let every = || Some(vec![MatchDraft { found: matching::every_request(), place: shown_at }]);
    let draft = RouteDraft {
        hosts: hosts.unwrap_or_else(|| Some(vec![HostPattern::Any])).unwrap_or_default(),
        matches: matches.unwrap_or_else(every).unwrap_or_default(),
        name: name.map(|name| name.text).unwrap_or_default(),
        chain,
        rollout,
        target,
        timeouts,
        retries,
    };
    check_combinations(reader, &draft, &place);
    Some(draft)
}

fn check_combinations(reader: &mut Reader<'_>, draft: &RouteDraft, place: &Place) {
    let methods: usize = draft.matches.iter().map(|draft| draft.found.methods.len().max(1)).sum();
    if draft.hosts.len() * methods > COMBINATIONS_MAX {
        let message = format!("more than {COMBINATIONS_MAX} combinations of host, match and method");
        reader.fault(place, message, "split the route");
    }
}

fn chain<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Vec<Named>> {
    let chain = list(reader, value, CHAIN_MAX, name_text)?;
    unique(reader, &chain);
    Some(chain)
}

fn timeouts<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Timeouts> {
    let default = Timeouts::default();
    let mut keys = Keys::of(reader, value)?;
    let mut timeout = |reader: &mut Reader<'_>, key| {
        let place = keys.find(key).map(|value| reader.place_of(value));
        let timeout = keys.optional(reader, key, |reader, value| duration(reader, value, &TIMEOUT_RANGE));
        timeout.zip(place)
    };
    let request = timeout(reader, "request").map_or(default.request, |(request, _)| request);
    let connect = timeout(reader, "connect");
    let first_byte = timeout(reader, "first_byte");
    keys.finish(reader);
    for (part, place) in [&connect, &first_byte].into_iter().flatten() {
        if *part > request {
            let hint = "the whole request ends before; shorten this or lengthen `request` (60s by default)";
            reader.fault(place, "longer than `request`", hint);
        }
    }
    Some(Timeouts {
        request,
        connect: connect.map_or_else(|| default.connect.min(request), |(connect, _)| connect),
        first_byte: first_byte.map_or(request, |(first_byte, _)| first_byte),
        per_try: request,
    })
}

fn retries<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Retries> {
    let mut keys = Keys::of(reader, value)?;
    let attempts = keys.optional(reader, "attempts", |reader, value| integer(reader, value, &(0..=RETRY_ATTEMPTS_MAX)));
    keys.finish(reader);
    Some(attempts.map_or_else(Retries::default, |attempts| Retries { attempts, ..Retries::default() }))
}
