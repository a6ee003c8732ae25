//! `sluice rollout override NAME VARIANT`: a signed token, and how it is used.

use std::process::ExitCode;

use serde_json::json;
use sluice_snapshot::time::rfc3339;

use super::told::Signed;
use crate::commands::ask::AskArgs;
use crate::terminal::Paint;

/// Arguments of `sluice rollout override`.
#[derive(Debug, clap::Args)]
pub(crate) struct OverrideArgs {
    /// Name of the rollout.
    #[arg(value_name = "NAME")]
    name: String,
    /// The variant that serves whoever holds the token.
    #[arg(value_name = "VARIANT")]
    variant: String,
    /// How long it counts, e.g. 30m or 2h; at most 720h.
    #[arg(long = "for", value_name = "TIME", default_value = "1h")]
    lasts: String,
    #[command(flatten)]
    ask: AskArgs,
}

/// Asks and prints.
pub(crate) fn sign(args: &OverrideArgs) -> anyhow::Result<ExitCode> {
    let asked = json!({"variant": args.variant, "for": args.lasts});
    let told = args.ask.client()?.post(&format!("/v1/rollouts/{}/override", args.name), &asked)?;
    args.ask.show(told, |signed: Signed| text(&signed, args, Paint::stdout()))?;
    Ok(ExitCode::SUCCESS)
}

fn text(signed: &Signed, args: &OverrideArgs, paint: Paint) -> String {
    let until = rfc3339(signed.expires_s.saturating_mul(1_000));
    let mut lines = vec![
        paint.bold(&signed.token),
        format!("whoever sends it is served by `{}` of `{}` until {}", args.variant, args.name, until.as_str()),
    ];
    lines.extend(signed.usage.iter().map(|usage| format!("  {usage}")));
    lines.join("\n")
}
