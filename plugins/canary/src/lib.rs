//! Splits the users of a rollout between its variants: sticky, without a cookie, and monotone, so that raising the weight
//! of a variant moves users to it from stable and nobody else.
//!
//! The host extracts the user's key as the rollout's policy declares it and pushes the rollout when it changes; what
//! remains per request is one hash and one search. Whatever this plugin says, the host enforces an abort.

use serde::Deserialize;
use sluice_plugin::state::{Owners, Rollout};
use sluice_plugin::{Activation, Outcome, Phases, Plugin, Request, RequestField, Variant, Verdict, config};

/// `config = { rollout = "demo" }`, or `{ rollout = "demo", variants = ["stable", "canary", "beta"] }`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Name of the rollout to follow.
    rollout: String,
    /// Its variants, where they are others than `stable` and `canary`.
    variants: Option<Vec<String>>,
    /// The same for a rollout between two, as it was written before.
    #[serde(default = "stable")]
    stable: String,
    #[serde(default = "canary")]
    canary: String,
}

fn stable() -> String {
    "stable".to_owned()
}

fn canary() -> String {
    "canary".to_owned()
}

/// The plugin; see the module.
pub struct Canary {
    key: RequestField,
    variants: Vec<(String, Variant)>,
    /// `None` until the rollout exists.
    owners: Option<Owners<Variant>>,
}

impl Plugin for Canary {
    fn init(config: &str) -> Result<(Self, Activation), String> {
        let Config { rollout, variants, stable, canary } = config::parse(config)?;
        let mut activation = Activation::new(Phases::REQUEST);
        activation.state(format!("rollout:{rollout}"));
        let key = activation.request_field(format!("rollout-key:{rollout}"));
        let names = variants.unwrap_or_else(|| vec![stable, canary]);
        let variants = names.into_iter().map(|name| (name.clone(), activation.variant(name))).collect();
        Ok((Self { key, variants, owners: None }, activation))
    }

    fn on_state(&mut self, _key: &str, value: Option<&str>) -> Result<(), String> {
        let owners = |rollout: &Rollout| {
            // Names that own nothing yet are told apart too: at the next weight it would be too late.
            let names = [&rollout.stable, &rollout.canary];
            let foreign = names.into_iter().find(|name| self.variant(name).is_none());
            foreign.map_or_else(|| rollout.owners(|name| self.variant(name)), |name| Err(name)).map_err(|name| {
                let ours: Vec<&str> = self.variants.iter().map(|(name, _)| name.as_str()).collect();
                format!("the rollout has a variant {name}, config `variants` are {}", ours.join(", "))
            })
        };
        self.owners = value.map(Rollout::parse).transpose()?.as_ref().map(owners).transpose()?;
        Ok(())
    }

    fn on_request(&mut self, request: &Request<'_>, _outcome: &mut Outcome) -> Verdict {
        let key = request.bytes(self.key);
        // Without a rollout or a key there is no choice to make: the route's own weights decide.
        let owner = self.owners.as_ref().zip(key).and_then(|(owners, key)| owners.of(key));
        owner.map_or(Verdict::next(), Verdict::variant)
    }
}

impl Canary {
    fn variant(&self, wanted: &str) -> Option<Variant> {
        self.variants.iter().find(|(name, _)| name == wanted).map(|(_, variant)| *variant)
    }
}

sluice_plugin::plugin!(Canary, state = ["rollout:*"]);

#[cfg(test)]
mod tests;
