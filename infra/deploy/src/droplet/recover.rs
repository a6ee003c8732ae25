//! What a crash in the middle of a deploy left behind is put right before the next one: the state that was written down,
//! held against the services that run.

use sluice_infra_host::{Releases, Running, ServiceStatus, Standing};

use super::{Droplet, DropletError};
use crate::{Say, short};

/// What is to be done with one release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remedy {
    /// It is the one that serves.
    Keep,
    /// It was never found fit, or is gone: stop and forget it.
    Discard,
    /// It served, and another one does: let it end.
    Retire,
}

impl Droplet {
    /// Puts it right. At most one release serves after this.
    pub(super) async fn recover(&self, say: Say<'_>) -> Result<(), DropletError> {
        self.remove_leftovers()?;
        let releases = self.releases()?;
        let mut live = Vec::new();
        for running in &releases.running {
            live.push(matches!(self.init.status(&running.service).await?, ServiceStatus::Running { .. }));
        }
        let mut retired = Vec::new();
        for (running, remedy) in releases.running.iter().zip(remedies(&releases, &live)) {
            match remedy {
                Remedy::Keep => {}
                Remedy::Discard => {
                    say(&format!("{} was left behind by a deploy that broke off: stopped", short(&running.commit)));
                    self.discard(&running.service).await?;
                }
                Remedy::Retire => retired.push(running.clone()),
            }
        }
        if retired.is_empty() {
            return Ok(());
        }
        say("a deploy broke off in the middle of its switch; it is brought to its end first");
        let services: Vec<String> = retired.iter().map(|running| running.service.clone()).collect();
        self.move_leases(move |releases| {
            let retired = releases.running.iter_mut().filter(|running| services.contains(&running.service));
            retired.for_each(|running| running.standing = Standing::Draining);
        })
        .await?;
        self.retire(&retired, say).await
    }
}

/// What to do with each release; `live` says which of them run. The one that serves is the current one, or the newest; where
/// none runs, the current one is left to the init, which starts it again.
fn remedies(releases: &Releases, live: &[bool]) -> Vec<Remedy> {
    let is_current = |running: &&Running| releases.current.as_ref() == Some(&running.commit);
    let serving = || releases.running.iter().zip(live).filter(|(running, _)| running.standing == Standing::Serving);
    let alive = || serving().filter(|(_, live)| **live).map(|(running, _)| running);
    let dead = || serving().map(|(running, _)| running).find(is_current);
    let kept = alive().find(is_current).or_else(|| alive().next()).or_else(dead).map(|running| &running.service);
    let remedy = |(running, live): (&Running, &bool)| match (running.standing, live) {
        (Standing::Serving, _) if kept == Some(&running.service) => Remedy::Keep,
        (_, false) | (Standing::Starting, true) => Remedy::Discard,
        (Standing::Serving | Standing::Draining, true) => Remedy::Retire,
    };
    releases.running.iter().zip(live).map(remedy).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(commit: &str, standing: Standing) -> Running {
        Running {
            lease: String::new(),
            commit: commit.into(),
            address: String::new(),
            service: format!("{commit}-{standing:?}"),
            standing,
            started_ms: 0,
        }
    }

    fn of(current: Option<&str>, running: &[Running], live: &[bool]) -> Vec<Remedy> {
        let releases =
            Releases { running: running.to_vec(), current: current.map(ToOwned::to_owned), ..Releases::default() };
        remedies(&releases, live)
    }

    #[test]
    fn every_step_that_may_break_off_is_put_right() {
        use Remedy::{Discard, Keep, Retire};
        use Standing::{Draining, Serving, Starting};
        let (old, new) = (running("old", Serving), running("new", Serving));
        assert_eq!(of(Some("old"), &[running("new", Starting), old.clone()], &[true, true]), [Discard, Keep]);
        assert_eq!(of(Some("old"), &[new.clone(), old.clone()], &[true, true]), [Retire, Keep], "leases of both");
        assert_eq!(of(Some("new"), &[new.clone(), running("old", Draining)], &[true, true]), [Keep, Retire]);
        assert_eq!(of(Some("new"), &[new.clone(), running("old", Draining)], &[true, false]), [Keep, Discard]);
        assert_eq!(of(None, std::slice::from_ref(&new), &[true]), [Keep], "the first one");
        let both = [new, old.clone()];
        assert_eq!(of(Some("old"), &both, &[true, false]), [Keep, Discard], "the current one is dead");
        assert_eq!(of(Some("old"), &both, &[false, false]), [Discard, Keep], "the init starts it again");
        assert_eq!(of(Some("old"), &[old], &[false]), [Keep], "likewise");
        assert!(of(Some("old"), &[], &[]).is_empty());
    }
}
