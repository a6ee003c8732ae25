//! What a plugin's activation names: rollouts, and the variants of the routes it stands in, must exist in the policy;
//! flags should be watched.

use std::collections::{BTreeMap, BTreeSet};

use sluice_model::field::Field;
use sluice_policy::Policy;
use sluice_snapshot::Plugin;

use crate::fault::{Fault, FaultSource};

/// Logical state keys of rollouts begin so.
const ROLLOUT_PREFIX: &str = "rollout:";
/// Logical state keys of flags begin so.
const FLAG_PREFIX: &str = "flag:";

/// Checks plugin `index` of the policy.
pub(crate) fn check(policy: &Policy, index: usize, plugin: &Plugin) -> Result<(), String> {
    let declared = |name: &str| policy.rollouts.iter().any(|rollout| rollout.name == name);
    for field in &plugin.request_fields {
        if let Field::RolloutKey(name) = field
            && !declared(name)
        {
            return Err(format!("asks for the field `{field}`, but no policy declares the rollout `{name}`"));
        }
    }
    for key in &plugin.activation.state {
        if let Some(name) = key.strip_prefix(ROLLOUT_PREFIX)
            && !declared(name)
        {
            return Err(format!("reads the state `{key}`, but no policy declares the rollout `{name}`"));
        }
    }
    for route in policy.routes.iter().filter(|route| route.chain.contains(&index)) {
        let Some(rollout) = route.rollout.map(|rollout| &policy.rollouts[rollout]) else { continue };
        let missing = plugin.activation.variants.iter().find(|variant| rollout.upstream_of(variant).is_none());
        if let Some(variant) = missing {
            let (route, rollout) = (&route.name, &rollout.name);
            return Err(format!(
                "may choose the variant `{variant}`, but rollout `{rollout}` of route `{route}` has none"
            ));
        }
    }
    Ok(())
}

/// Flags that some of `plugins` read and that are none of `switches`: they stay off, whatever the store says. No reason
/// to refuse anything.
pub(crate) fn unwatched<'a>(plugins: impl Iterator<Item = &'a Plugin>, switches: &[String]) -> Vec<Fault> {
    let mut readers: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for plugin in plugins {
        let flags = plugin.activation.state.iter().filter_map(|key| key.strip_prefix(FLAG_PREFIX));
        for flag in flags.filter(|flag| !switches.iter().any(|switch| switch == flag)) {
            readers.entry(flag).or_default().insert(format!("`{}`", plugin.name()));
        }
    }
    let fault = |(flag, readers): (&str, BTreeSet<String>)| {
        let (flag, readers) = (flag.escape_debug().to_string(), Vec::from_iter(readers).join(", "));
        let message = format!("this router does not watch the flag that plugin {readers} reads, so it stays off");
        let hint = format!("add \"{flag}\" to `switches` under [store] in sluice.toml, and start the router anew");
        Fault { hint: Some(hint), ..Fault::new(FaultSource::Flag, flag, message) }
    };
    readers.into_iter().map(fault).collect()
}
