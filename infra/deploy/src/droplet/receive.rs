//! `pre-receive`: may this push come in? Whatever is refused here leaves no trace: git drops what it had taken.

use super::turn::{Busy, Turn};
use super::{Droplet, DropletError, file, tree, unpack};
use crate::git::Git;
use crate::note::{Commit, Note};
use crate::{RELEASE_REF, short};

/// Most of what git says to a hook on its standard input: one line is taken.
const UPDATES_BYTES_MAX: usize = 4 * 1024;

/// Why a push is not taken. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It names something else.
    #[error("only {RELEASE_REF} is taken here, one push at a time; `sluice-infra deploy run` does it right")]
    Reference,
    /// It removes the branch.
    #[error("{RELEASE_REF} is not removed")]
    Removal,
    /// It is no fast-forward.
    #[error(
        "force push: {new} does not stand on {old}, which is here; run `sluice-infra deploy run` again: it begins with what \
         droplets have"
    )]
    Force {
        /// What is here.
        old: String,
        /// What is pushed.
        new: String,
    },
    /// It is no release commit.
    #[error("{commit} is no release: it lacks `Source-Commit`; `sluice-infra deploy run` makes one after the gates")]
    NoRelease {
        /// Which commit.
        commit: String,
    },
    /// It is of another app.
    #[error("{commit} is a release of `{found}`; `{app}` runs here")]
    OtherApp {
        /// Which commit.
        commit: String,
        /// Of which app.
        found: String,
        /// What runs here.
        app: String,
    },
    /// Nobody says that its gates went well.
    #[error("{commit} has no valid seal: its gates did not go well, or it was changed since, or another fleet made it")]
    Seal {
        /// Which commit.
        commit: String,
    },
    /// We cannot tell.
    #[error("this droplet has no deploy key, so it can take no release; `sluice-infra configure` brings it")]
    NoKey,
    /// The machine is about to leave.
    #[error("this droplet is draining; `sluice-infra agent undrain` on it, or deploy to others")]
    Draining,
    /// Its files may not lie here.
    #[error("its files are not taken")]
    Tree(#[from] tree::TreeFault),
    /// There is no room.
    #[error("the disk has {free_mib} MiB left, and the release needs {needed_mib}")]
    Space {
        /// What is free.
        free_mib: u64,
        /// What is needed, with a margin.
        needed_mib: u64,
    },
}

/// A release commit that was looked at.
#[derive(Clone, Debug)]
pub(super) struct Release {
    /// The release commit.
    pub(super) commit: String,
    /// Its files.
    pub(super) tree: String,
    /// The source commit: its name on this machine.
    pub(super) source: String,
}

/// One line of what git tells a hook: old, new, name.
pub(super) struct Update {
    pub(super) old: Option<String>,
    pub(super) new: String,
}

impl Update {
    /// Reads the one line that is taken.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let mut lines = text.lines();
        let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
        let ([old, new, RELEASE_REF], None) = (words.as_slice(), lines.next()) else { return Err(Refusal::Reference) };
        let is_none = |id: &str| id.bytes().all(|digit| digit == b'0');
        if is_none(new) {
            return Err(Refusal::Removal);
        }
        Ok(Self { old: (!is_none(old)).then(|| (*old).to_owned()), new: (*new).to_owned() })
    }
}

impl Droplet {
    /// Whether what git tells its pre-receive hook on `updates` may come in. If so, the turn is ours until the push ends.
    ///
    /// # Errors
    /// [`DropletError::Refused`], [`DropletError::Busy`], or whatever keeps us from telling.
    pub async fn receive(&self, updates: &str) -> Result<(), DropletError> {
        let text = updates.get(..UPDATES_BYTES_MAX).unwrap_or(updates);
        let update = Update::parse(text)?;
        let git = self.repository().in_quarantine();
        if let Some(old) = &update.old
            && !git.says_yes(&["merge-base", "--is-ancestor", old, &update.new]).await?
        {
            let (old, new) = (short(old).to_owned(), short(&update.new).to_owned());
            return Err(Refusal::Force { old, new }.into());
        }
        let release = self.sealed(&git, &update.new).await?;
        if self.releases()?.draining {
            return Err(Refusal::Draining.into());
        }
        let turn = self.take_turn(&release.source)?;
        let files = tree::examine(&git, &release.tree).await?;
        unpack::check_space(&self.layout.releases(&self.app.name), &files)?;
        turn.pass_on();
        Ok(())
    }

    /// A release commit that may run here.
    pub(super) async fn sealed(&self, git: &Git, commit: &str) -> Result<Release, DropletError> {
        let key = self.key.as_ref().ok_or(Refusal::NoKey)?;
        let shown = || short(commit).to_owned();
        let text = git.text(&["cat-file", "commit", commit]).await?;
        let parsed = Commit::parse(&text).filter(|commit| commit.parents.len() < 2);
        let parsed = parsed.ok_or_else(|| Refusal::NoRelease { commit: shown() })?;
        let note = Note::parse(&parsed.message).ok_or_else(|| Refusal::NoRelease { commit: shown() })?;
        if note.app != self.app.name {
            let (found, app) = (note.app, self.app.name.clone());
            return Err(Refusal::OtherApp { commit: shown(), found, app }.into());
        }
        if !note.is_sealed(key, &self.config.fleet, &parsed) {
            return Err(Refusal::Seal { commit: shown() }.into());
        }
        Ok(Release { commit: commit.to_owned(), tree: parsed.tree, source: note.source })
    }

    pub(super) fn take_turn(&self, source: &str) -> Result<Turn, DropletError> {
        // What sshd says of who connected: `ADDRESS PORT ADDRESS PORT` (sshd(8)).
        let from = std::env::var("SSH_CONNECTION").unwrap_or_default();
        let from = from.split(' ').next().filter(|from| !from.is_empty()).unwrap_or("this machine").to_owned();
        let who = format!("release {} from {from}", short(source));
        let turn: Result<Turn, Busy> =
            Turn::take(&self.layout, &self.app.name, &who).map_err(|source| file("take the turn to deploy", source))?;
        Ok(turn?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_update_of_the_one_branch_is_taken() {
        let (zero, one, two) = ("0".repeat(40), "1".repeat(40), "2".repeat(40));
        let update = Update::parse(&format!("{one} {two} {RELEASE_REF}\n")).unwrap();
        assert_eq!((update.old, update.new), (Some(one.clone()), two.clone()));
        assert_eq!(Update::parse(&format!("{zero} {two} {RELEASE_REF}\n")).unwrap().old, None);
        let removal = Update::parse(&format!("{one} {zero} {RELEASE_REF}\n"));
        assert!(matches!(removal, Err(Refusal::Removal)));
        let line = format!("{one} {two} {RELEASE_REF}\n");
        for other in ["", "\n", &format!("{one} {two} refs/heads/main\n"), &line.repeat(2), "a b"] {
            assert!(matches!(Update::parse(other), Err(Refusal::Reference)), "{other}");
        }
    }
}
