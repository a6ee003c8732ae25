//! The machine as a run finds it: where things are, who we are, what this run has changed so far.

use std::collections::BTreeSet;
use std::path::Path;

use super::report::Fault;
use crate::init::Init;
use crate::layout::Layout;

/// The machine.
pub(super) struct Machine<'m> {
    pub(super) layout: &'m Layout,
    pub(super) init: &'m dyn Init,
    /// Paths that this run changed; in a dry run, that it would change.
    pub(super) changed: BTreeSet<String>,
    /// All things belong to one user: we are not root, or this is a local droplet.
    pub(super) sole_user: bool,
}

impl<'m> Machine<'m> {
    pub(super) fn new(layout: &'m Layout, init: &'m dyn Init) -> Self {
        let sole_user = !rustix::process::geteuid().is_root() || layout.root() != Path::new("/");
        Self { layout, init, changed: BTreeSet::new(), sole_user }
    }

    /// True if services are systemd's and the machine is one of its own.
    pub(super) fn is_booted_by_systemd(&self) -> bool {
        self.layout.root() == Path::new("/") && Path::new("/run/systemd/system").is_dir()
    }

    /// User and group id of an owner; `None` where owners do not matter.
    pub(super) fn ids_of(&self, owner: &str) -> Result<Option<(u32, u32)>, Fault> {
        if self.sole_user {
            return Ok(None);
        }
        let passwd = std::fs::read_to_string(self.layout.at("/etc/passwd"));
        let passwd = passwd.map_err(|source| Fault::File { doing: "read /etc/passwd".into(), source })?;
        match ids_in(&passwd, owner) {
            Some(ids) => Ok(Some(ids)),
            None => Err(Fault::NoUser { user: owner.to_owned() }),
        }
    }
}

/// Ids of a user in the text of a passwd(5).
pub(super) fn ids_in(passwd: &str, user: &str) -> Option<(u32, u32)> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(user) {
            return None;
        }
        let (id, group) = (fields.nth(1)?, fields.next()?);
        Some((id.parse().ok()?, group.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_the_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nredis2:x:9:9::/:/bin/sh\nredis:x:104:110::/var/lib/redis:/usr/sbin/nologin\n";
        assert_eq!(ids_in(passwd, "redis"), Some((104, 110)));
        assert_eq!(ids_in(passwd, "red"), None);
        assert_eq!(ids_in("redis:x:no:110", "redis"), None);
    }
}
