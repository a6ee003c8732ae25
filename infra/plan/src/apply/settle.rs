//! What an interrupted run left open: each operation is brought to its end by looking at the cloud, before anything
//! new.

use serde::Serialize;
use sluice_infra_cloud::{CloudError, DropletId};

use super::{Fault, Provisioner};
use crate::state::{Kind, Operation, Stage, StateError};

/// How an open operation ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Settled {
    /// The operation, as it was found.
    pub operation: Operation,
    /// What came of it, for people.
    pub end: String,
    /// The droplet that it had made after all.
    pub adopted: Option<DropletId>,
}

/// Why the journal could not be settled.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The cloud did not tell.
    #[error("settle the open operation `{kind} {name}`")]
    Cloud {
        /// What it does.
        kind: Kind,
        /// To what.
        name: String,
        /// Why.
        #[source]
        source: CloudError,
    },
    /// A deletion does not come to its end.
    #[error("settle the open operation `{kind} {name}`: {reason}")]
    Late {
        /// What it does.
        kind: Kind,
        /// To what.
        name: String,
        /// Why.
        reason: String,
    },
    /// The journal cannot be read or written.
    #[error("settle the journal")]
    State(#[from] StateError),
}

impl SettleError {
    fn new(operation: &Operation, fault: Fault) -> Self {
        let (kind, name) = (operation.kind, operation.name.clone());
        match fault {
            Fault::Cloud(source) => Self::Cloud { kind, name, source },
            Fault::State(source) => Self::State(source),
            Fault::Late(_) | Fault::NotServing(_) | Fault::Budget(_) | Fault::Skipped(_) => {
                Self::Late { kind, name, reason: fault.to_string() }
            }
        }
    }
}

impl Provisioner {
    /// Brings every open operation to its end. Only who holds the lock of the fleet may: a run in progress has open
    /// ones too.
    ///
    /// # Errors
    /// [`SettleError`]; what was settled until then stays so.
    pub async fn settle(&self) -> Result<Vec<Settled>, SettleError> {
        let open = self.state.open_operations()?;
        let mut settled = Vec::with_capacity(open.len());
        for operation in open {
            let ended = self.settle_one(&operation).await;
            let (end, adopted) = ended.map_err(|fault| SettleError::new(&operation, fault))?;
            settled.push(Settled { operation, end, adopted });
        }
        Ok(settled)
    }

    async fn settle_one(&self, operation: &Operation) -> Result<(String, Option<DropletId>), Fault> {
        let abandon = |reason: &str| -> Result<(String, Option<DropletId>), Fault> {
            self.state.abandoned(operation, reason)?;
            Ok((reason.to_owned(), None))
        };
        match (operation.kind, operation.stage, &operation.droplet) {
            (Kind::CreateDroplet, Stage::Sent, _) => match self.look(operation).await? {
                Some(droplet) => {
                    self.adopt(operation, &droplet)?;
                    Ok((format!("droplet {} exists: adopted", droplet.id), Some(droplet.id)))
                }
                None => abandon("sent, and the cloud has nothing with its tag"),
            },
            (Kind::DeleteDroplet, Stage::Sent, Some(id)) => {
                self.finish_delete(operation, id).await?;
                Ok((format!("droplet {id} is gone"), None))
            }
            (_, Stage::Intended, _) => abandon("was never sent"),
            // These say what should be: the next plan asks for them again, if they are still wanted.
            _ => abandon("is planned anew"),
        }
    }
}
