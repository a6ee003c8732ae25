//! What the admin port tells of flags, as far as people are shown it.

use serde::Deserialize;
use serde_json::{Map, Value};

/// One flag.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Flag {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) set: Option<String>,
    pub(super) state: String,
    #[serde(rename = "type")]
    pub(super) value_type: String,
    pub(super) value: Option<Value>,
    pub(super) variant: Option<String>,
    pub(super) variants: Map<String, Value>,
    pub(super) default_variant: Option<String>,
    pub(super) targeting: bool,
    pub(super) attributes: Vec<String>,
    pub(super) metadata: Map<String, Value>,
    pub(super) fault: Option<String>,
}

impl Flag {
    /// What everyone gets, or who decides.
    pub(super) fn shown(&self) -> String {
        if self.fault.is_some() {
            return "none: at fault".to_owned();
        }
        match (&self.value, self.kind.as_str(), self.state.as_str()) {
            (Some(Value::Bool(on)), "switch", _) => if *on { "on" } else { "off" }.to_owned(),
            (_, "switch", _) => "off (no such key)".to_owned(),
            (_, _, "DISABLED") => "none: disabled".to_owned(),
            _ if self.targeting => "by rule".to_owned(),
            (Some(value), ..) => value.to_string(),
            (None, ..) => "none: no default".to_owned(),
        }
    }

    /// The key in the audit log under which changes of it stand.
    pub(super) fn audit_key(&self) -> String {
        match &self.set {
            Some(set) => format!("flags:{set}"),
            None => format!("flag:{}", self.name),
        }
    }
}
