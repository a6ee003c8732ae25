//! The part of the handle that is about flags: the book to read, sets and single flags to write, and who changed what.

use std::sync::Arc;

use serde_json::{Value, json};
use sluice_flagd::{DocumentFault, FlagFault, FlagSet};
use sluice_model::audit::{AuditEntry, Author};
use sluice_state::StoreError;
use tokio::sync::{broadcast, watch};

use crate::flags::FlagCounts;
use crate::flags::book::{Definition, FlagBook};
use crate::flags::edit::{self, EditError};
use crate::handle::{CommandError, Handle};

/// How often a flag is edited anew after someone else changed its set in between.
const EDITS_MAX: usize = 8;

/// Why a write to flags was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum FlagError {
    /// There is no such flag; the text names one that may be meant.
    #[error("{0}")]
    NotFound(String),
    /// Someone else changed the set since it was read.
    #[error("{0}")]
    Changed(String),
    /// The document is no flag definition, or some of its flags cannot be evaluated.
    #[error("{} of the document {}", places.len(), if places.len() == 1 { "place is at fault" } else { "places are at fault" })]
    Document {
        /// Everything that is wrong.
        places: Vec<DocumentFault>,
    },
    /// Anything else.
    #[error(transparent)]
    Command(#[from] CommandError),
}

impl From<StoreError> for FlagError {
    fn from(error: StoreError) -> Self {
        match error {
            error @ StoreError::Conflict { .. } => Self::Changed(error.to_string()),
            StoreError::Invalid(reason) => Self::Command(CommandError::Invalid(reason)),
            error => Self::Command(error.into()),
        }
    }
}

/// What of a flag to change.
#[derive(Clone, Debug, PartialEq)]
pub enum FlagEdit {
    /// What it is where no rule says otherwise: the value of a switch, or of one of the variants.
    Value(Value),
    /// Which variant counts where no rule says otherwise.
    Variant(String),
    /// Whether it is evaluated at all.
    Enabled(bool),
}

/// A set as the store has it, whether or not it makes sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSet {
    /// The document.
    pub text: Arc<str>,
    /// Raised by each write through a router.
    pub version: u64,
    /// Version and content in one word: it changes with either.
    pub tag: String,
}

/// What a write to a set expects to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever there is.
    Anything,
    /// No such set.
    Nothing,
    /// The set with this [`StoredSet::tag`].
    Tag(String),
}

/// Everything that is wrong with a document; none = it can be written.
#[must_use]
pub fn document_faults(text: &str) -> Vec<DocumentFault> {
    let of_flag = |fault: &FlagFault| {
        let FlagFault { flag, message, line, column, path } = fault.clone();
        let message = format!("flag `{flag}`: {message}");
        DocumentFault { message, line, column, path, hint: None }
    };
    match FlagSet::compile(text) {
        Ok(flags) => flags.flag_faults().iter().map(of_flag).collect(),
        Err(fault) => vec![fault],
    }
}

impl Handle {
    /// Every flag of this moment.
    #[must_use]
    pub fn flag_book(&self) -> Arc<FlagBook> {
        self.shared.flags.book()
    }

    /// Is told of each new book.
    #[must_use]
    pub fn flag_changes(&self) -> watch::Receiver<Arc<FlagBook>> {
        self.shared.flags.subscribe()
    }

    /// What is counted of flags.
    #[must_use]
    pub fn flag_counts(&self) -> FlagCounts {
        let (changes_by_routers, changes_by_clients) = self.shared.changes.counts();
        FlagCounts { documents_refused: self.shared.flags.documents_refused(), changes_by_routers, changes_by_clients }
    }

