//! The cases of `sluice plugin test`.

use http::{Method, StatusCode};
use sluice_model::field::Field;

use super::{one_line, source};
use crate::plugin_tests::file_stem;
use crate::read::plugin_tests::request::BODY_TEXT_BYTES_MAX;
use crate::read::plugin_tests::{CASES_MAX, ROLLOUTS_MAX, STATE_MAX, expect};
use crate::{BodyContent, CaseExpect, CaseResponse, Faults, Grants, Limits, PluginTests, parse_plugin_tests};

const FULL: &str = include_str!("../../../fixtures/plugin-tests.toml");
const LEAST: &str = "[[case]]\nname = \"c\"\nrequest.url = \"http://a/\"\n";

fn read(text: &str) -> Result<PluginTests, Faults> {
    parse_plugin_tests(&source("tests.toml", text))
}

fn only_fault(text: &str) -> String {
    one_line(read(text).expect_err(text))
}

#[test]
fn every_key_is_read() {
    let tests = read(FULL).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(tests.plugin.config["paths"][0], "/hello");
    assert_eq!((tests.plugin.limits.log_lines_per_second_max, tests.plugin.limits.body_bytes_max), (5, 64 << 10));
    assert!(tests.grants.as_ref().is_some_and(|grants| grants.body && grants.log) && tests.plugin.grants.edits);
    let rollout = &tests.policy.rollouts[0];
    assert_eq!((rollout.name.as_str(), &rollout.key[0]), ("demo", &Field::Cookie("uid".into())));

    let [greets, form, words] = tests.cases.as_slice() else { panic!("{:?}", tests.cases) };
    let state: Vec<_> = greets.state.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
    let rollout = Some("{\"state\":\"running\",\"weight_bps\":2500}");
    assert_eq!(state, [("flag:greet", Some("true")), ("rollout:demo", rollout), ("flag:old", None)]);
    let request = &greets.request;
    assert_eq!((&request.method, request.url.as_str()), (&Method::POST, "http://example.org/hello?x=1"));
    assert_eq!((request.headers.get_all("accept").iter().count(), request.client.to_string()), (2, "192.0.2.1".into()));
    let body = greets.body.as_ref().unwrap();
    assert_eq!((&body.content, body.is_declared, body.chunk_bytes), (&BodyContent::Bytes(50_001), false, 1_000));
    let Some(CaseResponse { status, headers }) = &greets.response else { panic!("a response") };
    assert_eq!((*status, headers["x-server"].to_str().unwrap()), (StatusCode::NOT_FOUND, "1"));
    assert_eq!((greets.now_ms, greets.random), (1_700_000_000_001, 42));
    let expected = CaseExpect {
        verdict: Some("respond".into()),
        status: Some(200),
        body: Some(String::new()),
        headers: vec![("x-a".into(), "1".into())],
        edits: Some(vec!["set x-hello: 1".into(), "query ".into()]),
        effects: Some(vec!["alert upload-size, abort".into(), "add seen 1".into(), "tag t".into()]),
        log: Some(vec!["hello".into()]),
        is_called: Some(true),
    };
    assert_eq!(greets.expect, expected);
    assert_eq!(form.body.as_ref().unwrap().content, BodyContent::MultipartFile(50_001));
    assert_eq!(words.body.as_ref().unwrap().content, BodyContent::Text("words".into()));
}

#[test]
fn what_is_left_out_has_its_default() {
    let tests = read(LEAST).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!((tests.grants, tests.plugin.grants), (None, Grants::default()));
    assert_eq!((tests.plugin.config.to_string(), tests.plugin.limits), ("{}".to_owned(), Limits::DEFAULT));
    let case = &tests.cases[0];
    assert_eq!((&case.request.method, case.request.client.to_string()), (&Method::GET, "127.0.0.1".to_owned()));
    assert_eq!((case.now_ms, case.random, &case.expect), (1_700_000_000_000, 0, &CaseExpect::default()));
    assert!(case.state.is_empty() && case.body.is_none() && case.response.is_none());
}

