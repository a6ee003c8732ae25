//! `sluice status`: what a running router says of itself, for people.

use std::process::ExitCode;

use serde_json::Value;
use sluice_snapshot::time::rfc3339;

use super::ask::AskArgs;

/// Arguments of `sluice status`.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    ask: AskArgs,
}

/// Asks and prints; the exit code says whether any fault stands.
pub(crate) fn status(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let status: Value = args.ask.client()?.get("/v1/status")?;
    let is_well = status["state"] == "ok";
    args.ask.show(status, |status: Value| text(&status))?;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(status: &Value) -> String {
    let at = |pointer: &str| match status.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "-".to_owned(),
        Some(other) => other.to_string(),
    };
    let connected = if status.pointer("/store/connected") == Some(&Value::Bool(true)) { "connected" } else { "away" };
    let mut lines = vec![
        format!("state     {}", at("/state")),
        format!("revision  {}", at("/revision")),
        format!("router    {}, {} workers", at("/router/version"), at("/router/workers")),
        format!("store     {}, {connected}", at("/store/kind")),
        format!("reloads   {} taken, {} refused", at("/reloads/ok"), at("/reloads/refused")),
    ];
    lines.extend(pinned_line(&status["pinned"]));
    lines.extend(status["faults"].as_array().into_iter().flatten().flat_map(fault_lines));
    lines.join("\n")
}

/// What holds the files back after a rollback.
fn pinned_line(pinned: &Value) -> Option<String> {
    let (to, since_ms) = (pinned["to"].as_u64()?, pinned["since_ms"].as_u64()?);
    let differing: Vec<&str> = pinned["differing"].as_array()?.iter().filter_map(Value::as_str).collect();
    let files = if differing.is_empty() { String::new() } else { format!("; {} differ", differing.join(", ")) };
    let since = rfc3339(since_ms);
    Some(format!("pinned    to revision {to} since {}{files}: edit them, or `sluice policy unpin`", since.as_str()))
}

fn fault_lines(fault: &Value) -> Vec<String> {
    let text = |name: &str| fault[name].as_str().unwrap_or_default();
    let place = match (fault["line"].as_u64(), fault["column"].as_u64()) {
        (Some(line), Some(column)) => format!(":{line}:{column}"),
        _ => String::new(),
    };
    let mut lines =
        vec![String::new(), format!("fault     {} {}{place}: {}", text("source"), text("subject"), text("message"))];
    lines.extend(text("excerpt").lines().map(|line| format!("          {line}")));
    lines.extend(fault["hint"].as_str().map(|hint| format!("          hint: {hint}")));
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_holds_the_files_back_is_shown() {
        let pinned = json!({"to": 3, "published_as": 6, "since_ms": 0, "differing": ["routes.d/a.toml"]});
        let line = pinned_line(&pinned).unwrap();
        assert!(line.contains("to revision 3 since 1970-01-01T00:00:00.000Z; routes.d/a.toml differ"), "{line}");
        assert_eq!(pinned_line(&Value::Null), None);
    }

    #[test]
    fn a_fault_is_shown_with_its_place_and_hint() {
        let status = json!({
            "state": "degraded", "revision": 3, "router": {"version": "0.1.0", "workers": 2},
            "store": {"kind": "embedded", "connected": true}, "reloads": {"ok": 3, "refused": 1},
            "faults": [{"source": "policy", "subject": "routes.d/a.toml", "message": "unknown key `upstrem`",
                        "line": 4, "column": 1, "excerpt": "    4 | upstrem\n      | ^", "hint": "did you mean `upstream`?"}],
        });
        let text = text(&status);
        assert!(text.starts_with("state     degraded\nrevision  3\n"), "{text}");
        assert!(text.contains("fault     policy routes.d/a.toml:4:1: unknown key `upstrem`\n"), "{text}");
        assert!(text.contains("          hint: did you mean `upstream`?"), "{text}");
    }
}
