//! A service that a package brings and that must not run: masked, so that neither the package's installation nor a boot starts
//! it. Best wanted before the package. Where systemd did not boot the machine, packages start nothing.

use async_trait::async_trait;

use super::machine::Machine;
use super::report::{Difference, Fault};
use super::{Converge, program};

pub(super) struct Masked<'r> {
    pub(super) service: &'r str,
}

#[async_trait]
impl Converge for Masked<'_> {
    fn shown(&self) -> String {
        format!("masked service {}", self.service)
    }

    async fn check(&self, machine: &Machine<'_>) -> Result<Option<Difference>, Fault> {
        if !machine.is_booted_by_systemd() {
            return Ok(None);
        }
        let unit = self.unit();
        let shown = program::succeed(&["systemctl", "show", &unit, "--property=LoadState,ActiveState"], &[]).await?;
        Ok(differs(&shown).map(Difference::change))
    }

    async fn apply(&self, _machine: &Machine<'_>) -> Result<(), Fault> {
        let unit = self.unit();
        // A unit that is not there yet can be masked, and not be stopped.
        program::succeed(&["systemctl", "mask", "--quiet", &unit], &[]).await?;
        if program::run(&["systemctl", "is-active", "--quiet", &unit], &[]).await?.status == 0 {
            program::succeed(&["systemctl", "stop", &unit], &[]).await?;
        }
        Ok(())
    }
}

impl Masked<'_> {
    fn unit(&self) -> String {
        format!("{}.service", self.service)
    }
}

/// What is not as wanted, by what `systemctl show` prints.
fn differs(shown: &str) -> Option<&'static str> {
    let is = |property: &str| shown.lines().any(|line| line == property);
    if !is("ActiveState=inactive") && !is("ActiveState=failed") {
        Some("runs")
    } else if !is("LoadState=masked") {
        Some("may be started")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_that_neither_runs_nor_may_is_as_wanted() {
        assert_eq!(differs("LoadState=masked\nActiveState=inactive\n"), None);
        assert_eq!(differs("LoadState=masked\nActiveState=failed\n"), None);
        assert_eq!(differs("LoadState=masked\nActiveState=active\n"), Some("runs"));
        assert_eq!(differs("LoadState=loaded\nActiveState=active\n"), Some("runs"));
        assert_eq!(differs("LoadState=loaded\nActiveState=inactive\n"), Some("may be started"));
        // Before its package is there.
        assert_eq!(differs("LoadState=not-found\nActiveState=inactive\n"), Some("may be started"));
        assert_eq!(differs(""), Some("runs"), "what is not understood is not as wanted");
    }
}
