//! The filters of a route: read from the route's own table, checked against each other and against its matches.

use http::HeaderName;
use sluice_document::keys::Keys;
use sluice_document::reader::{Named, Place, Reader, Value, quoted};
use sluice_document::shape::{Form, HEADER_NAME, Key, Shape};
use sluice_document::values::{boolean, name_text, one_or_more, percent, unique};
use sluice_model::weight::BasisPoints;
use toml::de::DeValue;

use super::cors::{NAMES_MAX, header_names};
use super::header_edits::Message;
use super::matching::MatchDraft;
use super::path_change::{self, Placed};
use super::{Scope, cors, header_edits};
use crate::filter::{Compare, Cors, Filters, HeaderEdits, Mirror, Redirect, Rewrite};
use crate::route::PathPattern;

/// Most upstreams that get a copy of a request: each is a request more.
pub(crate) const MIRRORS_MAX: usize = 4;

/// One entry of `mirror`.
pub(crate) const MIRROR: Shape = Shape::new(
    "mirror",
    &[
        Key::required("upstream", Form::Name, "Upstream that gets a copy, and whose answer no client sees"),
        Key::default("percent", Form::Percent, "100", "Share of the requests"),
        Key::optional(
            "compare",
            Form::Table(&COMPARE),
            "Compare its answers to safe methods with those that the clients got, and count what differs",
        ),
    ],
);
const COMPARE: Shape = Shape::new(
    "compare",
    &[
        Key::optional(
            "headers",
            Form::List(&HEADER_NAME, 1, NAMES_MAX),
            "Fields that must be the same, besides the status",
        ),
        Key::default("body", Form::Boolean, "false", "Whether the content must be the same, its first MiB"),
    ],
);

/// Filters whose upstreams are not yet resolved.
#[derive(Default)]
pub(crate) struct FiltersDraft {
    request_headers: HeaderEdits,
    response_headers: HeaderEdits,
    redirect: Option<Redirect>,
    /// Where `redirect` stands, even if it is faulty.
    pub(crate) redirect_place: Option<Place>,
    rewrite: Option<Rewrite>,
    /// Where `rewrite` stands.
    pub(crate) rewrite_place: Option<Place>,
    mirrors: Vec<MirrorDraft>,
    cors: Option<Cors>,
    /// Where matched prefixes are replaced.
    prefixes: Vec<Place>,
}

impl FiltersDraft {
    pub(crate) fn resolve(self, reader: &mut Reader<'_>, scope: &Scope) -> Option<Filters> {
        let Self { request_headers, response_headers, redirect, rewrite, mirrors, cors, .. } = self;
        let mirrors: Vec<_> = mirrors
            .into_iter()
            .map(|MirrorDraft { upstream, share, compare }| {
                Some(Mirror { upstream: scope.upstreams.resolve(reader, "upstream", &upstream)?, share, compare })
            })
            .collect();
        let mirrors = mirrors.into_iter().collect::<Option<Vec<_>>>()?;
        Some(Filters { request_headers, response_headers, redirect, rewrite, mirrors, cors })
    }
}

