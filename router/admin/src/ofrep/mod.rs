//! OFREP 0.3, the OpenFeature Remote Evaluation Protocol: programs ask for flags over HTTP, in any language with an
//! OpenFeature SDK. Every set in the order of names, and the raw switches as boolean flags.
//!
//! `asked` reads a question, `single` and `bulk` answer it, `events` says that it is worth asking again, `ticket` lets a
//! browser listen, `failure` is the one place where what goes wrong becomes a status. Nothing here changes anything.

mod asked;
mod bulk;
mod events;
mod failure;
mod single;
mod ticket;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use serde_json::{Map, Value, json};
use sluice_flagd::{Evaluation, EvaluationError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Shared;
use failure::Failure;

const FLAGS: &str = "/ofrep/v1/evaluate/flags";
const FLAG: &str = "/ofrep/v1/evaluate/flags/{key}";
const EVENTS: &str = "/ofrep/v1/events";
/// Questions that are read and answered at a time. An answer takes microseconds, so this many are only waited for when
/// bodies come slowly.
const QUESTIONS_MAX: usize = 64;
/// Listeners at a time; each is a connection and a few hundred bytes.
const LISTENERS_MAX: usize = 1_000;

/// What is asked at a time, bounded.
#[derive(Debug)]
pub(crate) struct Limits {
    questions: Arc<Semaphore>,
    listeners: Arc<Semaphore>,
}

impl Limits {
    pub(crate) fn new() -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self { questions: semaphore(QUESTIONS_MAX), listeners: semaphore(LISTENERS_MAX) }
    }

    /// A place for one more, for as long as it is held.
    fn place(semaphore: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Failure> {
        Arc::clone(semaphore).try_acquire_owned().map_err(|_full| Failure::TooMany)
    }
}

/// Questions, which are asked with `POST`.
pub(crate) fn routes() -> Router<Shared> {
    Router::new().route(FLAGS, post(bulk::evaluate)).route(FLAG, post(single::evaluate))
}

/// The change stream, which asks for a token by itself: a browser cannot send one there.
pub(crate) fn stream() -> Router<Shared> {
    Router::new().route(EVENTS, get(events::listen))
}

/// True for paths that are asked with `POST` and change nothing.
pub(crate) fn is_question(path: &str) -> bool {
    path.strip_prefix(FLAGS).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// An evaluation as the protocol shows it, or the error of it.
fn shown(key: &str, evaluation: &Evaluation<'_>) -> Result<Map<String, Value>, EvaluationError> {
    let Evaluation { value, variant, reason, error, metadata } = evaluation;
    if let Some(error) = error {
        return Err(error.clone());
    }
    let mut shown = Map::new();
    shown.insert("key".to_owned(), key.into());
    shown.insert("reason".to_owned(), reason.as_str().into());
    // Without a value the caller's own default counts (ADR 0006).
    if let Some(value) = value {
        shown.insert("value".to_owned(), (*value).clone());
    }
    if let Some(variant) = variant {
        shown.insert("variant".to_owned(), json!(variant));
    }
    if !metadata.is_empty() {
        shown.insert("metadata".to_owned(), Value::Object((*metadata).clone()));
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_told_from_all_else() {
        assert!(is_question("/ofrep/v1/evaluate/flags") && is_question("/ofrep/v1/evaluate/flags/x"));
        assert!(!is_question("/ofrep/v1/evaluate/flagsx") && !is_question("/v1/flags"));
    }

    #[test]
    fn places_are_bounded() {
        let limits = Limits::new();
        let held: Vec<_> = (0..QUESTIONS_MAX).map(|_| Limits::place(&limits.questions)).collect();
        assert!(held.iter().all(Result::is_ok));
        assert!(matches!(Limits::place(&limits.questions), Err(Failure::TooMany)));
        drop(held);
        assert!(Limits::place(&limits.questions).is_ok());
    }
}
