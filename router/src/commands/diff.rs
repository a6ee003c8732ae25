//! `sluice diff`: what two policies differ in, by meaning. Statuses are those of `diff(1)`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use sluice_control::{Comparable, Fault, RevisionTexts};
use sluice_policy::Diff;
use sluice_policy::diff::{Change, FieldChange, ItemChange, OrderChange};

use super::{check, folders, print};
use crate::admin::AdminArgs;
use crate::terminal::Paint;

/// Digits of a digest that tell the plugins of one edge apart.
const DIGEST_DIGITS: usize = 12;

/// Arguments of `sluice diff`.
#[derive(Debug, clap::Args)]
pub(crate) struct DiffArgs {
    /// Before and after; with --live only after [default: the folder you stand in]. Each is a sluice.toml, or the folder
    /// that holds it or its routes.d.
    #[arg(value_name = "DIR", num_args = 0..=2)]
    paths: Vec<PathBuf>,
    /// Compare what a running router serves with a folder: what would change if its files were these.
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    admin: AdminArgs,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Compares and prints; 0 = the same, 1 = they differ.
pub(crate) fn diff(args: &DiffArgs) -> anyhow::Result<ExitCode> {
    let (old, new) = match (args.live, args.paths.as_slice()) {
        (false, [old, new]) => (read(old)?, read(new)?),
        (true, []) => (live(args)?, read(Path::new("."))?),
        (true, [new]) => (live(args)?, read(new)?),
        (false, _) => bail!("name two folders: `sluice diff OLD NEW`, or `sluice diff --live [NEW]`"),
        (true, _) => bail!("with --live name at most one folder: `sluice diff --live [NEW]`"),
    };
    let diff = old.diff(&new);
    if args.json {
        print(&serde_json::to_string_pretty(&diff).context("write the difference")?);
    } else {
        print(&text(&diff, Paint::stdout()));
    }
    Ok(if diff.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(path: &Path) -> anyhow::Result<Comparable> {
    let read = Comparable::of_folders(&folders(path)?);
    read.map_err(|faults| faulty(&format!("{} is at fault", path.display()), &faults))
}

fn live(args: &DiffArgs) -> anyhow::Result<Comparable> {
    let serving: RevisionTexts = args.admin.client()?.get("/v1/policy")?;
    Comparable::of_revision(&serving)
        .map_err(|faults| faulty("this version of sluice reads the router's policy otherwise", &faults))
}

fn faulty(what: &str, faults: &[Fault]) -> anyhow::Error {
    anyhow!("{what}\n\n{}", check::faults(faults, Paint::stdout()).trim_end())
}

/// One line per item, and one per field below it.
pub(crate) fn text(diff: &Diff, paint: Paint) -> String {
    let mut lines: Vec<String> = diff.items.iter().flat_map(|item| item_lines(item, paint)).collect();
    lines.extend(diff.order.iter().map(|order| order_line(order, paint)));
    lines.push(match diff.items.len() + diff.order.len() {
        0 => paint.green("no difference"),
        1 => "1 difference".to_owned(),
        count => format!("{count} differences"),
    });
    lines.join("\n")
}

fn item_lines(item: &ItemChange, paint: Paint) -> Vec<String> {
    let what = format!("{} {}", item.kind, item.name);
    let first = match item.change {
        Change::Added => paint.green(&format!("+ {what}")),
        Change::Removed => paint.red(&format!("- {what}")),
        Change::Changed => paint.yellow(&format!("~ {what}")),
    };
    let mut lines = vec![first];
    lines.extend(item.fields.iter().map(|field| field_line(field, paint)));
    lines
}

fn field_line(field: &FieldChange, paint: Paint) -> String {
    let shown = |value: &Option<String>| match value {
        None => "none".to_owned(),
        Some(digest) if field.field == "digest" => digest.chars().take(DIGEST_DIGITS).collect(),
        Some(value) => value.escape_debug().to_string(),
    };
    format!("    {}: {} -> {}", field.field, paint.red(&shown(&field.old)), paint.green(&shown(&field.new)))
}

fn order_line(order: &OrderChange, paint: Paint) -> String {
    let marked = paint.yellow(&format!("! order of routes for {}", order.matching));
    format!("{marked}: {} -> {} (the first listed wins)", order.old.join(", "), order.new.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_told_with_what_it_was() {
        let field = FieldChange { field: "timeouts.request".to_owned(), old: Some("1m".to_owned()), new: None };
        let item =
            |name: &str, change, fields| ItemChange { kind: "route".to_owned(), name: name.to_owned(), change, fields };
        let order = OrderChange {
            matching: "host *, prefix /".to_owned(),
            old: vec!["a".to_owned(), "b".to_owned()],
            new: vec!["b".to_owned(), "a".to_owned()],
        };
        let diff = Diff {
            items: vec![item("app", Change::Changed, vec![field]), item("new", Change::Added, Vec::new())],
            order: vec![order],
        };
        let expected = "\
~ route app
    timeouts.request: 1m -> none
+ route new
! order of routes for host *, prefix /: a, b -> b, a (the first listed wins)
3 differences";
        assert_eq!(text(&diff, Paint::none()), expected);
        assert_eq!(text(&Diff::default(), Paint::none()), "no difference");
    }
}
