//! Redis: on the private address alone, nobody without a password, and each user only what it needs (docs/store.md).

use std::collections::BTreeMap;

use sluice_infra_host::{Content, Resource, ServiceUnit};

use super::{CLOSED, OPEN, STOP_SECONDS, file, folder};
use crate::machine::{FleetFiles, Machine, Needs};

/// Who holds leases.
pub(crate) const APP_USER: &str = "app";
/// Routers, and who watches and scales: both follow the whole store.
pub(crate) const ROUTER_USER: &str = "router";
/// People with `redis-cli`. Its password is the secret of the fleet itself.
const OPERATOR_USER: &str = "operator";
/// The user that Debian's package makes.
const OWNER: &str = "redis";
const CONFIG: &str = "/etc/sluice/redis/redis.conf";
const USERS: &str = "/etc/sluice/redis/users.acl";
const DATA: &str = "/var/lib/sluice/redis";
/// What routers may do; docs/store.md has the list with its reasons.
const ROUTER_COMMANDS: &str = "+hello +ping +client|tracking +time +scan +type +exists +get +getrange +set +incr +del +pexpire \
    +hget +hmget +hset +hsetnx +hgetall +hkeys +hlen +hexists +hdel +hincrby +sadd +srem +sismember +scard +zadd +zrem +zrange \
    +zrangebyscore +xadd +xdel +xrange +xrevrange +xgroup|create +xreadgroup +xautoclaim +xclaim +xack +xpending \
    +eval +evalsha +script|load";
/// What holders of leases may do.
const APP_COMMANDS: &str = "+hello +ping +time +exists +incr +del +hset +hget +hmget +pexpire +sadd +srem +scard +sismember +zadd \
    +zrem +eval +evalsha +script|load";

/// The user that an app's own data belongs to: its keys begin with the app's name.
pub(crate) fn data_user(app: &str) -> String {
    format!("data-{app}")
}

pub(crate) fn redis(fleet: &FleetFiles, machine: &Machine, needs: &mut Needs) {
    // Debian's package starts a Redis of its own on the loopback, without a password: ours is the only one.
    needs.add(Resource::Masked { service: "redis-server".to_owned() });
    needs.add(Resource::Package { name: "redis-server".to_owned(), program: "redis-server".to_owned() });
    needs.add(folder("/etc/sluice/redis", OWNER, 0o750));
    needs.add(folder(DATA, OWNER, 0o750));
    needs.add(file(USERS, Content::Secret(users(fleet)), OWNER, CLOSED));
    needs.add(file(CONFIG, Content::Text(config(fleet, machine)), OWNER, OPEN));
    let config = super::router::below(machine, CONFIG);
    needs.add(Resource::Service(ServiceUnit {
        name: "sluice-redis".to_owned(),
        about: "Sluice: the global store of the fleet".to_owned(),
        exec: vec!["/usr/bin/env".to_owned(), "redis-server".to_owned(), config],
        env: BTreeMap::new(),
        env_file: None,
        folder: Some(DATA.to_owned()),
        user: OWNER.to_owned(),
        restart: true,
        stop_seconds: STOP_SECONDS,
        restart_on: vec![CONFIG.to_owned(), USERS.to_owned()],
    }));
}

fn config(fleet: &FleetFiles, machine: &Machine) -> String {
    let (address, port) = (machine.address, fleet.spec.redis.port);
    let (users, data) = (super::router::below(machine, USERS), super::router::below(machine, DATA));
    format!(
        "# By sluice-infra configure; changes here are undone by the next run.\n\
         bind {address}\nport {port}\nprotected-mode yes\naclfile \"{users}\"\ndir \"{data}\"\ndaemonize no\n\
         # Leases, flags and rollouts outlive a restart; at most the last second is lost.\n\
         appendonly yes\nappendfsync everysec\nsave \"\"\n\
         # Nothing of it may be thrown away for room.\n\
         maxmemory-policy noeviction\ntcp-keepalive 60\n"
    )
}

fn users(fleet: &FleetFiles) -> String {
    let edge = &fleet.spec.fleet;
    let mut lines = vec!["user default off".to_owned()];
    let mut user = |name: &str, rights: &str| {
        lines.push(format!("user {name} on #{} {rights}", fleet.passwords.hash_of(name)));
    };
    user(ROUTER_USER, &format!("~*{{{edge}}}* ~featureFlags {ROUTER_COMMANDS}"));
    let leases = format!("~srv:{{{edge}}}:* ~srv-lease:{{{edge}}} ~{{{edge}}}:srv:index ~{{{edge}}}:epoch");
    user(APP_USER, &format!("{leases} {APP_COMMANDS}"));
    user(OPERATOR_USER, &format!("~*{{{edge}}}* ~featureFlags +@read +@connection +set -@dangerous"));
    for app in &fleet.spec.apps {
        user(&data_user(&app.name), &format!("~{}:* &{}:* +@all -@admin -@dangerous", app.name, app.name));
    }
    lines.join("\n") + "\n"
}
