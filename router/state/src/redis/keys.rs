//! Names of the keys in Redis. All but the switches share the hash tag `{edge}`, so that scripts work in a Cluster.
//!
//! What routers are told of by push begins with `{edge}:`; what changes often is named `x:{edge}`, outside of it.

use std::sync::Arc;

use tokio::sync::watch;

use crate::names::{FLAGS_COUNTER, is_flag_set};

/// Names of switches; shared, for they are looked at often and changed seldom.
pub(super) type Names = Arc<[String]>;

/// Builds key names for one edge, and reads them back.
#[derive(Debug)]
pub(super) struct Keys {
    edge: String,
    switches: watch::Sender<Names>,
}

/// Something to read anew.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// The switch of this name.
    Switch(String),
    /// The rollout of this name.
    Rollout(String),
    /// The flag definitions of this set.
    Flags(String),
    /// The silences.
    Silences,
    /// Members or draining: all servers.
    Servers,
    /// Some scripted write: whether the data is still there, and alerts.
    Epoch,
}

impl Keys {
    pub(super) fn new(edge: String, switches: Vec<String>) -> Self {
        Self { edge, switches: watch::Sender::new(switches.into()) }
    }

    /// The switches that are followed. Their keys are their names: any client may `SET` them.
    pub(super) fn switches(&self) -> Names {
        Arc::clone(&self.switches.borrow())
    }

    /// Follows these switches from now on; true if they are others than before.
    pub(super) fn watch_switches(&self, names: &[String]) -> bool {
        self.switches.send_if_modified(|switches| {
            let moved = **switches != *names;
            if moved {
                *switches = names.into();
            }
            moved
        })
    }

    /// Hears when other switches are to be followed.
    pub(super) fn switches_watched(&self) -> watch::Receiver<Names> {
        self.switches.subscribe()
    }

    /// STRING: raised by every scripted write. Missing, or lower than before = data was lost.
    pub(super) fn epoch(&self) -> String {
        format!("{{{}}}:epoch", self.edge)
    }

    /// HASH: one rollout.
    pub(super) fn rollout(&self, name: &str) -> String {
        format!("{}{name}", self.rollout_prefix())
    }

    /// What the keys of all rollouts begin with.
    pub(super) fn rollout_prefix(&self) -> String {
        format!("{{{}}}:rollout:", self.edge)
    }

    /// STRING: one set of flag definitions; any client may `SET` it.
    pub(super) fn flags(&self, set: &str) -> String {
        format!("{}{set}", self.flags_prefix())
    }

    /// What the keys of all sets of flag definitions begin with.
    pub(super) fn flags_prefix(&self) -> String {
        format!("{{{}}}:flags:", self.edge)
    }

    /// STRING: raised by each write of flag definitions through a router.
    pub(super) fn flags_counter(&self) -> String {
        self.flags(FLAGS_COUNTER)
    }

    /// HASH: set -> what the counter was when a router wrote it.
    pub(super) fn flags_versions(&self) -> String {
        format!("flags-ver:{{{}}}", self.edge)
    }

    /// HASH: silence id -> JSON.
    pub(super) fn silences(&self) -> String {
        format!("{{{}}}:silences", self.edge)
    }

    /// STREAM: the audit log.
    pub(super) fn log(&self) -> String {
        format!("log:{{{}}}", self.edge)
    }

    /// SET: ids of servers, touched when one joins, leaves or drains.
    pub(super) fn index(&self) -> String {
        format!("{{{}}}:srv:index", self.edge)
    }

    /// HASH with a time to live: what a server says of itself.
    pub(super) fn server(&self, id: &str) -> String {
        format!("srv:{{{}}}:{id}", self.edge)
    }

    /// ZSET: server id -> end of its lease, in ms of the clock of Redis.
    pub(super) fn leases(&self) -> String {
        format!("srv-lease:{{{}}}", self.edge)
    }

    /// STREAM: alerts.
    pub(super) fn alerts(&self) -> String {
        format!("alerts:{{{}}}", self.edge)
    }

    /// HASH: rule and fingerprint of an alert that is up -> when it was seen, how long it stays up, the alert.
    pub(super) fn firing(&self) -> String {
        format!("firing:{{{}}}", self.edge)
    }

