//! `sluice status`: what a running router says of itself, for people.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::args::StatusArgs;

/// An admin port that takes longer is not well either.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// Asks and prints; the exit code says whether any fault stands.
pub(crate) fn status(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a runtime")?;
    let status = runtime.block_on(ask(args))?;
    let mut out = io::stdout().lock();
    let printed = if args.json { writeln!(out, "{status:#}") } else { print(&mut out, &status) };
    printed.context("print the status")?;
    Ok(if status["state"] == "ok" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn ask(args: &StatusArgs) -> anyhow::Result<Value> {
    let url = format!("{}/v1/status", args.admin.trim_end_matches('/'));
    let client = reqwest::Client::builder().timeout(ANSWER_WAIT).build().context("make an HTTP client")?;
    let mut request = client.get(&url);
    if let Some(token) = &args.token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.with_context(|| format!("ask {url}; is the router running?"))?;
    let code = response.status();
    if !code.is_success() {
        bail!("{url} answered {code}: {}", response.text().await.unwrap_or_default().trim());
    }
    response.json().await.with_context(|| format!("read the answer of {url}"))
}

fn print(out: &mut impl Write, status: &Value) -> io::Result<()> {
    let text = |pointer: &str| match status.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "-".to_owned(),
        Some(other) => other.to_string(),
    };
    writeln!(out, "state     {}", text("/state"))?;
    writeln!(out, "revision  {}", text("/revision"))?;
    writeln!(out, "router    {}, {} workers", text("/router/version"), text("/router/workers"))?;
    let connected = if status.pointer("/store/connected") == Some(&Value::Bool(true)) { "connected" } else { "away" };
    writeln!(out, "store     {}, {connected}", text("/store/kind"))?;
    writeln!(out, "reloads   {} taken, {} refused", text("/reloads/ok"), text("/reloads/refused"))?;
    for fault in status["faults"].as_array().into_iter().flatten() {
        print_fault(out, fault)?;
    }
    Ok(())
}

fn print_fault(out: &mut impl Write, fault: &Value) -> io::Result<()> {
    let text = |name: &str| fault[name].as_str().unwrap_or_default();
    write!(out, "\nfault     {} {}", text("source"), text("subject"))?;
    if let (Some(line), Some(column)) = (fault["line"].as_u64(), fault["column"].as_u64()) {
        write!(out, ":{line}:{column}")?;
    }
    writeln!(out, ": {}", text("message"))?;
    for line in text("excerpt").lines() {
        writeln!(out, "          {line}")?;
    }
    if let Some(hint) = fault["hint"].as_str() {
        writeln!(out, "          hint: {hint}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fault_is_shown_with_its_place_and_hint() {
        let status = json!({
            "state": "degraded", "revision": 3, "router": {"version": "0.1.0", "workers": 2},
            "store": {"kind": "embedded", "connected": true}, "reloads": {"ok": 3, "refused": 1},
            "faults": [{"source": "policy", "subject": "routes.d/a.toml", "message": "unknown key `upstrem`",
                        "line": 4, "column": 1, "excerpt": "    4 | upstrem\n      | ^", "hint": "did you mean `upstream`?"}],
        });
        let mut out = Vec::new();
        print(&mut out, &status).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("state     degraded\nrevision  3\n"), "{text}");
        assert!(text.contains("fault     policy routes.d/a.toml:4:1: unknown key `upstrem`\n"), "{text}");
        assert!(text.contains("          hint: did you mean `upstream`?\n"), "{text}");
    }
}
