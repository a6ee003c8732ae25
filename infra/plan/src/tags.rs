//! Names and tags: how a droplet of a cloud is known to be ours, of which pool, and from which operation.
//!
//! DigitalOcean's tags hold letters, digits, `:`, `-` and `_`, at most 255 characters; fleet and pool names are checked
//! to fit where `infra.toml` is read.

use sha2::{Digest as _, Sha256};
use sluice_infra_spec::{Pool, Role};

use crate::state::OperationId;

/// Tag of everything that `sluice-infra` makes, in any fleet.
pub const OURS: &str = "sluice";
/// Random characters at the end of a droplet's name: 30 bits, and a name that is taken is drawn again.
const NAME_SUFFIX_CHARS: usize = 6;
/// Hex digits of the digest of user-data that are kept in a tag: 48 bits tell edits apart.
const DIGEST_HEX: usize = 12;

/// Tag of all droplets of a fleet.
#[must_use]
pub fn fleet(fleet: &str) -> String {
    format!("{OURS}:{fleet}")
}

/// Tag of the droplets of a pool.
#[must_use]
pub fn pool(fleet: &str, pool: &str) -> String {
    format!("{OURS}:{fleet}:pool:{pool}")
}

/// Tag of the droplets with a role.
#[must_use]
pub fn role(fleet: &str, role: Role) -> String {
    format!("{OURS}:{fleet}:role:{}", role.as_str())
}

/// Tag of the one droplet that an operation makes.
#[must_use]
pub fn operation(fleet: &str, operation: &OperationId) -> String {
    format!("{OURS}:{fleet}:op:{operation}")
}

/// Tag that says which user-data a droplet was made with: no cloud tells it afterwards.
#[must_use]
pub fn user_data(fleet: &str, user_data: &str) -> String {
    format!("{OURS}:{fleet}:data:{}", digest(user_data))
}

/// Name of the droplet that an operation makes.
#[must_use]
pub fn droplet_name(fleet: &str, pool: &str, operation: &OperationId) -> String {
    let suffix: String = operation.as_str().chars().take(NAME_SUFFIX_CHARS).collect();
    format!("{fleet}-{pool}-{suffix}")
}

/// Name of a pool's firewall.
#[must_use]
pub fn firewall_name(fleet: &str, pool: &str) -> String {
    format!("{fleet}-{pool}")
}

/// Tags of a new droplet of this pool, but that of its operation: what all droplets of the pool share.
#[must_use]
pub fn of_pool(fleet_name: &str, wanted: &Pool, data: &str) -> Vec<String> {
    let mut tags = vec![OURS.to_owned(), fleet(fleet_name), pool(fleet_name, &wanted.name)];
    tags.extend(wanted.roles.iter().map(|wanted| role(fleet_name, *wanted)));
    tags.push(user_data(fleet_name, data));
    tags
}

/// What follows `sluice:FLEET:KIND:` in one of these tags.
#[must_use]
pub fn value<'t>(tags: &'t [String], fleet_name: &str, kind: &str) -> Option<&'t str> {
    let prefix = format!("{OURS}:{fleet_name}:{kind}:");
    tags.iter().find_map(|tag| tag.strip_prefix(&prefix))
}

/// The short digest of user-data that stands in its tag.
#[must_use]
pub fn digest(user_data: &str) -> String {
    let mut hex: String = Sha256::digest(user_data.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    hex.truncate(DIGEST_HEX);
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_back_and_only_by_its_own_fleet() {
        let id = OperationId::random();
        let tags = vec![fleet("cats"), pool("cats", "app"), operation("cats", &id)];
        assert_eq!(value(&tags, "cats", "pool"), Some("app"));
        assert_eq!(value(&tags, "cats", "op"), Some(id.as_str()));
        assert_eq!(value(&tags, "cat", "pool"), None);
        assert_eq!(value(&tags, "cats", "data"), None);
    }

    #[test]
    fn a_name_is_a_host_name() {
        let name = droplet_name("cats", "app", &OperationId::random());
        assert!(name.starts_with("cats-app-"));
        assert_eq!(name.len(), "cats-app-".len() + NAME_SUFFIX_CHARS);
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
    }

    #[test]
    fn user_data_that_differs_has_another_tag() {
        assert_eq!(user_data("cats", "a"), user_data("cats", "a"));
        assert_ne!(user_data("cats", "a"), user_data("cats", "b"));
        assert_eq!(digest("a").len(), DIGEST_HEX);
    }
}
