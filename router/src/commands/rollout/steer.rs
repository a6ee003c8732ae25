//! `sluice rollout start | pause | resume | promote | abort | advance | set`: an operator steers. The router answers once it
//! acts on it, with how the rollout stands then.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use super::page::standing;
use super::told::Told;
use crate::admin::AdminClient;
use crate::commands::ask::AskArgs;
use crate::terminal::Paint;

/// Arguments of most verbs.
#[derive(Debug, clap::Args)]
pub(crate) struct SteerArgs {
    /// Name of the rollout, from `sluice rollout status`.
    #[arg(value_name = "NAME")]
    name: String,
    /// Why, for the history.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    ask: AskArgs,
}

/// Arguments of `sluice rollout start`.
#[derive(Debug, clap::Args)]
pub(crate) struct StartArgs {
    #[command(flatten)]
    steer: SteerArgs,
    /// What is rolled out, for status and history.
    #[arg(long, value_name = "NAME")]
    release: Option<String>,
}

/// Arguments of `sluice rollout resume`.
#[derive(Debug, clap::Args)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    steer: SteerArgs,
    /// From the first step of the plan, not where it was.
    #[arg(long)]
    from_start: bool,
}

/// Arguments of `sluice rollout set`.
#[derive(Debug, clap::Args)]
pub(crate) struct SetArgs {
    #[command(flatten)]
    steer: SteerArgs,
    /// Percent of the canary, or VARIANT=PERCENT for one or more variants; stable has what they leave.
    #[arg(value_name = "WEIGHT", required = true)]
    weights: Vec<String>,
}

pub(crate) fn start(args: &StartArgs) -> anyhow::Result<ExitCode> {
    let more = args.release.as_ref().map(|release| ("release", json!(release)));
    verb(&args.steer, "start", more)
}

pub(crate) fn pause(args: &SteerArgs) -> anyhow::Result<ExitCode> {
    verb(args, "pause", None)
}

pub(crate) fn resume(args: &ResumeArgs) -> anyhow::Result<ExitCode> {
    verb(&args.steer, "resume", args.from_start.then_some(("from_start", json!(true))))
}

pub(crate) fn promote(args: &SteerArgs) -> anyhow::Result<ExitCode> {
    verb(args, "promote", None)
}

pub(crate) fn abort(args: &SteerArgs) -> anyhow::Result<ExitCode> {
    verb(args, "abort", None)
}

pub(crate) fn advance(args: &SteerArgs) -> anyhow::Result<ExitCode> {
    verb(args, "advance", None)
}

pub(crate) fn set(args: &SetArgs) -> anyhow::Result<ExitCode> {
    let wanted = weights(&args.weights)?;
    steer(&args.steer, Some(wanted), |client, path, asked| client.put(path, asked))
}

fn verb(args: &SteerArgs, verb: &str, more: Option<(&str, Value)>) -> anyhow::Result<ExitCode> {
    steer(args, more, |client, path, asked| client.post(&format!("{path}/{verb}"), asked))
}

fn steer(
    args: &SteerArgs,
    more: Option<(&str, Value)>,
    send: impl FnOnce(&AdminClient, &str, &Value) -> anyhow::Result<Value>,
) -> anyhow::Result<ExitCode> {
    let mut asked = Map::new();
    asked.extend(more.map(|(key, value)| (key.to_owned(), value)));
    asked.extend(args.reason.as_ref().map(|reason| ("reason".to_owned(), json!(reason))));
    let told = send(&args.ask.client()?, &format!("/v1/rollouts/{}", args.name), &asked.into());
    let told = told.with_context(|| format!("steer rollout `{}`", args.name));
    let told = told.map_err(|error| hinted(error, &args.name))?;
    args.ask.show(told, |rollout: Told| standing(&rollout, Paint::stdout()))?;
    Ok(ExitCode::SUCCESS)
}

/// What to type where the router says what to do.
fn hinted(error: anyhow::Error, name: &str) -> anyhow::Error {
    let told = format!("{error:#}");
    let hints = [
        (
            "resume it from the start",
            format!("sluice rollout pause {name} && sluice rollout resume {name} --from-start"),
        ),
        ("resume it", format!("sluice rollout resume {name}")),
        ("start it", format!("sluice rollout start {name}")),
        ("promote it", format!("sluice rollout promote {name}")),
        ("pause it", format!("sluice rollout pause {name}")),
        ("no policy declares", "sluice rollout status".to_owned()),
    ];
    match hints.into_iter().find(|(says, _)| told.contains(says)) {
        Some((_, command)) => anyhow::anyhow!("{told}\n  hint: `{command}`"),
        None => error,
    }
}

/// `25`, or `canary=5 beta=5`, as the admin port takes it.
fn weights(given: &[String]) -> anyhow::Result<(&'static str, Value)> {
    let percent = |text: &str| -> anyhow::Result<f64> {
        let number = text.trim_end_matches('%').trim_end();
        number.parse().with_context(|| format!("`{text}` is no weight in percent, such as 25 or 0.5"))
    };
    if let [one] = given
        && !one.contains('=')
    {
        return Ok(("weight", json!(percent(one)?)));
    }
    let mut weights = Map::new();
    for pair in given {
        let Some((variant, weight)) = pair.split_once('=') else {
            bail!("`{pair}` is no VARIANT=PERCENT; one weight alone is that of the canary");
        };
        if weights.insert(variant.to_owned(), json!(percent(weight)?)).is_some() {
            bail!("`{variant}` has two weights");
        }
    }
    Ok(("weights", weights.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(weights: &[&str]) -> anyhow::Result<(&'static str, Value)> {
        super::weights(&weights.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn weights_are_that_of_the_canary_or_of_named_variants() {
        assert_eq!(given(&["25"]).unwrap(), ("weight", json!(25.0)));
        assert_eq!(given(&["0.5%"]).unwrap(), ("weight", json!(0.5)));
        assert_eq!(given(&["canary=5", "beta=5"]).unwrap(), ("weights", json!({"canary": 5.0, "beta": 5.0})));
        for (wrong, says) in [
            (&["x"][..], "no weight"),
            (&["5", "6"], "VARIANT=PERCENT"),
            (&["canary=5", "canary=6"], "two weights"),
            (&["canary=a"], "no weight"),
        ] {
            assert!(given(wrong).unwrap_err().to_string().contains(says), "{wrong:?}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_type() {
        let error =
            hinted(anyhow::anyhow!("409: the rollout is aborted and refuses `set weight`: resume it first"), "demo");
        assert!(error.to_string().ends_with("hint: `sluice rollout resume demo`"), "{error}");
        assert_eq!(hinted(anyhow::anyhow!("else"), "demo").to_string(), "else");
    }
}