#[test]
fn wrong_values_say_what_to_write() {
    for (text, expected) in [
        ("config = {}".to_owned(), "1:1: `case` is missing | write [[case]]"),
        ("case = []".to_owned(), "1:8: empty list"),
        ("[[cases]]\nname = \"c\"".to_owned(), "1:3: unknown key `cases` | did you mean `case`?"),
        ("[[case]]\nname = \"c\"".to_owned(), "1:1: `request` is missing | write request = { url"),
        (format!("{LEAST}expct = {{}}"), "4:1: unknown key `expct` | did you mean `expect`?"),
        (format!("{LEAST}{LEAST}"), "5:8: case `c` is declared twice"),
        (
            LEAST.replace("\"c\"", "\"a b\"") + &LEAST.replace("\"c\"", "\"a/b\""),
            "5:8: `a/b` and `a b` would share the golden file `a-b.json`",
        ),
        (format!("{LEAST}state = {{ \"flog:x\" = 1 }}"), "4:11: `flog:x` is no state key | did you mean `flag`?"),
        (format!("{LEAST}state = {{ \"flag:*\" = 1 }}"), "4:11: `flag:*` is no state key | write flag:NAME"),
        (format!("{LEAST}state_gone = [\"x\"]"), "4:15: `x` is no state key"),
        (format!("{LEAST}request.client = \"a\""), "4:18: `a` is no IP address"),
        (format!("{LEAST}body = {{}}"), "4:8: the body is empty of meaning | write bytes = 50001"),
        (format!("{LEAST}body = {{ bytes = 1, text = \"x\" }}"), "4:8: a body is bytes, a text or a form, not several"),
        (format!("{LEAST}body = {{ byte = 1 }}"), "4:10: unknown key `byte` | did you mean `bytes`?"),
        (format!("{LEAST}body = {{ bytes = 1, chunk_bytes = 0 }}"), "4:35: `0` is out of range | from 1 to 1048576"),
        (format!("{LEAST}response.status = 101"), "4:19: `101` is out of range | from 200 to 599"),
        (format!("{LEAST}expect.verdict = \"nxt\""), "4:18: `nxt` is no verdict | did you mean `next`?"),
        (format!("{LEAST}expect.verdict = \"variant:\""), "4:18: `variant:` is no verdict"),
        (format!("{LEAST}expect.edits = [\"sett a: b\"]"), "4:17: `sett a: b` is no edit | did you mean `set`?"),
        (format!("{LEAST}expect.effects = [\"alarm x\"]"), "4:19: `alarm x` is no effect | did you mean `alert`?"),
        (format!("{LEAST}random = -1"), "4:10: `-1` is out of range"),
    ] {
        let fault = only_fault(&text);
        assert!(fault.starts_with(expected), "{text}: {fault}");
    }
}

#[test]
fn everything_is_bounded() {
    let holds = |max: usize, text: &dyn Fn(usize) -> String| {
        assert!(read(&text(max)).is_ok(), "{}", read(&text(max)).unwrap_err());
        assert!(read(&text(max + 1)).is_err(), "one past {max}");
    };
    let items = |count: usize, item: &dyn Fn(usize) -> String| (0..count).map(item).collect::<Vec<_>>().join(", ");
    holds(CASES_MAX, &|count| (0..count).map(|i| LEAST.replace("\"c\"", &format!("\"c{i}\""))).collect());
    holds(ROLLOUTS_MAX, &|count| {
        format!("rollouts = {{ {} }}\n{LEAST}", items(count, &|i| format!("r{i} = [\"path\"]")))
    });
    holds(STATE_MAX, &|count| format!("{LEAST}state = {{ {} }}", items(count, &|i| format!("\"flag:{i}\" = 1"))));
    holds(STATE_MAX, &|count| format!("{LEAST}state_gone = [{}]", items(count, &|i| format!("\"flag:{i}\""))));
    holds(BODY_TEXT_BYTES_MAX, &|count| format!("{LEAST}body.text = \"{}\"", "x".repeat(count)));
    holds(expect::ENTRIES_MAX, &|count| format!("{LEAST}expect.log = [{}]", items(count, &|i| format!("\"{i}\""))));
    holds(expect::ENTRIES_MAX, &|count| format!("{LEAST}expect.edits = [{}]", items(count, &|_| "\"path /\"".into())));
    holds(expect::ENTRIES_MAX, &|count| {
        format!("{LEAST}expect.headers = {{ {} }}", items(count, &|i| format!("a{i} = \"\"")))
    });
    holds(1 << 20, &|count| format!("{LEAST}body = {{ bytes = 1, chunk_bytes = {count} }}"));
}

#[test]
fn a_golden_file_stays_in_its_folder() {
    for (name, stem) in
        [("greets", "greets"), ("../../etc/passwd", "-..-..-etc-passwd"), (".hidden", "-.hidden"), ("é ", "--")]
    {
        assert_eq!(file_stem(name), stem);
    }
    assert_eq!(file_stem(&"x".repeat(1_000)).len(), 200);
}
