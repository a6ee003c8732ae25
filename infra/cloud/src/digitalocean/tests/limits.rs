//! Both rate limits, and the bound on an answer.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::server::{Server, Step, answer};
use crate::cloud::Cloud as _;
use crate::error::CloudError;

const ACCOUNT: &str = r#"{"account": {"email": "a@example.org", "droplet_limit": 25, "colour": "blue"}}"#;

#[tokio::test]
async fn a_burst_is_waited_out() {
    let storm = Step::Answer(429, "retry-after: 1\r\n".into(), r#"{"id": "too_many_requests"}"#.into());
    let server = Server::start([storm, answer(200, ACCOUNT)]).await;
    let begin = Instant::now();
    assert_eq!(server.client().account().await.unwrap().droplets_max, 25);
    assert!(begin.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn an_hour_is_not_waited_out_but_said() {
    let reset = Timestamp::now().as_second() + 1800;
    let used_up = format!("ratelimit-limit: 5000\r\nratelimit-remaining: 0\r\nratelimit-reset: {reset}\r\n");
    // Told with the last request that went well, or with the first that did not.
    for (status, body) in [(200, ACCOUNT), (429, "{}")] {
        let server = Server::start([Step::Answer(status, used_up.clone(), body.into()), answer(200, ACCOUNT)]).await;
        let client = server.client();
        assert_eq!(client.account().await.is_ok(), status == 200);
        let end = client.account().await;
        let Err(CloudError::RateLimited { after }) = end else { panic!("{end:?}") };
        assert!(after > Duration::from_secs(1700) && after <= Duration::from_secs(1800), "{after:?}");
        assert_eq!(server.seen().len(), 1, "before it is over nothing is sent");
    }
}

#[tokio::test]
async fn headers_that_make_no_sense_are_left_alone() {
    let odd = "ratelimit-remaining: -1\r\nratelimit-reset: soon\r\nretry-after: never\r\n";
    let server = Server::start([Step::Answer(200, odd.into(), ACCOUNT.into()), answer(200, ACCOUNT)]).await;
    let client = server.client();
    client.account().await.unwrap();
    client.account().await.unwrap();
}

#[tokio::test]
async fn an_answer_has_a_bound() {
    /// As in `transport`.
    const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
    let padded = |bytes: usize| format!("{ACCOUNT}{}", " ".repeat(bytes - ACCOUNT.len()));
    let server = Server::start([answer(200, &padded(BODY_BYTES_MAX)), answer(200, &padded(BODY_BYTES_MAX + 1))]).await;
    let client = server.client();
    client.account().await.unwrap();
    let end = client.account().await;
    assert!(matches!(end, Err(CloudError::Answer { .. })), "{end:?}");
}
