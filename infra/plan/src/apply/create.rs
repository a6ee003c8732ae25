//! One droplet, from the intent to the moment it is active. Never two of one intent.

use sluice_infra_cloud::{CloudError, CreateDroplet, Droplet, DropletId, DropletStatus};
use tokio::time::{Instant, sleep};

use super::pace::{ATTEMPTS_MAX, RATE_WAIT_MAX, SENDS_MAX};
use super::{Fault, Happening, Provisioner, Subject};
use crate::plan::Wanted;
use crate::state::{Kind, Known, Operation};
use crate::tags;

/// Why a droplet that the cloud took did not get ready.
enum NotReady {
    /// It is gone: its placement failed, as DigitalOcean shows it.
    Vanished,
    /// It is there, and billed, and not active.
    Late,
}

impl Provisioner {
    /// Makes one droplet, and returns it once it is active.
    pub(super) async fn create_one(
        &self,
        wanted: &Wanted,
        ssh_key: &str,
        replaces: Option<&DropletId>,
    ) -> Result<Droplet, Fault> {
        let mut reason = String::new();
        for attempt in 1..=ATTEMPTS_MAX {
            let operation = self.intend_create(wanted, replaces)?;
            let subject = Subject::new(Kind::CreateDroplet, &wanted.pool, &operation.name);
            let sent = self.send_create(&operation, &subject, wanted, ssh_key).await;
            let droplet =
                sent.inspect_err(|fault| self.tell(&subject, Happening::Failed { reason: fault.to_string() }))?;
            reason = match self.until_active(&droplet.id).await? {
                Ok(active) => {
                    self.tell(&subject, Happening::Done);
                    return Ok(active);
                }
                Err(NotReady::Vanished) => {
                    self.state.gone(&droplet.id)?;
                    format!("{} was accepted, and then the cloud had it no more", droplet.name)
                }
                Err(NotReady::Late) => {
                    // It is billed as long as it stands.
                    self.delete_one(&droplet.id, &droplet.name, &wanted.pool).await?;
                    format!("{} was not active after {:?}", droplet.name, self.pace.active_deadline)
                }
            };
            self.state.abandoned(&operation, &reason)?;
            let reason = reason.clone();
            let last = attempt == ATTEMPTS_MAX;
            self.tell(&subject, if last { Happening::Failed { reason } } else { Happening::Anew { reason } });
        }
        Err(Fault::Late(reason))
    }

    fn intend_create(&self, wanted: &Wanted, replaces: Option<&DropletId>) -> Result<Operation, Fault> {
        let mut operation = Operation::new(Kind::CreateDroplet, &wanted.pool, "");
        operation.name = tags::droplet_name(&self.spec.fleet, &wanted.pool, &operation.id);
        operation.replaces = replaces.cloned();
        operation.wanted = format!("{} {} {}", wanted.size, wanted.image, wanted.region);
        operation.fence = self.fence;
        self.state.intend(&operation)?;
        Ok(operation)
    }

    /// Sends the intent until the cloud has it. An unclear answer is followed by a look, and only then by the same
    /// again.
    async fn send_create(
        &self,
        operation: &Operation,
        subject: &Subject,
        wanted: &Wanted,
        ssh_key: &str,
    ) -> Result<Droplet, Fault> {
        let request = self.request(operation, wanted, ssh_key);
        self.state.sent(operation)?;
        self.tell(subject, Happening::Sent);
        let mut sends = 1;
        loop {
            let error = match self.cloud.create_droplet(&request).await {
                Ok(droplet) => {
                    self.adopt(operation, &droplet)?;
                    self.tell(subject, Happening::Accepted { droplet: droplet.id.clone() });
                    return Ok(droplet);
                }
                Err(error) => error,
            };
            let mut pause = self.pace.pause_after(sends);
            match &error {
                CloudError::RateLimited { after } if *after <= RATE_WAIT_MAX => pause = pause.max(*after),
                CloudError::Transient { .. } => {}
                CloudError::Unclear { .. } | CloudError::Answer { .. } => {
                    self.tell(subject, Happening::Looking { reason: error.to_string() });
                    if let Some(droplet) = self.look(operation).await? {
                        self.adopt(operation, &droplet)?;
                        self.tell(subject, Happening::Adopted { droplet: droplet.id.clone() });
                        return Ok(droplet);
                    }
                }
                CloudError::RateLimited { .. }
                | CloudError::Unauthorized { .. }
                | CloudError::Quota { .. }
                | CloudError::Invalid { .. }
                | CloudError::Machine { .. } => {
                    self.state.abandoned(operation, &error.to_string())?;
                    return Err(error.into());
                }
            }
            if sends == SENDS_MAX {
                // It stays open in the journal: the next run looks once more.
                return Err(error.into());
            }
            sends += 1;
            self.tell(subject, Happening::Again { reason: error.to_string(), after: pause });
            sleep(pause).await;
        }
    }

