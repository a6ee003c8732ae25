//! One call of the API: what is asked, what is answered, and how the answer travels.

use std::time::Duration;

use serde_json::{Value, json};

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `GET`, `POST`, `PUT`, `DELETE`.
    pub method: String,
    /// `/v2/droplets`, decoded.
    pub path: String,
    /// Parameters of the query, decoded.
    pub query: Vec<(String, String)>,
    /// What the `Authorization` header says after `Bearer `.
    pub token: Option<String>,
    /// `http://HOST`: what absolute addresses in answers begin with.
    pub base: String,
    /// The body.
    pub body: Vec<u8>,
    /// True if it says `X-Dangerous: true`.
    pub is_dangerous: bool,
}

impl Request {
    /// A parameter of the query.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(super) fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_slice(&self.body).map_err(|error| Refusal::bad_request(&format!("invalid body: {error}")))
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers beside the content type.
    pub headers: Vec<(&'static str, String)>,
    /// JSON, or nothing.
    pub body: String,
}

impl Answer {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, body.to_string())
    }

    pub(super) const fn text(status: u16, body: String) -> Self {
        Self { status, headers: Vec::new(), body }
    }

    pub(super) const fn nothing() -> Self {
        Self::text(204, String::new())
    }
}

/// How an answer travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// As it is.
    Whole,
    /// Never: the connection is reset after this time.
    Never(Duration),
    /// Half of it, then the connection is reset.
    Cut,
}

/// An answer and how it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// How it travels.
    pub delivery: Delivery,
}

/// Why it is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) id: &'static str,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(status: u16, id: &'static str, message: &str) -> Self {
        Self { status, id, message: message.to_owned() }
    }

    pub(super) fn bad_request(message: &str) -> Self {
        Self::new(400, "bad_request", message)
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, "not_found", "The resource you were accessing could not be found.")
    }

    pub(super) fn unprocessable(message: &str) -> Self {
        Self::new(422, "unprocessable_entity", message)
    }

    pub(super) fn into_answer(self, request_id: &str) -> Answer {
        Answer::json(self.status, &json!({ "id": self.id, "message": self.message, "request_id": request_id }))
    }
}

/// What a call comes to.
pub(super) type Outcome = Result<Answer, Refusal>;
