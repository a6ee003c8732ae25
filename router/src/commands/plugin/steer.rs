//! `sluice plugin rollback | promote | abort | release`: an operator decides which digest of a plugin serves. The router
//! answers once it acts on it, with how the plugin stands then.

use std::process::ExitCode;

use serde_json::{Value, json};
use sluice_snapshot::time::unix_ms;

use super::show::NameArgs;
use super::told::{Told, short};
use crate::human::span;
use crate::terminal::Paint;

/// Arguments of `sluice plugin rollback`.
#[derive(Debug, clap::Args)]
pub(crate) struct RollbackArgs {
    #[command(flatten)]
    of: NameArgs,
    /// Digest to go back to, or as many of its first digits as tell it apart [default: the one that served before].
    #[arg(value_name = "DIGEST")]
    digest: Option<String>,
}

/// Puts an earlier digest in the place of the one that serves.
pub(crate) fn rollback(args: &RollbackArgs) -> anyhow::Result<ExitCode> {
    let asked = args.digest.as_ref().map_or_else(|| json!({}), |digest| json!({ "digest": digest }));
    steer(&args.of, "rollback", &asked, |plugin, paint| {
        format!("{} {}{}", paint.green("rolled back:"), serves(plugin), held(plugin))
    })
}

/// Lets the new digest of a trial serve.
pub(crate) fn promote(args: &NameArgs) -> anyhow::Result<ExitCode> {
    steer(args, "promote", &json!({}), |plugin, paint| {
        format!("{} {}{}", paint.green("promoted:"), serves(plugin), watched(plugin))
    })
}

/// Ends a trial; the new digest does not serve.
pub(crate) fn abort(args: &NameArgs) -> anyhow::Result<ExitCode> {
    steer(args, "abort", &json!({}), |plugin, paint| {
        format!("{} the trial is over, {}{}", paint.green("aborted:"), serves(plugin), held(plugin))
    })
}

/// Lets the digest in the folder try again.
pub(crate) fn release(args: &NameArgs) -> anyhow::Result<ExitCode> {
    steer(args, "release", &json!({}), |plugin, paint| {
        let standing = match (&plugin.trial, &plugin.fault) {
            (Some(trial), _) => format!("the trial of {} begins anew", short(&trial.digest)),
            (None, Some(fault)) => format!("{}, but the file in the folder is refused: {fault}", serves(plugin)),
            (None, None) => serves(plugin) + &watched(plugin),
        };
        format!("{} {standing}", paint.green("released:"))
    })
}

fn steer(
    args: &NameArgs,
    verb: &str,
    asked: &Value,
    text: impl FnOnce(&Told, Paint) -> String,
) -> anyhow::Result<ExitCode> {
    let told = args.ask.client()?.post(&format!("/v1/plugins/{}/{verb}", args.name), asked)?;
    args.ask.show(told, |plugin: Told| text(&plugin, Paint::stdout()))?;
    Ok(ExitCode::SUCCESS)
}

fn serves(plugin: &Told) -> String {
    match &plugin.digest {
        Some(digest) => format!("{} of `{}` serves", short(digest), plugin.name),
        None => format!("`{}` does not serve", plugin.name),
    }
}

/// What is kept away, and how it gets back.
fn held(plugin: &Told) -> String {
    let Some(held) = &plugin.held else { return String::new() };
    format!(
        "\n{} in {} is held back: `sluice plugin release {}` lets it try again; another file in its place does too.",
        short(&held.digest),
        plugin.file,
        plugin.name
    )
}

/// For how long a way back is open without anybody's doing.
fn watched(plugin: &Told) -> String {
    let Some(watch) = &plugin.watch else { return String::new() };
    format!(
        "\nIt is watched for {}: over its budget, {} comes back by itself; `sluice plugin rollback {}` brings it back at \
         once.",
        span(watch.ends_ms.saturating_sub(unix_ms())),
        short(&watch.digest_before),
        plugin.name
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_says_what_serves_and_what_to_do_about_the_rest() {
        let told = json!({
            "name": "canary", "file": "canary.wasm", "state": "active", "digest": "0123456789abcdef",
            "held": {"digest": "fedcba9876543210", "reason": "rolled back by admin"},
        });
        let plugin: Told = serde_json::from_value(told).unwrap();
        assert_eq!(serves(&plugin), "0123456789ab of `canary` serves");
        let told = held(&plugin);
        assert!(
            told.contains("fedcba987654 in canary.wasm") && told.contains("sluice plugin release canary"),
            "{told}"
        );
        assert_eq!(watched(&plugin), "");
    }
}
