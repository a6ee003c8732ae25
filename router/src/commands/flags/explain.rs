//! `sluice flags explain KEY`: why a flag is what it is for one caller.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::part;
use crate::commands::ask::AskArgs;
use crate::terminal::Paint;

/// OpenFeature's name of the identity in a context.
const TARGETING_KEY: &str = "targetingKey";

/// Arguments of `sluice flags explain`.
#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// Key of the flag.
    #[arg(value_name = "FLAG")]
    flag: String,
    /// The identity that splits decide on: short for -c targetingKey=KEY.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The caller as JSON, e.g. '{"targetingKey": "u42", "country": "NL"}'.
    #[arg(long, value_name = "JSON")]
    context: Option<String>,
    /// One attribute of the caller; a value that reads as JSON is that, else text. May be repeated.
    #[arg(short = 'c', long = "attribute", value_name = "NAME=VALUE")]
    attributes: Vec<String>,
    #[command(flatten)]
    ask: AskArgs,
}

/// What the router tells.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    set: Option<String>,
    key: String,
    value: Option<Value>,
    variant: Option<String>,
    reason: String,
    #[serde(rename = "errorCode")]
    error_code: Option<String>,
    #[serde(rename = "errorDetails")]
    error_details: Option<String>,
    steps: Vec<Step>,
    #[serde(rename = "stepsLeftOut")]
    steps_left_out: bool,
}

/// One rule that was carried out.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Step {
    path: String,
    rule: String,
    value: String,
    note: Option<String>,
}

/// Asks and prints.
pub(super) fn explain(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let mut context = context(args.context.as_deref(), &args.attributes)?;
    context.extend(args.key.as_ref().map(|key| (TARGETING_KEY.to_owned(), key.as_str().into())));
    let path = format!("/v1/flags/{}/explain", part(&args.flag));
    let told = args.ask.client()?.post(&path, &json!({ "context": context }))?;
    args.ask.show(told, |told: Told| text(&told, Paint::stdout()))?;
    Ok(ExitCode::SUCCESS)
}

fn context(json: Option<&str>, attributes: &[String]) -> anyhow::Result<Map<String, Value>> {
    let mut context: Map<String, Value> = match json {
        Some(json) => serde_json::from_str(json).context("read --context: it is a JSON object")?,
        None => Map::new(),
    };
    for attribute in attributes {
        let Some((name, value)) = attribute.split_once('=') else { bail!("`-c {attribute}`: write NAME=VALUE") };
        // The identity is text, also if it looks like a number.
        let read = if name == TARGETING_KEY { None } else { serde_json::from_str(value).ok() };
        context.insert(name.to_owned(), read.unwrap_or_else(|| value.into()));
    }
    Ok(context)
}

fn text(told: &Told, paint: Paint) -> String {
    let variant = told.variant.as_ref().map(|variant| format!(", variant {variant}")).unwrap_or_default();
    let whence = told.set.as_ref().map_or_else(|| "a switch".to_owned(), |set| format!("in the set {set}"));
    let value = told.value.as_ref().map_or_else(|| "no value: the caller's own default".to_owned(), Value::to_string);
    let mut lines = vec![format!("{} = {value}{variant}  ({}, {whence})", paint.bold(&told.key), told.reason)];
    if let Some(code) = &told.error_code {
        lines.push(paint.red(&format!("{code}: {}", told.error_details.as_deref().unwrap_or_default())));
    }
    if told.steps.is_empty() && told.error_code.is_none() {
        lines.push(match told.reason.as_str() {
            "DISABLED" => "it is disabled: nothing is evaluated".to_owned(),
            _ => "it has no rule: everyone gets the same".to_owned(),
        });
    }
    for step in &told.steps {
        let note = step.note.as_ref().map(|note| format!(", {note}")).unwrap_or_default();
        lines.push(format!("  {}", step.rule));
        lines.push(format!("    = {}{note}  {}", paint.bold(&step.value), paint.dim(&step.path)));
    }
    if told.steps_left_out {
        lines.push(paint.yellow("  .. and more steps than are shown"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_json_where_they_can_be_and_the_identity_is_text() {
        let attributes = ["age=7", "beta=true", "email=a@b.c", "targetingKey=42"].map(str::to_owned);
        let context = context(Some(r#"{"age": 1, "country": "NL"}"#), &attributes).unwrap();
        let expected = json!({"age": 7, "beta": true, "email": "a@b.c", "targetingKey": "42", "country": "NL"});
        assert_eq!(Value::Object(context), expected);
        assert!(super::context(None, &["x".to_owned()]).is_err() && super::context(Some("[]"), &[]).is_err());
    }

    #[test]
    fn an_explanation_shows_each_rule_with_what_it_came_to() {
        let told = json!({
            "set": "shop", "key": "new-ui", "value": true, "variant": "on", "reason": "TARGETING_MATCH",
            "steps": [{"path": "flags.new-ui.targeting.if[0]", "rule": "{\"in\":[..]}", "value": "true", "note": "took argument 1"}],
        });
        let shown = text(&serde_json::from_value(told).unwrap(), Paint::none());
        let expected = "\
new-ui = true, variant on  (TARGETING_MATCH, in the set shop)
  {\"in\":[..]}
    = true, took argument 1  flags.new-ui.targeting.if[0]";
        assert_eq!(shown, expected);
        let told = json!({"key": "a", "reason": "ERROR", "errorCode": "PARSE_ERROR", "errorDetails": "no rule"});
        assert!(text(&serde_json::from_value(told).unwrap(), Paint::none()).contains("PARSE_ERROR: no rule"));
    }
}
