//! What a release commit says of itself: where it comes from, which gates it went through, and the seal on that.

use sluice_infra_host::{DeployKey, Sealed};

use crate::short;

const SOURCE: &str = "Source-Commit";
const APP: &str = "Sluice-App";
const GATES: &str = "Sluice-Gates";
const SEAL: &str = "Sluice-Seal";
/// Digits of a commit; SHA-256 repositories are not taken.
const COMMIT_DIGITS: usize = 40;

/// The words of a release commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The app.
    pub app: String,
    /// Source commit.
    pub source: String,
    /// Gates that went well, in order.
    pub gates: Vec<String>,
    /// The seal.
    pub seal: String,
}

/// A commit as git keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its files.
    pub tree: String,
    /// What it stands on.
    pub parents: Vec<String>,
    /// Its words.
    pub message: String,
}

impl Note {
    /// The message of the commit.
    #[must_use]
    pub fn message(&self, subject: &str) -> String {
        let Self { app, source, gates, seal } = self;
        let subject = subject.lines().next().unwrap_or_default();
        format!(
            "Release {app} {}: {subject}\n\n{SOURCE}: {source}\n{APP}: {app}\n{GATES}: {}\n{SEAL}: {seal}\n",
            short(source),
            gates.join(", ")
        )
    }

    /// Reads the last paragraph of a message; `None` if it is no release's.
    #[must_use]
    pub fn parse(message: &str) -> Option<Self> {
        let (_, trailers) = message.trim_end().rsplit_once("\n\n")?;
        let value = |name: &str| {
            let line = trailers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(|value| value.trim().to_owned())
        };
        let source = value(SOURCE).filter(|source| is_commit(source))?;
        let gates = value(GATES).unwrap_or_default();
        let gates = gates.split(", ").filter(|gate| !gate.is_empty()).map(ToOwned::to_owned).collect();
        Some(Self { app: value(APP)?, source, gates, seal: value(SEAL).unwrap_or_default() })
    }

    /// True if `key` sealed this commit for this fleet.
    #[must_use]
    pub fn is_sealed(&self, key: &DeployKey, fleet: &str, commit: &Commit) -> bool {
        let parent = commit.parents.first().map(String::as_str);
        key.is_seal(&Sealed { fleet, app: &self.app, source: &self.source, tree: &commit.tree, parent }, &self.seal)
    }
}

impl Commit {
    /// Reads what `git cat-file commit` prints.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (head, message) = text.split_once("\n\n")?;
        let values =
            |name: &'static str| head.lines().filter_map(move |line| line.strip_prefix(name)).map(ToOwned::to_owned);
        Some(Self { tree: values("tree ").next()?, parents: values("parent ").collect(), message: message.to_owned() })
    }
}

/// True for 40 lower-case hex digits.
#[must_use]
pub fn is_commit(text: &str) -> bool {
    text.len() == COMMIT_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> Note {
        Note {
            app: "meow".into(),
            source: "a".repeat(40),
            gates: vec!["build".into(), "test".into()],
            seal: "5e".into(),
        }
    }

    #[test]
    fn a_message_reads_back() {
        let message = note().message("Teach cats\nand more");
        assert!(message.starts_with("Release meow aaaaaaaaaaaa: Teach cats\n\n"), "{message}");
        assert_eq!(Note::parse(&message), Some(note()));
    }

    #[test]
    fn only_the_last_paragraph_counts() {
        let quoted = format!("{}\nSigned-off-by: x\n", note().message("s"));
        assert_eq!(Note::parse(&quoted), None, "quoted in another commit's message");
        assert_eq!(Note::parse("a subject"), None);
        assert_eq!(Note::parse(&note().message("s").replace(&"a".repeat(40), "../etc")), None);
    }

    #[test]
    fn a_seal_is_for_one_tree_on_one_parent() {
        let key = DeployKey::parse(&"0a".repeat(32)).unwrap();
        let commit = Commit { tree: "t".into(), parents: vec!["p".into()], message: String::new() };
        let Note { app, source, .. } = &note();
        let seal = key.seal(&Sealed { fleet: "f", app, source, tree: "t", parent: Some("p") });
        let note = Note { seal, ..note() };
        assert!(note.is_sealed(&key, "f", &commit));
        assert!(!note.is_sealed(&key, "g", &commit));
        assert!(!note.is_sealed(&key, "f", &Commit { tree: "u".into(), ..commit.clone() }));
        assert!(!note.is_sealed(&key, "f", &Commit { parents: Vec::new(), ..commit }));
    }

    #[test]
    fn a_commit_is_read_as_git_prints_it() {
        let text = "tree 1\nparent 2\nparent 3\nauthor a <a> 1 +0000\n\nsubject\n\nbody\n";
        let commit = Commit::parse(text).unwrap();
        assert_eq!((&*commit.tree, commit.parents.len(), &*commit.message), ("1", 2, "subject\n\nbody\n"));
    }
}
