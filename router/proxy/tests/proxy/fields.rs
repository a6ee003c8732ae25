//! B12-B14: header fields on their way through, byte-checked at the origin.

use sluice_policy::{ListenerConfig, Underscores};
use sluice_proxy::Settings;

use crate::origin::Origin;
use crate::router::{Router, everything_to, settings};

/// Settings with one listener, changed.
fn listening(change: impl FnOnce(&mut ListenerConfig)) -> Settings {
    let mut settings = settings();
    change(&mut settings.listeners[0]);
    settings
}

#[tokio::test]
async fn b12_a_field_name_with_an_underscore_is_treated_as_the_listener_says() {
    const REQUEST: &str = "GET / HTTP/1.1\r\nhost: test\r\nx_user: forged\r\nx-user: real\r\n\r\n";
    let origin = Origin::saying("ok").await;
    for (underscores, status, sent) in [
        (Underscores::Drop, 200, Some(None)),
        (Underscores::Allow, 200, Some(Some("forged"))),
        (Underscores::Reject, 400, None),
    ] {
        let before = origin.requests().len();
        let settings = listening(|listener| listener.underscores = underscores);
        let router = Router::start_with(&everything_to(&[&origin]), settings);
        assert_eq!(router.client().await.ask(REQUEST).await.status, status, "{underscores:?}");
        let request = origin.requests().get(before).cloned();
        assert_eq!(request.as_ref().map(|request| request.header("x_user")), sent, "{underscores:?}");
        assert!(request.is_none_or(|request| request.header("x-user") == Some("real")));
    }
}
