//! The message that self-destructs.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;

use super::{App, Problem};

const MESSAGE: &str = "this message will self-destruct in 10 seconds";
/// What the message promises.
const MESSAGE_LIFETIME: Duration = Duration::from_secs(10);

/// `GET|POST /set`: stores the message for every server and answers it.
pub(super) async fn set(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    app.storage.set_message(MESSAGE, MESSAGE_LIFETIME).await?;
    Ok(MESSAGE)
}

/// `GET /get`: the message, as long as it lives.
pub(super) async fn get(State(app): State<Arc<App>>) -> Result<String, Problem> {
    app.storage.message().await?.ok_or(Problem::NoMessage)
}
