//! `[[tests]]` in a policy: what does not hold is a fault at the expectation, with what came instead and why.

use super::{only_fault, parse_one};

const BASE: &str = r#"[upstreams.a]
servers = ["a:1"]
[upstreams.b]
servers = ["b:1"]
[rollouts.demo]
key = "cookie:uid"
stable = "s"
canary = "c"
variants = { s = "a", c = "b" }
[[routes]]
name = "cats"
match = { path.prefix = "/cats", headers.x-user = "tom" }
rewrite.prefix = "/v2"
rollout = "demo"
to = [{ upstream = "a", weight = 1 }]
[[routes]]
name = "zero"
match.path.exact = "/zero"
to = [{ upstream = "a", weight = 1 }, { upstream = "b", weight = 0 }]
[[routes]]
name = "moved"
match.path.regex = "/old/.*"
redirect = { scheme = "https", status = 301 }
[[tests]]
name = "t"
"#;

fn with_test(url: &str, rest: &str, expect: &str) -> String {
    format!("{BASE}request = {{ url = \"http://h.org{url}\"{rest} }}\nexpect = {{ {expect} }}\n")
}

#[test]
fn what_holds_is_accepted() {
    let tom = ", headers = { x-user = \"tom\" }";
    for (url, rest, expect) in [
        ("/cats/7?q", tom, "route = \"cats\", upstream = \"a\", path = \"/v2/7\""),
        ("/x/../%63ats", tom, "upstream = \"b\", path = \"/v2\""),
        ("/cats/7", "", "route = \"none\", status = 404"),
        (":8080/old/x?y=1", "", "redirect = \"https://h.org/old/x?y=1\", status = 301"),
        ("./zero", "", "path = \"/zero\""),
        ("/%00", "", "status = 400, route = \"none\""),
    ] {
        let text = with_test(url, rest, expect);
        assert!(parse_one(&text).is_ok(), "{text}{}", parse_one(&text).unwrap_err());
    }
}

#[test]
fn what_does_not_hold_says_what_came_and_why() {
    for (url, expect, fault) in [
        (
            "/cats",
            "route = \"cats\"",
            "test `t` fails: expected route `cats`, no route is taken | no route matches; `cats`: header `x-user` does not match",
        ),
        (
            "/zero",
            "route = \"none\"",
            "test `t` fails: expected route `none`, route `zero` is taken | route `zero` matches by host * and exact /zero",
        ),
        (
            "/zero",
            "route = \"moved\"",
            "test `t` fails: expected route `moved`, route `zero` is taken | route `zero` matches by host * and exact /zero; `moved`: its path does not match",
        ),
        (
            "/zero",
            "upstream = \"b\"",
            "test `t` fails: expected upstream `b`, route `zero` leads to `a` | route `zero` matches",
        ),
        (
            "/old/x",
            "upstream = \"b\"",
            "test `t` fails: expected upstream `b`, route `moved` leads to none | route `moved` matches by host * and regex /old/.*",
        ),
        ("/zero", "path = \"/0\"", "test `t` fails: expected path `/0`, it is `/zero` |"),
        ("/nothing", "path = \"/0\"", "test `t` fails: expected path `/0`, no server is asked | no route matches"),
        (
            "/old/x",
            "redirect = \"https://h.org/\"",
            "test `t` fails: expected redirect to `https://h.org/`, it is `https://h.org/old/x` |",
        ),
        (
            "/zero",
            "redirect = \"https://h.org/\"",
            "test `t` fails: expected redirect to `https://h.org/`, route `zero` redirects nowhere |",
        ),
        ("/zero", "status = 200", "test `t` fails: expected status `200`, only the server knows it |"),
        (
            "/%00",
            "status = 404",
            "test `t` fails: expected status `404`, it is 400 | a path such as this is answered 400",
        ),
    ] {
        let found = only_fault(&with_test(url, "", expect));
        let place = format!("27:{}: ", "expect = { ".len() + expect.find(['"', '2', '4']).unwrap() + 1);
        assert!(found.starts_with(&format!("{place}{fault}")), "{found}\n{place}{fault}");
    }
}

#[test]
fn faulty_tests_say_what_to_write() {
    for (test, fault) in [
        (
            "request.url = \"/cats\"\nexpect.status = 404",
            "26:15: `/cats` is no address of a request | write a whole address",
        ),
        ("request.url = \"http://u@h/\"\nexpect.status = 404", "26:15: `http://u@h/` is no address"),
        ("request = {}\nexpect.status = 404", "26:11: `url` is missing"),
        ("request.url = \"http://h/\"\nexpect = {}", "27:10: this test expects nothing"),
        (
            "request.url = \"http://h/\"\nexpect.route = \"cat\"",
            "27:16: no route is named `cat` | did you mean `cats`?",
        ),
        ("request.url = \"http://h/\"\nexpect.upstream = \"x\"", "27:19: no upstream is named `x`"),
        ("request.url = \"http://h/\"\nexpect.state = 404", "27:8: unknown key `state` | did you mean `status`?"),
        ("request = { url = \"http://h/\", methd = \"GET\" }\nexpect.status = 404", "26:32: unknown key `methd`"),
    ] {
        let faults = parse_one(&format!("{BASE}{test}\n")).unwrap_err();
        let shown: Vec<String> = faults
            .0
            .iter()
            .map(|it| format!("{}:{}: {} | {}", it.line, it.column, it.message, it.hint.clone().unwrap_or_default()))
            .collect();
        assert!(shown.iter().any(|shown| shown.starts_with(fault)), "{fault}\n{shown:#?}");
    }
}

#[test]
fn tests_wait_until_nothing_else_is_wrong() {
    let text = with_test("/zero", "", "route = \"none\"") + "[upstreams.c]\n";
    let fault = only_fault(&text);
    assert!(fault.contains("upstream `c` has no servers"), "{fault}");
}