    /// Is told of each change of a flag, a set, a rollout or a silence, by whomever. A listener that lags is told that it
    /// does.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Arc<AuditEntry>> {
        self.shared.changes.subscribe()
    }

    /// The newest entries of the audit log, newest first; with `key`, those about it.
    ///
    /// # Errors
    /// [`CommandError::Store`].
    pub async fn audit(&self, key: Option<&str>, newest: usize) -> Result<Vec<AuditEntry>, CommandError> {
        Ok(self.shared.store.audit(key, newest).await?)
    }

    /// Changes one flag: a switch, or a flag of a set, whose document stays as it is otherwise, byte for byte.
    ///
    /// # Errors
    /// [`FlagError`]
    pub async fn edit_flag(&self, key: &str, edit: &FlagEdit, author: Author<'_>) -> Result<(), FlagError> {
        let book = self.flag_book();
        let Some(entry) = book.find(key) else { return Err(FlagError::NotFound(no_flag(&book, key))) };
        match (entry.set, edit) {
            (Some(set), edit) => self.edit_document(set, key, edit, author).await,
            (None, FlagEdit::Value(Value::Bool(on))) => Ok(self.shared.store.set_switch(key, *on, author).await?),
            (None, FlagEdit::Variant(name)) if name == "on" || name == "off" => {
                Ok(self.shared.store.set_switch(key, name == "on", author).await?)
            }
            (None, _) => {
                Err(CommandError::Invalid(format!("`{key}` is a switch: it is true or false, and nothing else")).into())
            }
        }
    }

    /// A set as the store has it now.
    ///
    /// # Errors
    /// [`CommandError::Store`]
    pub async fn flag_set(&self, set: &str) -> Result<Option<StoredSet>, CommandError> {
        let document = self.shared.store.flags(set).await?;
        Ok(document.map(|document| StoredSet::new(document.text, document.version)))
    }

    /// Writes a set, whole, and returns it as it then is. A document of which any flag cannot be evaluated is refused.
    ///
    /// # Errors
    /// [`FlagError`]: nothing was written.
    pub async fn put_flag_set(
        &self,
        set: &str,
        text: &str,
        expected: &Expected,
        author: Author<'_>,
    ) -> Result<StoredSet, FlagError> {
        // A large document takes a while, and this runtime has others to serve.
        let places = tokio::task::block_in_place(|| document_faults(text));
        if !places.is_empty() {
            return Err(FlagError::Document { places });
        }
        let version = match expected {
            Expected::Anything => None,
            Expected::Nothing => Some(0),
            Expected::Tag(tag) => match self.flag_set(set).await? {
                Some(stored) if stored.tag == *tag => Some(stored.version),
                Some(_) => return Err(FlagError::Changed(format!("the set `{set}` was changed meanwhile"))),
                None => return Err(FlagError::Changed(format!("the set `{set}` is gone"))),
            },
        };
        let version = self.shared.store.put_flags(set, text, version, author).await?;
        Ok(StoredSet::new(text.into(), version))
    }

    /// Removes a set.
    ///
    /// # Errors
    /// [`FlagError::NotFound`] if there is none; [`FlagError::Changed`] if it is not the expected one.
    pub async fn delete_flag_set(&self, set: &str, expected: &Expected, author: Author<'_>) -> Result<(), FlagError> {
        let unknown = || FlagError::NotFound(format!("no set of flags is named `{set}`"));
        if let Expected::Tag(tag) = expected {
            let stored = self.flag_set(set).await?.ok_or_else(unknown)?;
            if stored.tag != *tag {
                return Err(FlagError::Changed(format!("the set `{set}` was changed meanwhile")));
            }
        }
        if self.shared.store.delete_flags(set, author).await? { Ok(()) } else { Err(unknown()) }
    }

    async fn edit_document(
        &self,
        set: &Definition,
        key: &str,
        edit: &FlagEdit,
        author: Author<'_>,
    ) -> Result<(), FlagError> {
        let (member, value) = member(set, key, edit)?;
        for _attempt in 0..EDITS_MAX {
            let gone = || FlagError::Changed(format!("the set `{}` is gone", set.name));
            let stored = self.flag_set(&set.name).await?.ok_or_else(gone)?;
            let edited = edit::with_member(&stored.text, key, member, &value).map_err(|error| match error {
                EditError::NoFlag(key) => {
                    FlagError::Changed(format!("the set `{}` has no flag `{key}` any more", set.name))
                }
                error @ EditError::Document(_) => CommandError::Refused(crate::fault::chain(&error)).into(),
            })?;
            if *edited == *stored.text {
                return Ok(());
            }
            match self.put_flag_set(&set.name, &edited, &Expected::Tag(stored.tag), author).await {
                Err(FlagError::Changed(_)) => {}
                done => return done.map(|_stored| ()),
            }
        }
        Err(FlagError::Changed(format!("the set `{}` was changed by others too often meanwhile", set.name)))
    }
}

impl StoredSet {
    fn new(text: Arc<str>, version: u64) -> Self {
        let tag = format!("{version}-{}", Definition::digest(&text));
        Self { text, version, tag }
    }
}

/// The member of a flag's definition that an edit writes, and what it writes.
fn member(set: &Definition, key: &str, edit: &FlagEdit) -> Result<(&'static str, Value), FlagError> {
    let refused = |message: String| FlagError::Command(CommandError::Invalid(message));
    let summary =
        set.flags.flag_summary(key).ok_or_else(|| FlagError::NotFound(format!("no flag is named `{key}`")))?;
    let variants = || summary.variants.join(", ");
    match edit {
        FlagEdit::Enabled(enabled) => Ok(("state", json!(if *enabled { "ENABLED" } else { "DISABLED" }))),
        FlagEdit::Variant(name) if summary.variants.contains(&name.as_str()) => Ok(("defaultVariant", json!(name))),
        FlagEdit::Variant(name) => Err(refused(format!("`{key}` has no variant `{name}`: one of {}", variants()))),
        FlagEdit::Value(value) => {
            let found = summary.variants.iter().find(|name| set.flags.variant(key, name) == Some(value));
            let none =
                || refused(format!("no variant of `{key}` has the value {value}; its variants are {}", variants()));
            found.map(|name| ("defaultVariant", json!(name))).ok_or_else(none)
        }
    }
}

/// That there is no such flag, and which one may be meant.
pub(crate) fn no_flag(book: &FlagBook, key: &str) -> String {
    match book.nearest(key) {
        Some(meant) => format!("no flag is named `{key}`; did you mean `{meant}`?"),
        None => format!("no flag is named `{key}`"),
    }
}
