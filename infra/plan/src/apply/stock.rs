//! What is remembered of the fleet is brought in line with what it has, before a plan is carried out: from here on it
//! is what we left.

use sluice_infra_cloud::Firewall;

use super::Provisioner;
use crate::firewalls::in_normal_form;
use crate::observe::Observed;
use crate::state::{Known, StateError};

impl Provisioner {
    /// Remembers what is there, forgets what is not.
    pub(super) fn take_stock(&self, observed: &Observed) -> Result<(), StateError> {
        for known in self.state.standing()? {
            if !observed.droplets.iter().any(|seen| seen.droplet.id == known.id) {
                self.state.gone(&known.id)?;
            }
        }
        for seen in &observed.droplets {
            if let Some(pool) = &seen.pool {
                let known = Known::new(&seen.droplet, pool, seen.operation.as_deref(), &self.spec.image);
                self.state.remember(&known)?;
            }
        }
        for left in self.state.firewalls()? {
            if !observed.firewalls.iter().any(|firewall| firewall.name == left.name) {
                self.state.forget_firewall(&left.name)?;
            }
        }
        for firewall in &observed.firewalls {
            let remembered = Firewall { id: firewall.id.clone(), ..in_normal_form(firewall) };
            self.state.remember_firewall(&remembered)?;
        }
        Ok(())
    }
}
