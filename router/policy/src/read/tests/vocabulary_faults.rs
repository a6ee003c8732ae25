//! What the keys of upstreams, error pages and routes refuse, where, and what they suggest.

use super::only_fault;

fn upstream(keys: &str) -> String {
    format!("[upstreams.up]\nservers = [\"a:1\"]\n{keys}\n")
}

fn page(keys: &str) -> String {
    format!("[error_pages.p]\nstatuses = [500]\nbody = \"x\"\n{keys}\n")
}

fn route(keys: &str) -> String {
    format!("[upstreams.up]\nservers = [\"a:1\"]\n[[routes]]\nname = \"r\"\nto = \"up\"\n{keys}\n")
}

fn redirect(keys: &str) -> String {
    format!("[[routes]]\nname = \"r\"\n{keys}\n")
}

/// Each text has one fault, which begins as expected and has the hint in it.
fn refused(cases: &[(String, &str)]) {
    let mut others = String::new();
    for (text, expected) in cases {
        let fault = only_fault(text);
        let (begins, hint) = expected.split_once(" | ").unwrap_or((expected, ""));
        if !(fault.starts_with(begins) && fault.contains(hint)) {
            others += &format!("{text}came:     {fault}\nexpected: {expected}\n\n");
        }
    }
    assert!(others.is_empty(), "\n{others}");
}

#[test]
fn upstreams() {
    refused(&[
        (upstream("dns = { name = \"a:1\" }"), "3:7: an upstream has `servers`, `dns` or `discover` | keep one"),
        ("[upstreams.up]\n".into(), "1:12: upstream `up` has no servers | dns = {"),
        (
            "[upstreams.up]\nservers = [{ address = \"a:1\", weight = 0 }]".into(),
            "2:11: no server has a weight above 0",
        ),
        (
            "[upstreams.up]\nservers = [{ adress = \"a:1\", address = \"a:1\" }]".into(),
            "2:14: unknown key `adress` | `address`",
        ),
        (
            "[upstreams.up]\ndns = { name = \"10.0.0.1:80\" }".into(),
            "2:16: `10.0.0.1:80` is no name to resolve | `servers`",
        ),
        ("[upstreams.up]\ndns = { name = \"a\" }".into(), "2:16: `a` is no name to resolve | \"app.internal:80\""),
        (
            "[upstreams.up]\ndns = { name = \"a:1\", refresh = \"1ms\" }".into(),
            "2:33: `1ms` is out of range | from 100ms to 1h",
        ),
        (upstream("protocol = \"h2\""), "3:12: `h2` is no protocol of servers | did you mean `h2c`?"),
        (upstream("protocol = \"http2\""), "3:12: `http2` is no protocol of servers | did you mean `http1`?"),
        (
            upstream("balance = \"round_robin\""),
            "3:11: `round_robin` is no way to balance | did you mean `round-robin`?",
        ),
        (upstream("balance = { hash = [\"status\"] }"), "3:21: `status` is no key of a hash | cookie:NAME"),
        (upstream("balance = { hash = [] }"), "3:20: empty list"),
        (upstream("pending_max = 65536"), "3:15: `65536` is out of range | from 0 to 65535"),
        (upstream("idle_timeout = \"0s\""), "3:16: `0s` is out of range | from 1ms to 1h"),
        (upstream("slow_start = \"2h\""), "3:14: `2h` is out of range"),
        (upstream("health = { path = \"healthz\" }"), "3:19: `healthz` is no path | \"/healthz\""),
        (upstream("health = {}"), "3:10: `path` is missing"),
        (upstream("health = { path = \"/\", statuses = \"299-200\" }"), "3:35: `299-200` is no range of statuses"),
        (upstream("health = { path = \"/\", statuses = 100 }"), "3:35: `100` is out of range | from 200 to 599"),
        (upstream("health = { path = \"/\", healthy_after = 0 }"), "3:40: `0` is out of range | from 1 to 100"),
        (upstream("health = { path = \"/\", host = \"a b\" }"), "3:31: `a b` is no host"),
        (upstream("ejection = { base = \"40s\" }"), "3:21: `base` is longer than `max` | 30s by default"),
        (upstream("ejection = { share_max = 101 }"), "3:26: `101` is out of range | from 0 to 100"),
        (upstream("breaker = { window = \"1s\" }"), "3:11: `failures` is missing | failures = 50"),
        (upstream("breaker = { failures = 0 }"), "3:24: `0` is out of range | from 1 to 100"),
        (upstream("retry_budget = { percent = -1 }"), "3:28: `-1` is out of range"),
    ]);
}

