//! A package of the distribution, by apt-get. Where everything belongs to one user nothing is installed: its program on the
//! PATH is enough, and a clear fault says what to install otherwise.

use async_trait::async_trait;

use super::machine::Machine;
use super::report::{Difference, Fault};
use super::{Converge, program};

/// Nobody is there to answer a question of a package.
const UNATTENDED: [(&str, &str); 1] = [("DEBIAN_FRONTEND", "noninteractive")];
/// A fresh droplet is still updating itself: wait for it, seconds.
const LOCK_WAIT: &str = "DPkg::Lock::Timeout=300";

pub(super) struct Package<'r> {
    pub(super) name: &'r str,
    pub(super) program: &'r str,
}

#[async_trait]
impl Converge for Package<'_> {
    fn shown(&self) -> String {
        format!("package {}", self.name)
    }

    async fn check(&self, machine: &Machine<'_>) -> Result<Option<Difference>, Fault> {
        if machine.sole_user {
            return if program::is_there(self.program) { Ok(None) } else { Err(self.missing()) };
        }
        let output = program::run(&["dpkg-query", "-W", "-f", "${db:Status-Status}", self.name], &[]).await?;
        let installed = output.status == 0 && output.stdout == b"installed" && program::is_there(self.program);
        Ok((!installed).then(|| Difference::create("is not installed")))
    }

    async fn apply(&self, _machine: &Machine<'_>) -> Result<(), Fault> {
        let install = ["apt-get", "-q", "-y", "-o", LOCK_WAIT, "--no-install-recommends", "install", self.name];
        if program::run(&install, &UNATTENDED).await?.status == 0 {
            return Ok(());
        }
        // The lists of a fresh image are missing or old.
        program::succeed(&["apt-get", "-q", "-o", LOCK_WAIT, "update"], &UNATTENDED).await?;
        program::succeed(&install, &UNATTENDED).await.map(drop)
    }
}

impl Package<'_> {
    fn missing(&self) -> Fault {
        Fault::Missing { program: self.program.to_owned(), package: self.name.to_owned() }
    }
}
