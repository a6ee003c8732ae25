//! `sluice policy`: the revisions that a router has published, and the way back to one of them.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;
use sluice_control::{Pinned, Revision, RevisionTexts, Unpinned};
use sluice_snapshot::time::rfc3339;

use super::ask::AskArgs;
use crate::terminal::Paint;

/// Digits of a digest that tell the plugins of one edge apart.
const DIGEST_DIGITS: usize = 12;

/// What of the revisions.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// List the revisions that the router keeps, newest first.
    #[command(after_help = "\
Examples:
  sluice policy history
  sluice policy history --json | jq '.[0].summary'")]
    History(AskArgs),
    /// Show a revision: its policy files and the digests of its plugin files.
    #[command(after_help = "\
Examples:
  sluice policy show 12
  sluice policy show 12 --json | jq -r '.sources[].text' > before.toml")]
    Show(RevisionArgs),
    /// Serve what an earlier revision was made of, in place of the files, as a new revision.
    ///
    /// The files are not touched. They count again once their content differs from what it is now, or after
    /// `sluice policy unpin`; a restart changes nothing about it. Refused if that revision no longer builds.
    #[command(after_help = "\
Examples:
  sluice policy rollback 12
  sluice policy rollback 12 && sluice status      says what is pinned, and which files wait")]
    Rollback(RevisionArgs),
    /// Let the files count again after a rollback.
    #[command(after_help = "\
Examples:
  sluice policy unpin")]
    Unpin(AskArgs),
}

/// Arguments of those that name a revision.
#[derive(Debug, clap::Args)]
pub(crate) struct RevisionArgs {
    /// Number of the revision, from `sluice policy history`.
    #[arg(value_name = "REV")]
    revision: u64,
    #[command(flatten)]
    ask: AskArgs,
}

/// Asks and prints.
pub(crate) fn policy(command: &PolicyCommand) -> anyhow::Result<ExitCode> {
    let paint = Paint::stdout();
    match command {
        PolicyCommand::History(args) => {
            let told = args.client()?.get("/v1/policy/revisions")?;
            args.show(told, |revisions: Vec<Revision>| history(&revisions, paint))?;
        }
        PolicyCommand::Show(args) => {
            let told = args.ask.client()?.get(&format!("/v1/policy/revisions/{}", args.revision))?;
            args.ask.show(told, |texts: RevisionTexts| texts_of(&texts, paint))?;
        }
        PolicyCommand::Rollback(args) => {
            let asked = json!({ "revision": args.revision });
            let told = args.ask.client()?.post("/v1/policy/rollback", &asked)?;
            args.ask.show(told, |pinned: Pinned| rolled_back(&pinned, paint))?;
        }
        PolicyCommand::Unpin(args) => {
            let told = args.client()?.post("/v1/policy/unpin", &json!({}))?;
            args.show(told, |unpinned: Unpinned| unpinned_text(unpinned, paint))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn numbers(revision: &Revision) -> String {
    match revision.first_revision {
        first if first == revision.revision => first.to_string(),
        first => format!("{first}-{}", revision.revision),
    }
}

fn history(revisions: &[Revision], paint: Paint) -> String {
    let line = |(index, revision): (usize, &Revision)| {
        let mark = if index == 0 { "*" } else { " " };
        let back = revision.rollback_of.map(|to| format!("back to {to}"));
        let summary: Vec<String> = back.into_iter().chain(revision.summary.iter().cloned()).collect();
        let summary = if summary.is_empty() { "nothing that counts".to_owned() } else { summary.join("; ") };
        let numbers = paint.bold(&format!("{:<9}", numbers(revision)));
        format!("{mark} {numbers} {}  {summary}", rfc3339(revision.published_ms).as_str())
    };
    if revisions.is_empty() {
        return "no revision was published yet".to_owned();
    }
    let lines: Vec<String> = revisions.iter().enumerate().map(line).collect();
    lines.join("\n")
}

fn texts_of(texts: &RevisionTexts, paint: Paint) -> String {
    let revision = &texts.revision;
    let when = rfc3339(revision.published_ms);
    let mut lines = vec![paint.bold(&format!("# revision {} of {}", numbers(revision), when.as_str()))];
    lines.extend(revision.summary.iter().map(|change| paint.dim(&format!("#   {change}"))));
    let digest = |(file, digest): (&String, &String)| {
        let short: String = digest.chars().take(DIGEST_DIGITS).collect();
        paint.dim(&format!("# plugin file {file} {short}"))
    };
    lines.extend(revision.plugins.iter().map(digest));
    for source in &texts.sources {
        lines.push(String::new());
        lines.push(paint.bold(&format!("# {}", source.file)));
        lines.push(source.text.trim_end().to_owned());
    }
    lines.join("\n")
}

fn rolled_back(pinned: &Pinned, paint: Paint) -> String {
    let files = match pinned.differing.as_slice() {
        [] => "The files are not touched".to_owned(),
        differing => format!("The files are not touched; {} differ and do not serve", differing.join(", ")),
    };
    format!(
        "{} what revision {} was made of serves now, as revision {}\n{files}: an edit of them takes over, or \
         `sluice policy unpin`.",
        paint.green("rolled back:"),
        pinned.to,
        pinned.published_as
    )
}

fn unpinned_text(unpinned: Unpinned, paint: Paint) -> String {
    let Unpinned { revision, files_serve } = unpinned;
    if files_serve {
        format!("{} the files serve, as revision {revision}", paint.green("unpinned:"))
    } else {
        format!(
            "{} the files are at fault, so revision {revision} goes on; `sluice status` says what is wrong",
            paint.yellow("unpinned:")
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn revision(first_revision: u64, revision: u64, rollback_of: Option<u64>, summary: &[&str]) -> Revision {
        Revision {
            revision,
            first_revision,
            published_ms: 1_700_000_000_123,
            rollback_of,
            summary: summary.iter().map(|line| (*line).to_owned()).collect(),
            plugins: BTreeMap::new(),
        }
    }

    #[test]
    fn the_history_marks_what_serves_and_says_what_changed() {
        let revisions = [revision(5, 5, Some(1), &["route a: to"]), revision(1, 4, None, &["the first revision"])];
        let expected = "\
* 5         2023-11-14T22:13:20.123Z  back to 1; route a: to
  1-4       2023-11-14T22:13:20.123Z  the first revision";
        assert_eq!(history(&revisions, Paint::none()), expected);
    }

    #[test]
    fn a_rollback_says_what_becomes_of_the_files() {
        let pinned = Pinned { to: 1, published_as: 5, since_ms: 0, differing: vec!["routes.d/app.toml".to_owned()] };
        let told = rolled_back(&pinned, Paint::none());
        assert!(told.contains("as revision 5") && told.contains("routes.d/app.toml differ"), "{told}");
        let told = unpinned_text(Unpinned { revision: 5, files_serve: false }, Paint::none());
        assert!(told.contains("sluice status"), "{told}");
    }
}