/// The filters of the route whose table is `keys`.
pub(crate) fn read(reader: &mut Reader<'_>, keys: &mut Keys<'_>) -> FiltersDraft {
    let mut place = |key| keys.find(key).map(|value| reader.place_of(value));
    let (redirect_place, rewrite_place, mirror_place) = (place("redirect"), place("rewrite"), place("mirror"));
    let mut edits = |reader: &mut Reader<'_>, key, message| {
        let edits = keys.optional(reader, key, |reader, value| header_edits::read(reader, value, message));
        edits.unwrap_or_default()
    };
    let request_headers = edits(reader, "request_headers", Message::Request);
    let response_headers = edits(reader, "response_headers", Message::Response);
    let redirect = keys.optional(reader, "redirect", path_change::redirect);
    let rewrite = keys.optional(reader, "rewrite", path_change::rewrite);
    let mirrors = keys.optional(reader, "mirror", mirrors).unwrap_or_default();
    let cors_place = keys.find("cors").map(|value| reader.place_of(value));
    let cors = keys.optional(reader, "cors", cors::read);
    if redirect_place.is_some() {
        for (key, place) in [("rewrite", &rewrite_place), ("mirror", &mirror_place)] {
            if let Some(place) = place {
                reader.fault(place, "a route with `redirect` sends nothing to a server", format!("remove `{key}`"));
            }
        }
    }
    if let Some((place, name)) = cors_place.zip(cors_edit(&response_headers)) {
        let message = format!("{} is edited by `response_headers` and written by `cors`", quoted(name.as_str()));
        reader.fault(&place, message, "leave it to one of the two");
    }
    let (redirect, redirect_prefix) = parts(redirect);
    let (rewrite, rewrite_prefix) = parts(rewrite);
    let prefixes = redirect_prefix.into_iter().chain(rewrite_prefix).collect();
    FiltersDraft {
        request_headers,
        response_headers,
        redirect,
        redirect_place,
        rewrite,
        rewrite_place,
        mirrors,
        cors,
        prefixes,
    }
}

fn parts<T>(placed: Option<Placed<T>>) -> (Option<T>, Option<Place>) {
    placed.map_or((None, None), |Placed { value, prefix }| (Some(value), prefix))
}

/// The first field of those that `cors` writes that `edits` changes too.
fn cors_edit(edits: &HeaderEdits) -> Option<&HeaderName> {
    let HeaderEdits { set, add, remove } = edits;
    let mut names = set.iter().chain(add).map(|(name, _)| name).chain(remove);
    names.find(|name| name.as_str().starts_with("access-control-"))
}

/// Reports every replacement of a prefix in a route that matches by something else.
pub(crate) fn check_prefixes(reader: &mut Reader<'_>, filters: &FiltersDraft, matches: &[MatchDraft]) {
    let other = matches.iter().find(|draft| !matches!(draft.found.path, PathPattern::Prefix(_)));
    for place in filters.prefixes.iter().filter(|_| other.is_some()) {
        let shown = other.map(|draft| reader.show(&draft.place)).unwrap_or_default();
        let hint = format!("match by prefix only, or write `path`; the other match is at {shown}");
        reader.fault(place, "`prefix` replaces a matched prefix, and this route has another match", hint);
    }
}

/// One entry of `mirror` whose upstream is not yet resolved.
struct MirrorDraft {
    upstream: Named,
    share: BasisPoints,
    compare: Option<Compare>,
}

fn mirrors<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Vec<MirrorDraft>> {
    let mirrors = one_or_more(reader, value, MIRRORS_MAX, mirror)?;
    let names: Vec<Named> = mirrors.iter().map(|mirror| mirror.upstream.clone()).collect();
    unique(reader, &names);
    Some(mirrors)
}

/// `"UPSTREAM"` or `{ upstream = "UPSTREAM", percent = 10.0, compare = { body = true } }`.
fn mirror<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<MirrorDraft> {
    if let DeValue::String(_) = value.get_ref() {
        let upstream = name_text(reader, value)?;
        return Some(MirrorDraft { upstream, share: BasisPoints::FULL, compare: None });
    }
    let mut keys = Keys::of(reader, value, &MIRROR)?;
    let hint = "write mirror = \"UPSTREAM\" or mirror = [{ upstream = \"UPSTREAM\", percent = 10.0 }]";
    let upstream = keys.required(reader, "upstream", hint, name_text);
    let share = keys.optional(reader, "percent", percent).unwrap_or(BasisPoints::FULL);
    let compare = keys.optional(reader, "compare", compare);
    keys.finish(reader);
    upstream.map(|upstream| MirrorDraft { upstream, share, compare })
}

fn compare<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Compare> {
    let mut keys = Keys::of(reader, value, &COMPARE)?;
    let headers = keys.optional(reader, "headers", header_names).unwrap_or_default();
    let body = keys.optional(reader, "body", boolean).unwrap_or(false);
    keys.finish(reader);
    Some(Compare { headers: headers.into_iter().map(|(name, _)| name).collect(), body })
}