#[test]
fn error_pages() {
    refused(&[
        ("[error_pages.p]\nstatuses = [399]\nbody = \"x\"".into(), "2:13: `399` is out of range | from 400 to 599"),
        ("[error_pages.p]\nstatuses = [\"5xx\"]\nbody = \"x\"".into(), "2:13: `5xx` is no range of statuses"),
        ("[error_pages.p]\nstatuses = [\"500-599\", 503]\nbody = \"x\"".into(), "2:24: status 503 is listed twice"),
        (
            "[error_pages.p]\nstatuses = [500]\nbody = \"{statsu}\"".into(),
            "3:8: nothing is known to stand for `{statsu}` | did you mean `status`?",
        ),
        (page("content_type = \"html\""), "4:16: `html` is no content type"),
        (page("default = \"yes\""), "4:11: expected `true` or `false`"),
        (
            page("default = true") + "[error_pages.q]\nstatuses = [\"500-502\"]\nbody = \"x\"\ndefault = true\n",
            "5:14: a second default page for status 500 | the other is `p` at a.toml:1:14",
        ),
        (route("error_pages = [\"p\"]"), "6:16: no error page is named `p`"),
        (page("") + &route("error_pages = [\"p\", \"p\"]"), "10:21: `p` is listed twice"),
    ]);
}

#[test]
fn times_and_limits() {
    refused(&[
        (route("timeouts = { request = \"1s\", per_try = \"2s\" }"), "6:40: longer than `request`"),
        (route("retries.statuses = [404]"), "6:21: status 404 is no failure of a server | 500 to 599, or 429"),
        (route("retries.statuses = [503, 503]"), "6:26: status 503 is listed twice"),
        (route("retries.backoff = \"11s\""), "6:19: `11s` is out of range | from"),
        (route("limits.body = \"2TB\""), "6:15: `2TB`: unknown unit"),
        (route("limits.body = \"1025GiB\""), "6:15: `1025GiB` is out of range"),
        (route("limits.in_flight = 0"), "6:20: `0` is out of range"),
        (route("limits.rate = { per = \"1s\" }"), "6:15: `requests` is missing"),
        (
            route("limits.rate = { requests = 1, key = [\"rollout-key:x\"] }"),
            "6:38: `rollout-key:x` is no key of a rate limit",
        ),
        (route("limits = { bdy = \"1B\" }"), "6:12: unknown key `bdy` | did you mean `body`?"),
    ]);
}

#[test]
fn header_edits() {
    for (name, hint) in [
        ("Host", "rewrite = { host"),
        ("content-length", "frames the message"),
        ("Transfer-Encoding", "frames the message"),
        ("connection", "belongs to a connection"),
        ("te", ""),
        ("via", ""),
        ("x-forwarded-for", "trusted_proxies"),
        ("Forwarded", "trusted_proxies"),
        ("x-sluice-variant", "without `x-sluice-`"),
    ] {
        let expected = format!("the router itself writes `{}` | {hint}", name.to_lowercase());
        refused(&[
            (route(&format!("request_headers.set = {{ {name} = \"1\" }}")), &format!("6:25: {expected}")),
            (route(&format!("request_headers.remove = [\"{name}\"]")), &format!("6:27: {expected}")),
        ]);
    }
    refused(&[
        (route("response_headers.add = { proxy-status = \"x\" }"), "6:26: the router itself writes `proxy-status`"),
        (
            route("request_headers = { set = { x-a = \"1\" }, remove = [\"X-A\"] }"),
            "6:52: `x-a` is in `set` and in `remove`",
        ),
        (
            route("request_headers = { set = { x-a = \"1\" }, add = { x-a = \"1\" } }"),
            "6:50: `x-a` is in `set` and in `add`",
        ),
        (
            route("request_headers = { add = { x-a = \"1\" }, remove = [\"x-a\"] }"),
            "6:52: `x-a` is in `add` and in `remove`",
        ),
        (route("request_headers.set = { x-a = \"1\", X-A = \"1\" }"), "6:25: `x-a` is listed twice"),
        (route("request_headers.set = { x-a = \"a\\nb\" }"), "6:31: `a\\nb` is no header value"),
        (route("request_headers.set = { x-a = [] }"), "6:31: empty list"),
        (route("request_headers.set = { \"x a\" = \"1\" }"), "6:25: `x a` is no header name"),
    ]);
}

