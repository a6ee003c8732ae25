//! `[[tests]]`: requests, and what must become of them before the policy is accepted.

use http::uri::Uri;
use http::{HeaderMap, HeaderName, Method};
use sluice_document::keys::Keys;
use sluice_document::names::Names;
use sluice_document::reader::{Named, Reader, Value, quoted};
use sluice_document::shape::{Form, Key, METHOD, PATH, Rule, Shape};
use sluice_document::values::{TEXT_BYTES_MAX, expected, integer, one_or_more, text};
use toml::de::DeValue;

use super::Scope;
use super::header_edits::{LINES_MAX, header_value};
use super::matching::method;
use super::status::STATUS_RANGE;
use crate::filter::Scheme;
use crate::outcome::{Outcome, TestRequest};
use crate::path::normalise;
use crate::policy::Policy;
use crate::process::EncodedSlash;

/// Most header names of one request; what the router takes by default.
pub(crate) const HEADERS_MAX: usize = 100;
/// How a test says that no route is taken.
const NO_ROUTE: &str = "none";

pub(crate) const SHAPE: Shape = Shape::new(
    "[[tests]]",
    &[
        Key::required("name", Form::text("text"), "What the test is about; unique over all files"),
        Key::required("request", Form::Table(&REQUEST), "A request"),
        Key::required("expect", Form::Table(&EXPECT), "What must become of it, or the policy is not accepted"),
    ],
);
const REQUEST: Shape = Shape::new(
    "request",
    &[
        Key::default("method", METHOD, "\"GET\"", "Method"),
        Key::required(
            "url",
            Form::Text("an address", "^https?://[^#@]+$"),
            "Whole address; its path is brought into normal form first",
        ),
        Key::default(
            "headers",
            Form::Map(&Form::OneOrMore(&Form::LongText(TEXT_BYTES_MAX), LINES_MAX), HEADERS_MAX),
            "{}",
            "Header fields",
        ),
    ],
);
const EXPECT: Shape = Shape::new(
    "expect",
    &[
        Key::optional("route", Form::text("a route or `none`"), "Route that is taken"),
        Key::optional("upstream", Form::Name, "Upstream that may be chosen, by weight or as a variant of the rollout"),
        Key::optional("path", PATH, "Path that a server gets"),
        Key::optional("redirect", Form::text("an address"), "`Location` of the answer"),
        Key::optional(
            "status",
            Form::Integer(STATUS_RANGE),
            "Status, where the router itself answers: 400, 404 or that of a redirect",
        ),
    ],
)
.with_rule(Rule::AtLeastOne(&["route", "upstream", "path", "redirect", "status"]));

/// A test that is not yet held against the policy.
pub(crate) struct TestDraft {
    name: String,
    request: TestRequest,
    expectations: Vec<(Expected, Named)>,
}

/// What a test expects; the text beside it says how much.
#[derive(Clone, Copy)]
enum Expected {
    Route,
    Upstream,
    Path,
    Redirect,
    Status,
}

pub(crate) fn read<'d>(reader: &mut Reader<'_>, names: &mut Names, value: &'d Value<'d>) -> Option<TestDraft> {
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let name = keys.required(reader, "name", "write name = \"..\", what the test is about", text);
    if let Some(name) = &name {
        names.declare(reader, "test", name);
    }
    let hint = "write request = { url = \"http://example.org/\" }";
    let request = keys.required(reader, "request", hint, request);
    let hint = "write expect = { route = \"..\" }, or upstream, path, redirect or status";
    let expectations = keys.required(reader, "expect", hint, expectations);
    keys.finish(reader);
    Some(TestDraft { name: name?.text, request: request?, expectations: expectations? })
}

fn request<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<TestRequest> {
    let mut keys = Keys::of(reader, value, &REQUEST)?;
    let method = keys.optional(reader, "method", method).map_or(Method::GET, |(method, _)| method);
    let uri = keys.required(reader, "url", "write url = \"http://example.org/path?query\"", url);
    let headers = keys.optional(reader, "headers", headers).unwrap_or_default();
    keys.finish(reader);
    let (scheme, uri) = uri?;
    Some(TestRequest {
        method,
        scheme,
        host: uri.host()?.to_ascii_lowercase().trim_end_matches('.').to_owned(),
        port: uri.port_u16(),
        path: normalise(uri.path(), EncodedSlash::Keep).ok().map(std::borrow::Cow::into_owned),
        query: uri.query().map(ToOwned::to_owned),
        headers,
    })
}

