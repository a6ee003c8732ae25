//! What an interrupted run left open: each operation is brought to its end by looking at the cloud, before anything new.

use serde::Serialize;
use sluice_infra_cloud::DropletId;

use super::{Fault, Provisioner};
use crate::state::{Kind, Operation, Stage};

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
#[error("settle operation {operation} ({kind} {name})")]
pub struct SettleError {
    /// Which operation.
    pub operation: String,
    /// What it does.
    pub kind: Kind,
    /// To what.
    pub name: String,
    /// Why.
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl SettleError {
    fn new(operation: &Operation, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let (id, name) = (operation.id.to_string(), operation.name.clone());
        Self { operation: id, kind: operation.kind, name, source: source.into() }
    }

    /// What the cloud said, if it was the cloud.
    #[must_use]
    pub fn cloud(&self) -> Option<&sluice_infra_cloud::CloudError> {
        match self.source.downcast_ref::<Fault>() {
            Some(Fault::Cloud(error)) => Some(error),
            _ => None,
        }
    }
}

impl Provisioner {
    /// Brings every open operation to its end. Only who holds the lock of the fleet may: a run in progress has open ones too.
    ///
    /// # Errors
    /// [`SettleError`]; what was settled until then stays so.
    pub async fn settle(&self) -> Result<Vec<Settled>, SettleError> {
        let open = self.state.open_operations().map_err(|source| SettleError {
            operation: String::new(),
            kind: Kind::CreateDroplet,
            name: "all".to_owned(),
            source: source.into(),
        })?;
        let mut settled = Vec::with_capacity(open.len());
        for operation in open {
            let end = self.settle_one(&operation).await.map_err(|fault| SettleError::new(&operation, fault))?;
            let (end, adopted) = end;
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
