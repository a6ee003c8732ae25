//! `/v1/flags`: every flag, switch or defined in a set, in one list; one of them set, or explained for one caller.

use std::net::SocketAddr;

use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sluice_control::{FlagBook, FlagEdit, FlagEntry};
use sluice_flagd::{Context, Explanation, FlagKind, FlagState};
use sluice_model::audit::Author;

use crate::Shared;
use crate::api::{Body, now_ms};
use crate::auth::caller;
use crate::error::ApiError;

/// Longest reason that is written down, in characters: a line.
pub(crate) const REASON_CHARS_MAX: usize = 400;
/// OpenFeature's name of the identity in a context.
const TARGETING_KEY: &str = "targetingKey";

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/flags", get(list))
        .route("/v1/flags/{key}", get(show).put(set))
        .route("/v1/flags/{key}/explain", post(explain))
}

/// True for the one path here that is asked by `POST` and changes nothing.
pub(crate) fn is_question(path: &str) -> bool {
    path.strip_prefix("/v1/flags/").is_some_and(|rest| rest.ends_with("/explain"))
}

/// A flag as the API shows it.
#[derive(Debug, Serialize)]
struct View<'b> {
    name: &'b str,
    kind: Kind,
    /// The set that defines it.
    set: Option<&'b str>,
    state: FlagState,
    #[serde(rename = "type")]
    value_type: FlagKind,
    /// What everyone gets; `null` where a rule decides, the flag is off as a whole, or the switch has no key.
    value: Option<Value>,
    variant: Option<&'b str>,
    variants: Map<String, Value>,
    default_variant: Option<&'b str>,
    /// Whether a rule decides.
    targeting: bool,
    /// What the rule looks at.
    attributes: Vec<&'b str>,
    metadata: Map<String, Value>,
    /// Why it cannot be evaluated.
    fault: Option<&'b str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// A raw boolean key of the store.
    Switch,
    /// A definition in a set.
    Flag,
}

fn view<'b>(book: &'b FlagBook, entry: &FlagEntry<'b>) -> View<'b> {
    let summary = &entry.summary;
    let nobody = Context::new(None, 0);
    let evaluation = book.evaluate(summary.key, &nobody);
    let is_settled = !summary.has_targeting;
    let value = match entry.set {
        None => entry.switch.map(Value::Bool),
        Some(_) => evaluation.value.filter(|_| is_settled).cloned(),
    };
    let variants = summary.variants.iter().map(|name| {
        let value = match entry.set {
            Some(set) => set.flags.variant(summary.key, name).cloned().unwrap_or_default(),
            None => Value::Bool(*name == "on"),
        };
        ((*name).to_owned(), value)
    });
    let faults = entry.set.map(|set| set.flags.flag_faults()).unwrap_or_default();
    View {
        name: summary.key,
        kind: if entry.set.is_some() { Kind::Flag } else { Kind::Switch },
        set: entry.set.map(|set| set.name.as_str()),
        state: summary.state,
        value_type: summary.kind,
        value,
        variant: evaluation.variant.filter(|_| is_settled),
        variants: variants.collect(),
        default_variant: summary.default_variant,
        targeting: summary.has_targeting,
        attributes: summary.attributes.iter().map(String::as_str).collect(),
        metadata: evaluation.metadata.clone(),
        fault: faults.iter().find(|fault| fault.flag == summary.key).map(|fault| fault.message.as_str()),
    }
}

fn unknown(book: &FlagBook, key: &str) -> ApiError {
    let hint = book.nearest(key).map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
    ApiError::NotFound(format!("no flag is named `{key}`{hint}"))
}

async fn list(State(context): State<Shared>) -> Json<Value> {
    let book = context.handle.flag_book();
    Json(book.flags().map(|entry| serde_json::json!(view(&book, &entry))).collect())
}

async fn show(State(context): State<Shared>, Path(key): Path<String>) -> Result<Json<Value>, ApiError> {
    shown(&context.handle.flag_book(), &key)
}

fn shown(book: &FlagBook, key: &str) -> Result<Json<Value>, ApiError> {
    let entry = book.find(key).ok_or_else(|| unknown(book, key))?;
    Ok(Json(serde_json::json!(view(book, &entry))))
}