    fn request(&self, operation: &Operation, wanted: &Wanted, ssh_key: &str) -> CreateDroplet {
        let mut tags = wanted.tags.clone();
        tags.push(tags::operation(&self.spec.fleet, &operation.id));
        CreateDroplet {
            name: operation.name.clone(),
            region: wanted.region.clone(),
            size: wanted.size.clone(),
            image: wanted.image.clone(),
            ssh_keys: vec![ssh_key.to_owned()],
            tags,
            user_data: wanted.user_data.clone(),
        }
    }

    /// Looks for what an operation made, as long as a listing may lag behind.
    pub(super) async fn look(&self, operation: &Operation) -> Result<Option<Droplet>, Fault> {
        let tag = tags::operation(&self.spec.fleet, &operation.id);
        let end = Instant::now() + self.pace.settle;
        loop {
            let mut found = self.cloud.droplets(&tag).await?;
            found.sort_by_key(|droplet| (droplet.created_ms, droplet.id.clone()));
            if !found.is_empty() {
                return Ok(Some(found.swap_remove(0)));
            }
            if Instant::now() >= end {
                return Ok(None);
            }
            sleep(self.pace.poll).await;
        }
    }

    /// Writes down that the cloud has it.
    pub(super) fn adopt(&self, operation: &Operation, droplet: &Droplet) -> Result<(), Fault> {
        // The droplet first: an interruption between the two finds the operation open, and looks again.
        self.state.remember(&Known::new(droplet, &operation.pool, Some(operation.id.as_str()), &self.spec.image))?;
        self.state.confirmed(operation, Some(&droplet.id))?;
        Ok(())
    }

    /// Waits until a droplet runs and has an address.
    async fn until_active(&self, id: &DropletId) -> Result<Result<Droplet, NotReady>, Fault> {
        let end = Instant::now() + self.pace.active_deadline;
        let mut missing_since: Option<Instant> = None;
        loop {
            match self.cloud.droplet(id).await {
                Ok(Some(droplet))
                    if droplet.status == DropletStatus::Active && self.cloud.access(&droplet).is_some() =>
                {
                    return Ok(Ok(droplet));
                }
                Ok(Some(_)) => missing_since = None,
                Ok(None) => {
                    let since = *missing_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= self.pace.settle {
                        return Ok(Err(NotReady::Vanished));
                    }
                }
                Err(error @ CloudError::Unauthorized { .. }) => return Err(error.into()),
                // It is read again until the deadline: the droplet is there, whatever the answer was.
                Err(_) => {}
            }
            if Instant::now() >= end {
                return Ok(Err(NotReady::Late));
            }
            sleep(self.pace.poll).await;
        }
    }

    /// Waits for a droplet that an earlier run left on its way.
    pub(super) async fn await_one(&self, id: &DropletId, name: &str, pool: &str) -> Result<Droplet, Fault> {
        let subject = Subject::new(Kind::CreateDroplet, pool, name);
        self.tell(&subject, Happening::Adopted { droplet: id.clone() });
        let reason = match self.until_active(id).await? {
            Ok(droplet) => {
                self.tell(&subject, Happening::Done);
                return Ok(droplet);
            }
            Err(NotReady::Vanished) => {
                self.state.gone(id)?;
                format!("{name} was accepted, and then the cloud had it no more")
            }
            Err(NotReady::Late) => {
                self.delete_one(id, name, pool).await?;
                format!("{name} was not active after {:?} and is deleted", self.pace.active_deadline)
            }
        };
        self.tell(&subject, Happening::Failed { reason: reason.clone() });
        Err(Fault::Late(reason))
    }
}
