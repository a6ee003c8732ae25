//! Splits the users of a rollout between its variants: sticky, without a cookie, and monotone, so that raising the
//! weight moves nobody off the canary.
//!
//! The host extracts the user's key as the rollout's policy declares it and pushes the rollout when it changes; what
//! remains per request is one hash and one comparison. Whatever this plugin says, the host enforces an abort.

use serde::Deserialize;
use sluice_plugin::state::Rollout;
use sluice_plugin::{Activation, Outcome, Phases, Plugin, Request, RequestField, Variant, Verdict, config};

/// `config = { rollout = "demo" }`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Name of the rollout to follow.
    rollout: String,
    /// Its variants, where they are not called `stable` and `canary`.
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
    config: Config,
    key: RequestField,
    stable: Variant,
    canary: Variant,
    /// `None` until the rollout exists.
    rollout: Option<Rollout>,
}

impl Plugin for Canary {
    fn init(config: &str) -> Result<(Self, Activation), String> {
        let config: Config = config::parse(config)?;
        let mut activation = Activation::new(Phases::REQUEST);
        activation.state(format!("rollout:{}", config.rollout));
        let key = activation.request_field(format!("rollout-key:{}", config.rollout));
        let stable = activation.variant(&config.stable);
        let canary = activation.variant(&config.canary);
        Ok((Self { config, key, stable, canary, rollout: None }, activation))
    }

    fn on_state(&mut self, _key: &str, value: Option<&str>) -> Result<(), String> {
        let rollout = value.map(Rollout::parse).transpose()?;
        if let Some(Rollout { stable, canary, .. }) = &rollout
            && (*stable != self.config.stable || *canary != self.config.canary)
        {
            let Config { stable: own_stable, canary: own_canary, .. } = &self.config;
            return Err(format!("the rollout's variants are {stable}, {canary}; ours are {own_stable}, {own_canary}"));
        }
        self.rollout = rollout;
        Ok(())
    }

    fn on_request(&mut self, request: &Request<'_>, _outcome: &mut Outcome) -> Verdict {
        match (&self.rollout, request.bytes(self.key)) {
            (Some(rollout), Some(key)) if rollout.picks_canary(key) => Verdict::variant(self.canary),
            (Some(_), Some(_)) => Verdict::variant(self.stable),
            // Without a rollout or a key there is no choice to make: the route's own weights decide.
            (None, _) | (_, None) => Verdict::next(),
        }
    }
}

sluice_plugin::plugin!(Canary, state = ["rollout:*"]);

#[cfg(test)]
mod tests;
