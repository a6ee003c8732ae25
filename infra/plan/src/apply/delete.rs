//! The end of one droplet, from the intent to the moment the cloud has it no more.

use sluice_infra_cloud::DropletId;
use tokio::time::{Instant, sleep};

use super::{Fault, Happening, Provisioner, Subject};
use crate::state::{Kind, Operation};

impl Provisioner {
    /// Deletes one droplet, and returns once it is gone.
    pub(super) async fn delete_one(&self, id: &DropletId, name: &str, pool: &str) -> Result<(), Fault> {
        let mut operation = Operation::new(Kind::DeleteDroplet, pool, name);
        operation.droplet = Some(id.clone());
        operation.fence = self.fence;
        self.state.intend(&operation)?;
        self.state.sent(&operation)?;
        self.finish_delete(&operation, id).await
    }

    /// Sends a deletion that is in the journal, and waits for its end. It may be sent twice: what is gone stays gone.
    pub(super) async fn finish_delete(&self, operation: &Operation, id: &DropletId) -> Result<(), Fault> {
        let subject = Subject::new(Kind::DeleteDroplet, &operation.pool, &operation.name);
        self.tell(&subject, Happening::Sent);
        let done = match self.again_and_again(&subject, || self.cloud.delete_droplet(id)).await {
            Ok(()) => self.until_gone(id, &operation.name).await,
            Err(fault) => Err(fault),
        };
        match done {
            Ok(()) => {
                self.state.gone(id)?;
                self.state.confirmed(operation, None)?;
                self.tell(&subject, Happening::Done);
                Ok(())
            }
            Err(fault) => {
                // It stays open in the journal: the next run finishes it.
                self.tell(&subject, Happening::Failed { reason: fault.to_string() });
                Err(fault)
            }
        }
    }

    async fn until_gone(&self, id: &DropletId, name: &str) -> Result<(), Fault> {
        let end = Instant::now() + self.pace.gone_deadline;
        loop {
            if matches!(self.cloud.droplet(id).await, Ok(None)) {
                return Ok(());
            }
            if Instant::now() >= end {
                return Err(Fault::Late(format!(
                    "{name} is still there {:?} after its deletion",
                    self.pace.gone_deadline
                )));
            }
            sleep(self.pace.poll).await;
        }
    }
}
