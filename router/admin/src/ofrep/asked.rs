//! What is asked: the caller's context out of the body of a request, `{"context": {"targetingKey": "..", ..}}`.

use axum::body::{Body, to_bytes};
use serde_json::{Map, Value};
use sluice_flagd::Context;

use crate::BODY_BYTES_MAX;
use crate::api::now_ms;
use crate::ofrep::failure::Failure;

/// Attributes of one context. Rules look at a handful.
pub(super) const ATTRIBUTES_MAX: usize = 256;
const TARGETING_KEY: &str = "targetingKey";

/// Who asks.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Caller {
    targeting_key: Option<String>,
    attributes: Map<String, Value>,
}

impl Caller {
    /// Reads a body. No body, or none of a context, is a caller of whom nothing is known.
    pub(super) async fn read(body: Body) -> Result<Self, Failure> {
        let bytes = to_bytes(body, BODY_BYTES_MAX).await;
        let bytes =
            bytes.map_err(|_| Failure::Context(format!("the body is over {BODY_BYTES_MAX} bytes, or broken")))?;
        Self::parse(&bytes)
    }

    fn parse(body: &[u8]) -> Result<Self, Failure> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let parsed =
            serde_json::from_slice(body).map_err(|error| Failure::Parse(format!("the body is not JSON: {error}")))?;
        let Value::Object(mut members) = parsed else {
            return Err(Failure::Parse("the body is a JSON object".to_owned()));
        };
        let mut attributes = match members.remove("context") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(attributes)) => attributes,
            Some(_) => return Err(Failure::Context("`context` is an object".to_owned())),
        };
        if attributes.len() > ATTRIBUTES_MAX {
            return Err(Failure::Context(format!("a context has at most {ATTRIBUTES_MAX} attributes")));
        }
        let targeting_key = match attributes.remove(TARGETING_KEY) {
            None | Some(Value::Null) => None,
            Some(Value::String(key)) => Some(key),
            Some(_) => return Err(Failure::Context(format!("`{TARGETING_KEY}` is a string"))),
        };
        Ok(Self { targeting_key, attributes })
    }

    /// As rules see it, at this moment.
    pub(super) fn context(&self) -> Context<'_> {
        let Self { targeting_key, attributes } = self;
        Context { targeting_key: targeting_key.as_deref(), timestamp_seconds: now_ms() / 1000, attributes }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn code(body: &str) -> &'static str {
        match Caller::parse(body.as_bytes()) {
            Ok(_) => "ok",
            Err(Failure::Parse(_)) => "PARSE_ERROR",
            Err(Failure::Context(_)) => "INVALID_CONTEXT",
            Err(_) => "other",
        }
    }

    #[test]
    fn a_context_is_read_or_refused() {
        for body in ["", "{}", r#"{"context": null}"#, r#"{"context": {}}"#, r#"{"context": {"targetingKey": null}}"#] {
            assert_eq!(Caller::parse(body.as_bytes()).unwrap(), Caller::default(), "{body}");
        }
        let caller = Caller::parse(br#"{"context": {"targetingKey": "ada", "tier": 2}, "more": 1}"#).unwrap();
        assert_eq!(caller.context().targeting_key, Some("ada"));
        assert_eq!(caller.attributes, *json!({"tier": 2}).as_object().unwrap());
        assert_eq!(code("{"), "PARSE_ERROR");
        assert_eq!(code("[]"), "PARSE_ERROR");
        assert_eq!(code(r#"{"context": []}"#), "INVALID_CONTEXT");
        assert_eq!(code(r#"{"context": {"targetingKey": 7}}"#), "INVALID_CONTEXT");
    }

    #[test]
    fn a_context_is_bounded() {
        let context = |count: usize| {
            let attributes: Map<String, Value> = (0..count).map(|number| (number.to_string(), json!(1))).collect();
            json!({"context": attributes}).to_string()
        };
        assert_eq!(code(&context(ATTRIBUTES_MAX)), "ok");
        assert_eq!(code(&context(ATTRIBUTES_MAX + 1)), "INVALID_CONTEXT");
    }
}
