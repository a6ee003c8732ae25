//! Calls that may be repeated, because they say what should be: deletions, firewalls, public keys.

use sluice_infra_cloud::{CloudError, Firewall};
use tokio::time::sleep;

use super::pace::{RATE_WAIT_MAX, SENDS_MAX};
use super::{Fault, Happening, Provisioner, Subject};
use crate::firewalls::{in_normal_form, rule_text};
use crate::state::{Kind, Operation};
use crate::tags;

impl Provisioner {
    /// Sends a call until it is answered clearly.
    pub(super) async fn again_and_again<T, F: Future<Output = Result<T, CloudError>>>(
        &self,
        subject: &Subject,
        call: impl Fn() -> F,
    ) -> Result<T, Fault> {
        let mut sends = 1;
        loop {
            let error = match call().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let mut pause = self.pace.pause_after(sends);
            match &error {
                CloudError::RateLimited { after } if *after <= RATE_WAIT_MAX => pause = pause.max(*after),
                CloudError::Transient { .. } | CloudError::Unclear { .. } | CloudError::Answer { .. } => {}
                CloudError::RateLimited { .. }
                | CloudError::Unauthorized { .. }
                | CloudError::Quota { .. }
                | CloudError::Invalid { .. }
                | CloudError::Machine { .. } => return Err(error.into()),
            }
            if sends == SENDS_MAX {
                return Err(error.into());
            }
            sends += 1;
            self.tell(subject, Happening::Again { reason: error.to_string(), after: pause });
            sleep(pause).await;
        }
    }

    /// The whole of one repeatable operation: journal, call, journal.
    async fn journalled<T, F: Future<Output = Result<T, CloudError>>>(
        &self,
        kind: Kind,
        name: &str,
        wanted: String,
        call: impl Fn() -> F,
    ) -> Result<T, Fault> {
        let operation = Operation { wanted, fence: self.fence, ..Operation::new(kind, "", name) };
        self.state.intend(&operation)?;
        self.state.sent(&operation)?;
        let subject = Subject::new(kind, "", name);
        self.tell(&subject, Happening::Sent);
        match self.again_and_again(&subject, call).await {
            Ok(done) => {
                self.state.confirmed(&operation, None)?;
                self.tell(&subject, Happening::Done);
                Ok(done)
            }
            Err(fault) => {
                let reason = fault.to_string();
                self.state.abandoned(&operation, &reason)?;
                self.tell(&subject, Happening::Failed { reason });
                Err(fault)
            }
        }
    }

    /// Creates a firewall, or replaces the one of its name.
    pub(super) async fn put_firewall(&self, firewall: &Firewall) -> Result<(), Fault> {
        let wanted: Vec<String> = firewall.inbound.iter().map(rule_text).collect();
        let put = || self.cloud.put_firewall(firewall);
        let made = self.journalled(Kind::PutFirewall, &firewall.name, wanted.join("; "), put).await?;
        self.state.remember_firewall(&Firewall { id: made.id, ..in_normal_form(firewall) })?;
        Ok(())
    }

    /// Deletes a firewall.
    pub(super) async fn delete_firewall(&self, id: &str, name: &str) -> Result<(), Fault> {
        let delete = || self.cloud.delete_firewall(id);
        self.journalled(Kind::DeleteFirewall, name, String::new(), delete).await?;
        self.state.forget_firewall(name)?;
        Ok(())
    }

    /// Makes the fleet's public key known, and returns its id there.
    pub(super) async fn put_ssh_key(&self) -> Result<String, Fault> {
        let name = tags::fleet(&self.spec.fleet).replace(':', "-");
        let put = || self.cloud.ensure_ssh_key(&name, &self.public_key);
        let id = self.journalled(Kind::PutSshKey, &name, String::new(), put).await?;
        self.state.remember_ssh_key(&id, &name)?;
        Ok(id)
    }

    /// Takes a public key of ours away.
    pub(super) async fn delete_ssh_key(&self, id: &str) -> Result<(), Fault> {
        let delete = || self.cloud.delete_ssh_key(id);
        self.journalled(Kind::DeleteSshKey, id, String::new(), delete).await?;
        self.state.forget_ssh_key(id)?;
        Ok(())
    }
}
