//! What a plugin's activation names must exist in the policy: rollouts, and the variants of the routes it stands in.

use sluice_model::field::Field;
use sluice_policy::Policy;
use sluice_snapshot::Plugin;

/// Logical state keys of rollouts begin so.
const ROLLOUT_PREFIX: &str = "rollout:";

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
