//! Back to a release that is still here: started again from its folder, and switched to like any other.

use super::{Droplet, DropletError};
use crate::{Say, short};

/// Fewest digits that name a release.
const DIGITS_MIN: usize = 4;

impl Droplet {
    /// Makes an earlier release serve: the one before, or the one whose source commit begins with `wanted`.
    ///
    /// # Errors
    /// [`DropletError::NoRelease`], or why it does not serve; the one that does serves on.
    pub async fn roll_back(&self, wanted: Option<&str>, say: Say<'_>) -> Result<String, DropletError> {
        let commit = choose(wanted, self.releases()?.previous.as_deref(), &self.unpacked()?)?;
        let _turn = self.take_turn(&commit)?;
        self.recover(say).await?;
        if self.serves(&commit).await? {
            say(&format!("{} serves already", short(&commit)));
            return Ok(commit);
        }
        let folder = self.layout.releases(&self.app.name).join(&commit);
        let outcome = self.switch_to(&commit, &folder, say).await;
        self.keep_outcome(&commit, outcome).await?;
        Ok(commit)
    }
}

fn choose(wanted: Option<&str>, previous: Option<&str>, here: &[String]) -> Result<String, DropletError> {
    let no = |reason: String| Err(DropletError::NoRelease(reason));
    let listed = || here.iter().map(|commit| short(commit)).collect::<Vec<_>>().join(", ");
    let Some(prefix) = wanted.or(previous) else {
        return no("there is no release before this one".to_owned());
    };
    if prefix.len() < DIGITS_MIN {
        return no(format!("`{prefix}` is too short: {DIGITS_MIN} digits name a release"));
    }
    let found: Vec<&String> = here.iter().filter(|commit| commit.starts_with(prefix)).collect();
    match found.as_slice() {
        [commit] => Ok((*commit).clone()),
        [] => no(format!("{} is not here any more; these are: {}", short(prefix), listed())),
        _several => no(format!("`{prefix}` begins several releases: {}", listed())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_before_or_the_one_that_is_named() {
        let here = ["aaaa1".repeat(8), "aaaa2".repeat(8), "bbbb1".repeat(8)];
        assert_eq!(choose(None, Some(&here[1]), &here).unwrap(), here[1]);
        assert_eq!(choose(Some("bbbb"), Some(&here[1]), &here).unwrap(), here[2]);
        for (wanted, previous, says) in [
            (None, None, "no release before"),
            (Some("bbb"), None, "too short"),
            (Some("aaaa"), None, "begins several"),
            (Some("cccc"), None, "not here any more; these are: aaaa1aaaa1aa"),
        ] {
            let error = choose(wanted, previous, &here).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
