//! How an apply ended: what stands, what did not come to be and what to do about it; and its exit code.

use std::process::ExitCode;

use sluice_infra_plan::{Failure, FaultKind, Outcome};

use crate::context::Context;
use crate::exit;
use crate::plan_text::count;
use crate::print;

/// Says how it ended.
///
/// # Errors
/// If stdout cannot be written.
pub(crate) fn report(context: &Context, outcome: &Outcome) -> anyhow::Result<ExitCode> {
    if context.json() {
        print::line(&serde_json::json!({ "outcome": outcome }))?;
        return Ok(code(outcome));
    }
    let did = [
        (outcome.created.len(), "droplet", "created"),
        (outcome.deleted.len(), "droplet", "deleted"),
        (outcome.firewalls.len(), "firewall", "put or deleted"),
    ];
    let did: Vec<String> = did
        .iter()
        .filter(|(number, ..)| *number > 0)
        .map(|(number, noun, what)| format!("{} {what}", count(*number, noun)))
        .collect();
    if !did.is_empty() {
        context.say(&format!("{}.", did.join(", ")));
    }
    for Failure { subject, action, reason, advice, .. } in &outcome.failures {
        context.say(&format!("FAILED: {subject}: {action}: {reason}\n  what to do: {advice}"));
    }
    Ok(code(outcome))
}

/// Scripts branch on it.
pub(crate) fn code(outcome: &Outcome) -> ExitCode {
    let Some(first) = outcome.failures.first() else { return ExitCode::SUCCESS };
    if outcome.did_something() {
        return exit::PARTIAL.into();
    }
    match first.fault {
        FaultKind::Budget | FaultKind::Quota => exit::QUOTA.into(),
        FaultKind::Away => exit::CLOUD_AWAY.into(),
        FaultKind::Refused | FaultKind::Late | FaultKind::NotServing | FaultKind::Skipped | FaultKind::Ours => {
            ExitCode::FAILURE
        }
    }
}

/// One line for the audit log.
pub(crate) fn in_a_line(outcome: &Outcome) -> String {
    let Outcome { created, deleted, firewalls, failures } = outcome;
    let names = |names: &[String]| if names.is_empty() { String::new() } else { format!(" ({})", names.join(" ")) };
    let created: Vec<String> = created.iter().map(|droplet| droplet.name.clone()).collect();
    let deleted: Vec<String> = deleted.iter().map(ToString::to_string).collect();
    let mut line = format!(
        "{} created{}, {} deleted{}, {} firewalls",
        created.len(),
        names(&created),
        deleted.len(),
        names(&deleted),
        firewalls.len()
    );
    for failure in failures {
        line.push_str("; failed: ");
        line.push_str(&failure.subject);
        line.push_str(": ");
        line.push_str(&failure.reason);
    }
    line
}