/// One of the first three, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    value: Option<Value>,
    variant: Option<String>,
    state: Option<String>,
    #[serde(default)]
    reason: String,
}

impl Change {
    fn edit(self) -> Result<(FlagEdit, String), ApiError> {
        let edit = match (self.value, self.variant, self.state.as_deref()) {
            (Some(value), None, None) => FlagEdit::Value(value),
            (None, Some(variant), None) => FlagEdit::Variant(variant),
            (None, None, Some("ENABLED")) => FlagEdit::Enabled(true),
            (None, None, Some("DISABLED")) => FlagEdit::Enabled(false),
            (None, None, Some(_)) => return Err(ApiError::Invalid("`state` is ENABLED or DISABLED".to_owned())),
            _ => return Err(ApiError::Invalid("give one of `value`, `variant` and `state`".to_owned())),
        };
        Ok((edit, reason(&self.reason)?))
    }
}

/// A reason as it is written down: one line.
pub(crate) fn reason(text: &str) -> Result<String, ApiError> {
    if text.chars().count() > REASON_CHARS_MAX {
        return Err(ApiError::Invalid(format!("a reason has at most {REASON_CHARS_MAX} characters")));
    }
    Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

async fn set(
    State(context): State<Shared>,
    Path(key): Path<String>,
    connection: ConnectInfo<SocketAddr>,
    body: Body<Change>,
) -> Result<Json<Value>, ApiError> {
    let (edit, reason) = body.0.edit()?;
    let by = caller(connection);
    context.handle.edit_flag(&key, &edit, Author { by: &by, reason: &reason }).await?;
    shown(&context.handle.flag_book(), &key)
}

/// For whom to explain.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    #[serde(default)]
    context: Map<String, Value>,
}

/// How a flag came to what it is.
#[derive(Debug, Serialize)]
struct Explained<'b> {
    set: Option<&'b str>,
    #[serde(flatten)]
    explanation: Explanation,
}

async fn explain(
    State(context): State<Shared>,
    Path(key): Path<String>,
    body: Body<Question>,
) -> Result<Json<Value>, ApiError> {
    let mut attributes = body.0.context;
    let targeting_key = match attributes.remove(TARGETING_KEY) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text),
        Some(_) => return Err(ApiError::Invalid(format!("`{TARGETING_KEY}` is a string"))),
    };
    let book = context.handle.flag_book();
    let caller = Context {
        targeting_key: targeting_key.as_deref(),
        timestamp_seconds: now_ms() / 1_000,
        attributes: &attributes,
    };
    let explanation = book.explain(&key, &caller).ok_or_else(|| unknown(&book, &key))?;
    let set = book.find(&key).and_then(|entry| entry.set.map(|set| set.name.as_str()));
    Ok(Json(serde_json::json!(Explained { set, explanation })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(json: &str) -> Result<FlagEdit, ApiError> {
        serde_json::from_str::<Change>(json).unwrap().edit().map(|(edit, _)| edit)
    }

    #[test]
    fn a_change_says_one_thing() {
        assert_eq!(edit(r#"{"value": true}"#), Ok(FlagEdit::Value(Value::Bool(true))));
        assert_eq!(edit(r#"{"variant": "on", "reason": "x"}"#), Ok(FlagEdit::Variant("on".to_owned())));
        assert_eq!(edit(r#"{"state": "DISABLED"}"#), Ok(FlagEdit::Enabled(false)));
        for wrong in [r#"{}"#, r#"{"value": 1, "variant": "on"}"#, r#"{"state": "off"}"#] {
            assert!(matches!(edit(wrong), Err(ApiError::Invalid(_))), "{wrong}");
        }
    }

    #[test]
    fn a_reason_is_one_line_of_bounded_length() {
        assert_eq!(reason(" too\nmany \t errors "), Ok("too many errors".to_owned()));
        assert!(reason(&"x".repeat(REASON_CHARS_MAX)).is_ok());
        assert!(reason(&"x".repeat(REASON_CHARS_MAX + 1)).is_err());
    }

    #[test]
    fn only_explain_is_a_question() {
        assert!(is_question("/v1/flags/a/explain") && is_question("/v1/flags/a%2Fb/explain"));
        assert!(!is_question("/v1/flags/a") && !is_question("/v1/rollouts/a/explain"));
    }
}
