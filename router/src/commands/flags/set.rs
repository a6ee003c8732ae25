//! `sluice flags set KEY VALUE`, `on KEY`, `off KEY`. The router answers once it acts on it.

use std::process::ExitCode;

use anyhow::bail;
use clap::ValueEnum;
use serde_json::{Value, json};

use super::told::Flag;
use super::{list, part};
use crate::commands::ask::AskArgs;
use crate::terminal::Paint;

/// Arguments of `sluice flags set`.
#[derive(Debug, clap::Args)]
pub(crate) struct SetArgs {
    /// Key of the flag.
    #[arg(value_name = "KEY")]
    key: String,
    /// A variant, or the value of one as JSON; true or false for a switch.
    #[arg(value_name = "VALUE", required_unless_present = "state")]
    value: Option<String>,
    /// Whether the flag is evaluated at all.
    #[arg(long, value_enum, ignore_case = true, conflicts_with = "value")]
    state: Option<State>,
    #[command(flatten)]
    why: Why,
    #[command(flatten)]
    ask: AskArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    #[value(name = "ENABLED")]
    Enabled,
    #[value(name = "DISABLED")]
    Disabled,
}

/// Arguments of `sluice flags on` and `off`.
#[derive(Debug, clap::Args)]
pub(crate) struct SwitchArgs {
    /// Key of the flag.
    #[arg(value_name = "KEY")]
    key: String,
    #[command(flatten)]
    why: Why,
    #[command(flatten)]
    ask: AskArgs,
}

/// Why something is changed.
#[derive(Debug, clap::Args)]
pub(super) struct Why {
    /// Why: it stands in the audit log beside who, when and what.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(super) reason: String,
}

/// Sets a variant, a value or the state.
pub(super) fn set(args: &SetArgs) -> anyhow::Result<ExitCode> {
    let path = format!("/v1/flags/{}", part(&args.key));
    let change = match (&args.value, args.state) {
        (_, Some(State::Enabled)) => json!({"state": "ENABLED"}),
        (_, Some(State::Disabled)) => json!({"state": "DISABLED"}),
        (Some(value), None) => wanted(&args.ask.client()?.get::<Flag>(&path)?, value),
        (None, None) => bail!("give a value, or --state"),
    };
    write(&args.ask, &path, change, &args.why)
}

/// Sets true or false.
pub(super) fn switch(args: &SwitchArgs, on: bool) -> anyhow::Result<ExitCode> {
    write(&args.ask, &format!("/v1/flags/{}", part(&args.key)), json!({ "value": on }), &args.why)
}

fn write(ask: &AskArgs, path: &str, mut change: Value, why: &Why) -> anyhow::Result<ExitCode> {
    change["reason"] = json!(why.reason);
    let told = ask.client()?.put(path, &change)?;
    ask.show(told, |flag: Flag| done(&flag, Paint::stdout()))?;
    Ok(ExitCode::SUCCESS)
}

/// What the text stands for: a variant of that name before a value that reads the same.
fn wanted(flag: &Flag, text: &str) -> Value {
    if flag.variants.contains_key(text) {
        return json!({ "variant": text });
    }
    json!({"value": serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))})
}

fn done(flag: &Flag, paint: Paint) -> String {
    let told = list::one(flag, paint);
    match (flag.targeting, flag.state.as_str()) {
        (true, "ENABLED") => {
            format!("{told}\nIts rule still decides for those whom it chooses; --state DISABLED ends that.")
        }
        _ => told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_variant_first_and_then_json_and_then_text() {
        let flag: Flag = serde_json::from_value(json!({"variants": {"dark": "#000", "1": 2}})).unwrap();
        assert_eq!(wanted(&flag, "dark"), json!({"variant": "dark"}));
        assert_eq!(wanted(&flag, "1"), json!({"variant": "1"}));
        assert_eq!(wanted(&flag, "2"), json!({"value": 2}));
        assert_eq!(wanted(&flag, "#000"), json!({"value": "#000"}));
        assert_eq!(wanted(&flag, "true"), json!({"value": true}));
    }
}
