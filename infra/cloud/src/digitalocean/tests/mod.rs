//! The client against a scripted server: what no sane one says, and what it does with a request on the way.

mod limits;
mod listings;
mod server;

use std::time::Duration;

use crate::cloud::Cloud as _;
use crate::error::CloudError;
use crate::types::{CreateDroplet, DropletId};
use server::{Server, Step, TOKEN, answer};

/// Short, since these tests wait for it in vain.
const SOON: Duration = Duration::from_millis(300);
const ACCEPTED: &str = r#"{"droplet": {"id": 7, "name": "a", "status": "new"}, "links": {}}"#;

fn wanted() -> CreateDroplet {
    CreateDroplet {
        name: "a".into(),
        region: "fra1".into(),
        size: "s-1vcpu-1gb".into(),
        image: "debian-13-x64".into(),
        ssh_keys: vec!["12".into()],
        tags: vec!["sluice:f:op:1".into()],
        user_data: "#cloud-config\n{}".into(),
    }
}

/// What comes of a creation, after it was sent just once.
async fn creation(step: Step) -> Result<DropletId, CloudError> {
    let server = Server::start([step, answer(202, ACCEPTED)]).await;
    let client = server.client().answer_within(SOON);
    let end = client.create_droplet(&wanted()).await.map(|droplet| droplet.id);
    assert_eq!(server.seen().len(), 1, "a creation is sent once");
    end
}

#[tokio::test]
async fn a_creation_with_an_unclear_end_is_not_sent_again() {
    for step in [
        Step::Silence,
        Step::Reset,
        Step::Half(202, ACCEPTED.into()),
        answer(500, ""),
        answer(503, r#"{"id": "service_unavailable", "message": "busy"}"#),
        answer(202, "<html>"),
        answer(202, r#"{"links": {}}"#),
        answer(202, r#"{"droplet": {"name": "without an id"}}"#),
    ] {
        let end = creation(step).await;
        assert!(matches!(end, Err(CloudError::Unclear { .. })), "{end:?}");
    }
}

#[tokio::test]
async fn a_creation_that_was_refused_is_clear() {
    assert!(matches!(creation(answer(202, ACCEPTED)).await, Ok(DropletId(id)) if id == "7"));
    let full = r#"{"id": "unprocessable_entity", "message": "creating this droplet will exceed your droplet limit"}"#;
    assert!(matches!(creation(answer(422, full)).await, Err(CloudError::Quota { .. })));
    // Of a refusal the status is enough.
    assert!(matches!(creation(Step::Half(401, full.into())).await, Err(CloudError::Unauthorized { .. })));
    let storm = creation(Step::Answer(429, "retry-after: 9\r\n".into(), String::new())).await;
    assert!(matches!(storm, Err(CloudError::RateLimited { after }) if after == Duration::from_secs(9)));
    let storm = creation(answer(429, "")).await;
    assert!(matches!(storm, Err(CloudError::RateLimited { after }) if after == Duration::from_secs(60)));
    assert!(matches!(creation(answer(404, "{}")).await, Err(CloudError::Invalid { .. })));
}

#[tokio::test]
async fn without_a_connection_nothing_was_made() {
    let client = {
        let server = Server::start([]).await;
        server.client()
    };
    let end = client.create_droplet(&wanted()).await;
    assert!(matches!(end, Err(CloudError::Transient { .. })), "{end:?}");
}

#[tokio::test]
async fn what_cannot_be_is_not_even_sent() {
    let server = Server::start([]).await;
    let client = server.client();
    for user_data in ["🐈".to_owned(), "a".repeat(64 * 1024 + 1)] {
        let end = client.create_droplet(&CreateDroplet { user_data, ..wanted() }).await;
        assert!(matches!(end, Err(CloudError::Invalid { .. })), "{end:?}");
    }
    for id in ["", "..", "1/actions", "f-1"].map(|id| DropletId(id.into())) {
        assert_eq!(client.droplet(&id).await.unwrap(), None);
        client.delete_droplet(&id).await.unwrap();
    }
    for id in ["", "..", "1/2"] {
        client.delete_firewall(id).await.unwrap();
        client.delete_ssh_key(id).await.unwrap();
        client.delete_load_balancer(id).await.unwrap_err();
    }
    client.delete_droplets("").await.unwrap_err();
    assert_eq!(client.droplets("").await.unwrap(), []);
    assert_eq!(server.seen(), [""; 0]);
}

#[tokio::test]
async fn what_is_gone_is_none_and_its_deletion_fine() {
    let gone = || answer(404, r#"{"id": "not_found", "message": "gone"}"#);
    let server = Server::start([gone(), gone(), gone(), gone()]).await;
    let client = server.client();
    assert_eq!(client.droplet(&DropletId("7".into())).await.unwrap(), None);
    client.delete_droplet(&DropletId("7".into())).await.unwrap();
    client.delete_firewall("f-1").await.unwrap();
    client.delete_ssh_key("12").await.unwrap();
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn a_read_is_asked_again_a_few_times() {
    let one = r#"{"droplet": {"id": 7, "name": "a", "status": "active"}}"#;
    for spoilt in [answer(500, ""), Step::Reset, Step::Half(200, one.into()), Step::Silence] {
        let server = Server::start([spoilt, answer(502, ""), answer(200, one)]).await;
        let client = server.client().answer_within(SOON);
        assert!(client.droplet(&DropletId("7".into())).await.unwrap().is_some());
        assert_eq!(server.seen().len(), 3);
    }
    let server = Server::start((0..9).map(|_| answer(503, ""))).await;
    let end = server.client().account().await;
    assert!(matches!(end, Err(CloudError::Transient { .. })), "{end:?}");
    assert_eq!(server.seen().len(), 4, "and then it is given up");
}

#[tokio::test]
async fn the_token_is_in_one_header_and_nowhere_else() {
    let echo = format!(r#"{{"id": "no", "message": "who is {TOKEN}?", "request_id": "{TOKEN}"}}"#);
    let steps = [401, 403, 400, 422, 404].map(|status| answer(status, &echo));
    let server = Server::start(steps).await;
    let client = server.client();
    for _ in 0..5 {
        let error = client.create_droplet(&wanted()).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains(TOKEN), "{error:?}");
    }
    assert!(!format!("{client:?}").contains(TOKEN));
    for request in server.seen() {
        assert_eq!(request.matches(TOKEN).count(), 1, "{request}");
        assert!(request.contains(&format!("authorization: Bearer {TOKEN}\r\n")), "{request}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start([answer(200, "{}")]).await;
    let moved = Step::Answer(302, format!("location: {}/v2/account\r\n", elsewhere.url), String::new());
    let server = Server::start([moved]).await;
    let end = server.client().account().await;
    assert!(matches!(end, Err(CloudError::Invalid { .. })), "{end:?}");
    assert_eq!(elsewhere.seen(), [""; 0]);
}
