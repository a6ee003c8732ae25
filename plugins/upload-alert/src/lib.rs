//! Watches the size of uploads: one strictly larger than the limit raises an alert, is refused, stops the rollout or
//! is tagged.
//!
//! The host counts and calls once, at the first byte past the limit, or before any byte when the Content-Length says
//! it already; smaller uploads cost no call at all.

use serde::Deserialize;
use sluice_plugin::config::ByteCount;
use sluice_plugin::{Activation, Alert, BodySize, Outcome, Phases, Plugin, SizeUnit, Verdict, config};

/// RFC 9110 section 15.5.14: content too large.
const CONTENT_TOO_LARGE: u16 = 413;

/// `config = { limit = "50000B", paths = ["/upload"], action = "abort_canary" }`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Largest upload that passes; 0 = no limit.
    limit: ByteCount,
    /// Path prefixes to watch, by segment; empty = all.
    #[serde(default)]
    paths: Vec<String>,
    #[serde(default = "upload_methods")]
    methods: Vec<String>,
    #[serde(default)]
    action: Action,
    /// Name of the rule in alerts.
    #[serde(default = "rule_name")]
    rule: String,
}

/// What a too large upload leads to.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    /// An alert; the upload passes.
    #[default]
    Alert,
    /// An alert, and 413 instead of the upload.
    Reject,
    /// An alert that stops the route's rollout; the upload passes.
    AbortCanary,
    /// No alert, only a tag with the rule's name.
    Tag,
}

fn upload_methods() -> Vec<String> {
    vec!["POST".to_owned(), "PUT".to_owned()]
}

fn rule_name() -> String {
    "upload-size".to_owned()
}

/// The plugin; see the module.
pub struct UploadAlert {
    limit_bytes: u64,
    action: Action,
    rule: String,
}

impl Plugin for UploadAlert {
    fn init(config: &str) -> Result<(Self, Activation), String> {
        let Config { limit: ByteCount(limit_bytes), paths, methods, action, rule } = config::parse(config)?;
        paths.iter().try_for_each(|path| config::check_path(path))?;
        let phases = if limit_bytes == 0 { Phases::empty() } else { Phases::BODY_SIZE };
        let mut activation = Activation::new(phases);
        activation.body_size_above(limit_bytes);
        paths.into_iter().for_each(|path| activation.path_prefix(path));
        methods.into_iter().for_each(|method| activation.method(method));
        Ok((Self { limit_bytes, action, rule }, activation))
    }

    fn on_body_size(&mut self, size: &BodySize, outcome: &mut Outcome) -> Verdict {
        if self.action == Action::Tag {
            outcome.tag(&self.rule);
            return Verdict::next();
        }
        outcome.raise(self.alert(size));
        if self.action != Action::Reject {
            return Verdict::next();
        }
        outcome.text(format!("uploads are limited to {} bytes\n", self.limit_bytes));
        Verdict::respond(CONTENT_TOO_LARGE)
    }
}

impl UploadAlert {
    fn alert(&self, size: &BodySize) -> Alert {
        let what = match size.unit {
            SizeUnit::Body => "an upload",
            SizeUnit::Part => "a file of an upload",
        };
        let seen = if size.declared { "announced" } else { "reached" };
        Alert {
            rule: self.rule.clone(),
            message: format!("{what} {seen} {} bytes; the limit is {}", size.bytes, self.limit_bytes),
            observed: size.bytes,
            limit: self.limit_bytes,
            abort_rollout: self.action == Action::AbortCanary,
        }
    }
}

// Every policy has to grant the needs. Tags are none of them: only a policy with `action = "tag"` grants those.
sluice_plugin::plugin!(UploadAlert, needs = [alerts, abort]);

#[cfg(test)]
mod tests;
