//! The trace context as servers see it.

use crate::origin::Origin;
use crate::router::Router;

const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// What the server gets of these lines.
async fn sent(lines: &str) -> (Vec<String>, Vec<String>) {
    let origin = Origin::saying("ok").await;
    let router = Router::before(&origin);
    router.client().await.ask(format!("GET / HTTP/1.1\r\nhost: test\r\n{lines}\r\n")).await;
    let head = origin.request().head;
    let of = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).collect()
    };
    (of("traceparent"), of("tracestate"))
}

#[tokio::test]
async fn b28_a_valid_trace_reaches_the_server_as_it_came() {
    let lines = format!("TraceParent:  {VALID} \r\ntracestate: a=1\r\ntracestate: b=2\r\n");
    assert_eq!(sent(&lines).await, (vec![VALID.to_owned()], vec!["a=1".to_owned(), "b=2".to_owned()]));
    let future = format!("{}-more", VALID.replacen("00", "42", 1));
    assert_eq!(sent(&format!("traceparent: {future}\r\n")).await.0, [future]);
}

#[tokio::test]
async fn b28_any_other_trace_is_replaced_by_one_of_our_own() {
    let twice = format!("traceparent: {VALID}\r\ntraceparent: {VALID}\r\n");
    let version_ff = format!("traceparent: {}\r\n", VALID.replacen("00", "ff", 1));
    let upper = format!("traceparent: {}\r\n", VALID.to_uppercase());
    let opaque = "traceparent: \u{ff}\r\n".to_owned();
    for hostile in [String::new(), twice, version_ff, upper, opaque] {
        let (parents, states) = sent(&format!("{hostile}tracestate: a=1\r\n")).await;
        assert_eq!((parents.len(), states.len()), (1, 0), "{hostile}: {parents:?}");
        assert!(parents[0] != VALID && parents[0].len() == VALID.len(), "{hostile}: {parents:?}");
    }
}
