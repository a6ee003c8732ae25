//! `sluice flags import FILE`: a document becomes a set, if it is faultless, and if nobody else changed the set meanwhile.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use sluice_control::{FlagChange, document_faults, flag_changes};
use sluice_document::fault::excerpt_at;

use super::change::lines;
use super::part;
use super::set::Why;
use super::told::Flag;
use crate::commands::ask::AskArgs;
use crate::terminal::{Paint, tell};

/// Arguments of `sluice flags import`.
#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// A document of flag definitions (flagd's format).
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Name of the set [default: the file's name without .json].
    #[arg(long, value_name = "NAME")]
    set: Option<String>,
    /// Only show what would change.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    why: Why,
    #[command(flatten)]
    ask: AskArgs,
}

/// What the router says of a set that it wrote.
#[derive(Debug, Deserialize)]
struct Written {
    version: u64,
}

/// What was, or would be, imported.
#[derive(Debug, Serialize, Deserialize)]
struct Outcome {
    set: String,
    /// Version of what was written; `None` = nothing was.
    version: Option<u64>,
    dry_run: bool,
    changes: Vec<FlagChange>,
    warnings: Vec<String>,
}

/// Checks, compares, writes.
pub(super) fn import(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(&args.file).with_context(|| format!("read {}", args.file.display()))?;
    let faults = faults(&args.file, &text, Paint::stdout());
    if !faults.is_empty() {
        tell(&mut std::io::stderr(), &faults);
        return Ok(ExitCode::FAILURE);
    }
    let set = match &args.set {
        Some(set) => set.clone(),
        None => stem(&args.file)?,
    };
    let client = args.ask.client()?;
    let path = format!("/v1/flagsets/{}", part(&set));
    let before = client.document(&path)?;
    let changes = flag_changes(before.as_ref().map(|document| &*document.text), Some(&text));
    let warnings = shadowed(&client.get::<Vec<Flag>>("/v1/flags")?, &set, &text);
    let is_same = before.as_ref().is_some_and(|document| document.text == text);
    let version = if args.dry_run || is_same {
        None
    } else {
        let path = format!("{path}?reason={}", part(&args.why.reason));
        let tag = before.as_ref().map(|document| document.tag.as_str());
        Some(client.put_document::<Written>(&path, text, tag)?.version)
    };
    let outcome = Outcome { set, version, dry_run: args.dry_run, changes, warnings };
    args.ask.show(serde_json::to_value(outcome)?, |outcome: Outcome| told(&outcome, Paint::stdout()))?;
    Ok(ExitCode::SUCCESS)
}

/// Everything that is wrong with a document, as a compiler shows it; empty = nothing.
fn faults(file: &Path, text: &str, paint: Paint) -> String {
    let faults = document_faults(text);
    let shown = faults.iter().map(|fault| {
        let place = format!("{}:{}:{}: {}", file.display(), fault.line, fault.column, fault.message);
        let path = if fault.path.is_empty() { String::new() } else { format!("\n      = at {}", fault.path) };
        let hint = fault.hint.as_ref().map(|hint| format!("\n      = hint: {hint}")).unwrap_or_default();
        format!("{}\n{}{path}{hint}", paint.bold(&place), excerpt_at(text, fault.line, fault.column))
    });
    shown.collect::<Vec<_>>().join("\n\n")
}

fn stem(file: &Path) -> anyhow::Result<String> {
    match file.file_stem().and_then(|stem| stem.to_str()) {
        Some(stem) => Ok(stem.to_owned()),
        None => bail!("{} has no name that a set can have: give one with --set", file.display()),
    }
}

/// Flags of the document that will not count, because a switch or another set has the same key.
fn shadowed(known: &[Flag], set: &str, text: &str) -> Vec<String> {
    let document: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let is_defined = |flag: &&Flag| document["flags"].get(&flag.name).is_some();
    let warning = |flag: &Flag| match &flag.set {
        None => Some(format!(
            "`{}` is a switch, a raw key of the store: the switch counts, this definition does not",
            flag.name
        )),
        Some(other) if other.as_str() < set => Some(format!(
            "`{}` is defined in the set `{other}` too: that one counts, this definition does not",
            flag.name
        )),
        Some(_) => None,
    };
    known.iter().filter(is_defined).filter_map(warning).collect()
}

fn told(outcome: &Outcome, paint: Paint) -> String {
    let mut text = lines(&outcome.changes, paint);
    text.extend(outcome.warnings.iter().map(|warning| format!("{}: {warning}", paint.yellow("warning"))));
    let set = &outcome.set;
    text.push(match (outcome.version, outcome.dry_run, outcome.changes.len()) {
        (Some(version), _, 0) => {
            format!("{}: set {set} has version {version}; no flag changed", paint.green("imported"))
        }
        (Some(version), _, count) => {
            format!("{}: set {set} has version {version}, {}", paint.green("imported"), flags(count))
        }
        (None, _, 0) => format!("nothing changes in set {set}"),
        (None, true, count) => format!("{}: {} of set {set} would change", paint.yellow("dry run"), flags(count)),
        (None, false, count) => format!("nothing was written: {} of set {set}", flags(count)),
    });
    text.join("\n")
}

fn flags(count: usize) -> String {
    if count == 1 { "1 change".to_owned() } else { format!("{count} changes") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fault_is_shown_with_its_line_and_place() {
        let text = "{\n  \"flags\": {\n    \"a\": {\"state\": \"ON\", \"variants\": {\"on\": true}}\n  }\n}\n";
        let shown = faults(Path::new("shop.json"), text, Paint::none());
        assert!(shown.starts_with("shop.json:3:"), "{shown}");
        assert!(
            shown.contains("    3 |     \"a\": {\"state\": \"ON\"") && shown.contains("= at flags.a.state"),
            "{shown}"
        );
        assert_eq!(faults(Path::new("x"), "{\"flags\": {}}", Paint::none()), "");
    }

    #[test]
    fn what_will_not_count_is_told_before_it_is_written() {
        let known: Vec<Flag> = serde_json::from_value(json!([
            {"name": "featureFlags"}, {"name": "both", "set": "a"}, {"name": "later", "set": "z"}, {"name": "other", "set": "a"}
        ]))
        .unwrap();
        let text = r#"{"flags": {"featureFlags": {}, "both": {}, "later": {}}}"#;
        let warnings = shadowed(&known, "shop", text);
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].contains("is a switch") && warnings[1].contains("set `a`"), "{warnings:?}");
    }
}