pub(crate) fn url(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<(Scheme, Uri)> {
    let Named { text, place } = text(reader, value)?;
    let uri = text.parse::<Uri>().ok().filter(|uri| uri.host().is_some() && !text.contains(['#', '@']));
    let scheme = uri.as_ref().and_then(|uri| match uri.scheme_str() {
        Some("http") => Some(Scheme::Http),
        Some("https") => Some(Scheme::Https),
        _ => None,
    });
    if scheme.is_none() {
        let hint = "write a whole address, e.g. \"http://example.org/path?query\"";
        reader.fault(&place, format!("{} is no address of a request", quoted(&text)), hint);
    }
    scheme.zip(uri)
}

pub(crate) fn headers<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<HeaderMap> {
    let place = reader.place_of(value);
    let DeValue::Table(table) = value.get_ref() else {
        return expected(reader, &place, "a table of names and values", value.get_ref());
    };
    if table.len() > HEADERS_MAX {
        reader.fault(&place, format!("more than {HEADERS_MAX} entries"), "leave some out");
    }
    let mut headers = HeaderMap::new();
    for (key, value) in table.iter().take(HEADERS_MAX) {
        let Ok(name) = HeaderName::from_bytes(key.get_ref().as_bytes()) else {
            let message = format!("{} is no header name", quoted(key.get_ref()));
            reader.fault(&reader.place_of(key), message, "letters, digits and `-`");
            continue;
        };
        for line in one_or_more(reader, value, LINES_MAX, header_value).unwrap_or_default() {
            headers.append(name.clone(), line);
        }
    }
    Some(headers)
}

fn expectations<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Vec<(Expected, Named)>> {
    let mut keys = Keys::of(reader, value, &EXPECT)?;
    let texts = [
        ("route", Expected::Route),
        ("upstream", Expected::Upstream),
        ("path", Expected::Path),
        ("redirect", Expected::Redirect),
    ]
    .map(|(key, kind)| Some((kind, keys.optional(reader, key, text)?)));
    let status = keys.optional(reader, "status", |reader, value| {
        let status: u16 = integer(reader, value, &STATUS_RANGE)?;
        Some((Expected::Status, Named { text: status.to_string(), place: reader.place_of(value) }))
    });
    let expected = ["route", "upstream", "path", "redirect", "status"];
    if !expected.map(|key| keys.find(key).is_some()).contains(&true) {
        let hint = "write route, upstream, path, redirect or status";
        keys.missing(reader, keys.place(), &expected, "this test expects nothing", hint);
    }
    keys.finish(reader);
    Some(texts.into_iter().flatten().chain(status).collect())
}

impl TestDraft {
    /// Reports every name that names nothing.
    pub(crate) fn resolve(&self, reader: &mut Reader<'_>, scope: &Scope) {
        for (kind, name) in &self.expectations {
            match kind {
                Expected::Route if name.text != NO_ROUTE => {
                    scope.routes.resolve(reader, "route", name);
                }
                Expected::Upstream => {
                    scope.upstreams.resolve(reader, "upstream", name);
                }
                Expected::Route | Expected::Path | Expected::Redirect | Expected::Status => {}
            }
        }
    }

    /// Reports every expectation that `policy` does not hold.
    pub(crate) fn check(&self, reader: &mut Reader<'_>, policy: &Policy) {
        let outcome = policy.outcome(&self.request);
        for (kind, Named { text, place }) in &self.expectations {
            let Some(came) = difference(policy, &outcome, *kind, text) else { continue };
            let what = match kind {
                Expected::Route => "route",
                Expected::Upstream => "upstream",
                Expected::Path => "path",
                Expected::Redirect => "redirect to",
                Expected::Status => "status",
            };
            let message = format!("test {} fails: expected {what} {}, {came}", quoted(&self.name), quoted(text));
            reader.fault(place, message, self.why(policy, *kind, text));
        }
    }

    /// By what the request takes its route, and why it does not take the one that was expected.
    fn why(&self, policy: &Policy, kind: Expected, expected: &str) -> String {
        let Some(line) = self.request.line() else { return "a path such as this is answered 400".to_owned() };
        let explanation = policy.explain(&line);
        let mut why = match explanation.winner {
            None => "no route matches".to_owned(),
            Some(winner) => {
                let route = &policy.routes[winner.route];
                let (host, matched) = (&route.hosts[winner.host], &route.matches[winner.matched]);
                format!("route {} matches by host {host} and {matched}", quoted(&route.name))
            }
        };
        let lost = explanation.others.iter().find(|other| policy.routes[other.route].name == expected);
        if let (Expected::Route, Some(lost)) = (kind, lost) {
            why += &format!("; {}: {}", quoted(expected), lost.reason);
        }
        why
    }
}

/// What came instead of `expected`; `None` if it came.
fn difference(policy: &Policy, outcome: &Outcome, kind: Expected, expected: &str) -> Option<String> {
    let route = outcome.found.map(|found| policy.routes[found.route].name.as_str());
    let quoted_route = route.map_or_else(|| "no route".to_owned(), |route| format!("route {}", quoted(route)));
    match kind {
        Expected::Route => (route.unwrap_or(NO_ROUTE) != expected).then(|| format!("{quoted_route} is taken")),
        Expected::Upstream => {
            let names: Vec<&str> =
                outcome.upstreams.iter().map(|&index| policy.upstreams[index].name.as_str()).collect();
            (!names.contains(&expected)).then(|| match names.as_slice() {
                [] => format!("{quoted_route} leads to none"),
                names => format!("{quoted_route} leads to {}", quoted(&names.join(", "))),
            })
        }
        Expected::Path => {
            let sent = outcome.path.as_deref();
            (sent != Some(expected))
                .then(|| sent.map_or_else(|| "no server is asked".to_owned(), |sent| format!("it is {}", quoted(sent))))
        }
        Expected::Redirect => {
            let location = outcome.redirect.as_deref();
            (location != Some(expected)).then(|| {
                location
                    .map_or_else(|| format!("{quoted_route} redirects nowhere"), |to| format!("it is {}", quoted(to)))
            })
        }
        Expected::Status => {
            let status = outcome.status.map(|status| status.to_string());
            (status.as_deref() != Some(expected)).then(|| {
                status.map_or_else(|| "only the server knows it".to_owned(), |status| format!("it is {status}"))
            })
        }
    }
}
