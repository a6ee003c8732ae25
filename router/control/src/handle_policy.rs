//! The part of the handle that is about the policy: its revisions, the way back, and explanations.

use tokio::sync::oneshot;

use crate::builder::rollback::{Order, RollbackError, Unpinned};
use crate::explain::{self, Explanation, Head, Question};
use crate::fault::chain;
use crate::handle::{CommandError, Handle};
use crate::history::{Pinned, Revision, RevisionTexts};

impl From<RollbackError> for CommandError {
    fn from(error: RollbackError) -> Self {
        match error {
            error @ RollbackError::Unknown(..) => Self::NoRevision(error.to_string()),
            error @ RollbackError::NotKept(_) => Self::Store(error.to_string()),
            error @ (RollbackError::Serves(_) | RollbackError::Faults(..) | RollbackError::NotPinned) => {
                Self::Refused(error.to_string())
            }
        }
    }
}

impl Handle {
    /// What was published last, with its texts; `None` = nothing yet.
    #[must_use]
    pub fn policy(&self) -> Option<RevisionTexts> {
        self.shared.history.newest().map(|record| record.texts())
    }

    /// The kept revisions, newest first.
    #[must_use]
    pub fn revisions(&self) -> Vec<Revision> {
        self.shared.history.list()
    }

    /// A kept revision with its texts.
    #[must_use]
    pub fn revision(&self, revision: u64) -> Option<RevisionTexts> {
        self.shared.history.find(revision).map(|record| record.texts())
    }

    /// Serves what an earlier revision was made of, in place of the files, until they change or [`Handle::unpin`].
    /// Returns after it serves and is kept.
    ///
    /// # Errors
    /// [`CommandError`]: nothing changed.
    pub async fn roll_back(&self, revision: u64) -> Result<Pinned, CommandError> {
        let (done, came) = oneshot::channel();
        self.order(Order::Rollback { revision, done }).await?;
        Ok(came.await.map_err(|_| stopping())??)
    }

    /// Lets the files count again.
    ///
    /// # Errors
    /// [`CommandError`]: nothing changed.
    pub async fn unpin(&self) -> Result<Unpinned, CommandError> {
        let (done, came) = oneshot::channel();
        self.order(Order::Unpin { done }).await?;
        Ok(came.await.map_err(|_| stopping())??)
    }

    pub(crate) async fn order(&self, order: Order) -> Result<(), CommandError> {
        self.orders.send(order).await.map_err(|_| stopping())
    }

    /// What would become of a request now. Changes nothing: plugins run on instances of their own.
    ///
    /// # Errors
    /// [`CommandError::Invalid`] if it is no request; [`CommandError::Refused`] while too many others ask.
    pub async fn explain(&self, question: &Question) -> Result<Explanation, CommandError> {
        let head = Head::read(question).map_err(|error| CommandError::Invalid(error.to_string()))?;
        let busy = |_| CommandError::Refused("other explanations are being made: ask again".to_owned());
        let _permit = self.explaining.try_acquire().map_err(busy)?;
        let snapshot = self.shared.published.load().1;
        let gate = std::sync::Arc::clone(&self.gate);
        let job = move || {
            let mut probe = |index: usize| {
                let plugin = snapshot.seats[index].plugin().ok_or("no plugin serves there")?;
                let blueprint = gate.blueprint(&plugin.key).ok_or("the plugin has just been replaced: ask again")?;
                blueprint.instance(&snapshot.cells).map_err(|refusal| chain(&refusal))
            };
            explain::explain(&snapshot, &head, &mut probe)
        };
        self.workshop.run(job).await.ok_or_else(stopping)
    }
}

pub(crate) fn stopping() -> CommandError {
    CommandError::Refused("the router is about to stop".to_owned())
}