#[test]
fn redirects_and_rewrites() {
    refused(&[
        (route("redirect.scheme = \"https\""), "6:1: a route has either `to` or `redirect`"),
        (redirect(""), "1:1: `to` is missing"),
        (redirect("redirect = {}"), "3:12: this redirect leads to itself"),
        (redirect("redirect = { status = 301 }"), "3:12: this redirect leads to itself"),
        (redirect("redirect = { port = 1, status = 304 }"), "3:33: status 304 is no redirect | 307"),
        (redirect("redirect = { scheme = \"httpss\" }"), "3:23: `httpss` is no scheme | did you mean `https`?"),
        (redirect("redirect = { host = \"a:80\" }"), "3:21: `a:80` is no host | host = \"a\" and port = 80"),
        (redirect("redirect = { path = \"/a/../b\" }"), "3:21: `/a/../b` is not in normal form | write `/b`"),
        (redirect("redirect = { path = \"/a\", prefix = \"/b\" }"), "3:36: either `path` or `prefix` is replaced"),
        (
            redirect("match.path.exact = \"/a\"\nredirect.prefix = \"/b\""),
            "4:19: `prefix` replaces a matched prefix, and this route has another match",
        ),
        (
            redirect("redirect.port = 1\nrewrite.path = \"/a\""),
            "4:1: a route with `redirect` sends nothing to a server | remove `rewrite`",
        ),
        (
            upstream("") + &redirect("redirect.port = 1\nmirror = \"up\""),
            "7:10: a route with `redirect` sends nothing | remove `mirror`",
        ),
        (route("rewrite = {}"), "6:11: this rewrite changes nothing"),
        (
            route("match = [{ path.prefix = \"/a\" }, { path.exact = \"/b\" }]\nrewrite.prefix = \"/c\""),
            "7:18: `prefix` replaces | a.toml:6:34",
        ),
        (
            redirect("to.builtin = \"servers\"\nrewrite.path = \"/a\""),
            "4:1: a built-in target sees no rewritten request",
        ),
    ]);
}

#[test]
fn mirrors_and_cors() {
    refused(&[
        (route("mirror = \"upp\""), "6:10: no upstream is named `upp` | did you mean `up`?"),
        (
            route("mirror = [{ upstream = \"up\", percent = 101 }]"),
            "6:40: `101`: a weight lies between 0 and 100 percent",
        ),
        (route("mirror = [\"up\", \"up\"]"), "6:17: `up` is listed twice"),
        (route("cors = {}"), "6:8: `origins` is missing"),
        (route("cors.origins = [\"example.org\"]"), "6:17: `example.org` is no origin"),
        (route("cors.origins = [\"https://example.org/\"]"), "6:17: `https://example.org/` is no origin"),
        (route("cors.origins = [\"https://*\"]"), "6:17: `https://*` is no origin"),
        (
            route("cors = { origins = \"*\", headers = [\"*\"], credentials = true }"),
            "6:36: `*` stands for nothing where `credentials` are allowed",
        ),
        (route("cors = { origins = \"*\", max_age = \"1500ms\" }"), "6:35: not a whole number of seconds"),
        (route("cors = { origins = \"*\", methods = [\"put\"] }"), "6:36: `put` is no method | write \"PUT\""),
        (
            route("cors.origins = \"*\"\nresponse_headers.set = { Access-Control-Allow-Origin = \"*\" }"),
            "6:1: `access-control-allow-origin` is edited by `response_headers` and written by `cors`",
        ),
    ]);
}

#[test]
fn regular_expressions() {
    refused(&[
        (
            route("match.path.regex = \"/a(b\""),
            "6:20: `/a(b` is no pattern: unclosed group at character 3 | crate `regex`",
        ),
        (
            route("match.path.regex = \"(a{1000}){1000}\""),
            "6:20: `(a{1000}){1000}` is no pattern: its table would be larger",
        ),
        (
            route("match.path = { exact = \"/a\", regex = \"/a\" }"),
            "6:14: a path is matched exactly, by prefix or by regular",
        ),
        (route("match.headers.x = { regex = \"[\" }"), "6:29: `[` is no pattern: unclosed character class"),
        (route("match.query.x = { rgex = \"a\", regex = \"a\" }"), "6:19: unknown key `rgex` | did you mean `regex`?"),
        (route("match = [{ path.regex = \"/a+\" }, { path.regex = \"/a+\" }]"), "6:34: route `r` is unreachable here"),
    ]);
}