    /// STRING with a time to live: this sink took the notice of this alert.
    pub(super) fn sent(&self, alert: &str, sink: &str) -> String {
        format!("sent:{{{}}}:{alert}:{sink}", self.edge)
    }

    /// STREAM: notices that no sink took.
    pub(super) fn dead_letters(&self) -> String {
        format!("dead:{{{}}}", self.edge)
    }

    /// HASH with a time to live: figures of a rollout's variants in the window that begins then.
    pub(super) fn stats(&self, rollout: &str, window_ms: u64) -> String {
        format!("stat:{{{}}}:{rollout}:{window_ms}", self.edge)
    }

    /// STRING with a time to live: who leads a job.
    pub(super) fn leader(&self, job: &str) -> String {
        format!("leader:{{{}}}:{job}", self.edge)
    }

    /// STRING: the token of the last leader of a job.
    pub(super) fn fence(&self, job: &str) -> String {
        format!("fence:{{{}}}:{job}", self.edge)
    }

    /// STRING with a time to live: the operation that carries out this alert.
    pub(super) fn scale_operation(&self, alert: &str) -> String {
        format!("scale-op:{{{}}}:{alert}", self.edge)
    }

    /// STRING with a time to live: alerts of this rule and fingerprint are quiet.
    pub(super) fn mute(&self, rule: &str, fingerprint: &str) -> String {
        format!("mute:{{{}}}:{rule}:{fingerprint}", self.edge)
    }

    /// Matches whatever routers are told of by push, but for switches.
    pub(super) fn tracked_pattern(&self) -> String {
        format!("{{{}}}:*", self.edge)
    }

    /// Prefixes to be told of. None is the beginning of another one, which Redis refuses.
    pub(super) fn tracked_prefixes(&self) -> Vec<String> {
        let mut prefixes =
            vec![self.epoch(), self.rollout_prefix(), self.flags_prefix(), self.silences(), self.index()];
        prefixes.extend(self.switches().iter().cloned());
        prefixes.sort();
        prefixes.dedup_by(|longer, shorter| longer.starts_with(&*shorter));
        prefixes
    }

    /// What a pushed key stands for; `None` if it only shares a prefix with one of ours.
    pub(super) fn change(&self, key: &str) -> Option<Change> {
        if let Some(name) = key.strip_prefix(&self.rollout_prefix()) {
            return Some(Change::Rollout(name.to_owned()));
        }
        if let Some(set) = key.strip_prefix(&self.flags_prefix()) {
            return is_flag_set(set).then(|| Change::Flags(set.to_owned()));
        }
        if key == self.silences() {
            return Some(Change::Silences);
        }
        if key == self.index() {
            return Some(Change::Servers);
        }
        if key == self.epoch() {
            return Some(Change::Epoch);
        }
        self.switches().iter().any(|switch| switch == key).then(|| Change::Switch(key.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(switches: &[&str]) -> Keys {
        Keys::new("main".into(), switches.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn no_tracked_prefix_begins_another() {
        let prefixes = keys(&["featureFlagsOld", "featureFlags", "beta"]).tracked_prefixes();
        let ours = ["{main}:epoch", "{main}:flags:", "{main}:rollout:", "{main}:silences", "{main}:srv:index"];
        assert_eq!(prefixes, [["beta", "featureFlags"].as_slice(), &ours].concat());
    }

    #[test]
    fn a_pushed_key_is_told_from_its_neighbours() {
        let keys = keys(&["featureFlags"]);
        assert_eq!(keys.change("featureFlags"), Some(Change::Switch("featureFlags".into())));
        assert_eq!(keys.change("featureFlagsOld"), None, "the prefix matches it, too");
        assert_eq!(keys.change("{main}:rollout:demo"), Some(Change::Rollout("demo".into())));
        assert_eq!(keys.change("{main}:flags:shop"), Some(Change::Flags("shop".into())));
        assert_eq!(keys.change("{main}:flags:ver"), None, "the counter");
        assert_eq!(keys.change("{main}:flags:no name"), None);
        assert_eq!(keys.change("{main}:silences"), Some(Change::Silences));
        assert_eq!(keys.change("{main}:srv:index"), Some(Change::Servers));
        assert_eq!(keys.change("{main}:epoch"), Some(Change::Epoch));
        assert_eq!(keys.change("{main}:epochs"), None);
    }
}
