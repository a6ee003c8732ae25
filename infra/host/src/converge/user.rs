//! A system user, who owns what a service needs and cannot log in.

use async_trait::async_trait;

use super::machine::{Machine, ids_in};
use super::report::{Difference, Fault};
use super::{Converge, program};

pub(super) struct User<'r> {
    pub(super) name: &'r str,
    pub(super) home: &'r str,
}

#[async_trait]
impl Converge for User<'_> {
    fn shown(&self) -> String {
        format!("user {}", self.name)
    }

    async fn check(&self, machine: &Machine<'_>) -> Result<Option<Difference>, Fault> {
        if machine.sole_user {
            return Ok(None);
        }
        let passwd = std::fs::read_to_string("/etc/passwd");
        let passwd = passwd.map_err(|source| Fault::File { doing: "read /etc/passwd".into(), source })?;
        Ok(ids_in(&passwd, self.name).is_none().then(|| Difference::create("does not exist")))
    }

    async fn apply(&self, _machine: &Machine<'_>) -> Result<(), Fault> {
        let words = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"];
        program::succeed(&[&words[..], &["--home-dir", self.home, self.name]].concat(), &[]).await.map(drop)
    }
}
