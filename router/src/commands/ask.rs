//! What every command shares that asks a running router one question: where it is, and in which form the answer is
//! printed.

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::print;
use crate::admin::{AdminArgs, AdminClient};

/// Which router, as whom, and in which form.
#[derive(Debug, clap::Args)]
pub(crate) struct AskArgs {
    #[command(flatten)]
    admin: AdminArgs,
    /// Print the JSON of the admin port instead of text.
    #[arg(long)]
    json: bool,
}

impl AskArgs {
    pub(crate) fn client(&self) -> anyhow::Result<AdminClient> {
        self.admin.client()
    }

    /// What is printed: the JSON, or the text.
    pub(crate) fn either(&self, json: String, text: impl FnOnce() -> String) -> String {
        if self.json { json } else { text() }
    }

    /// Prints an answer: as it came, or as `text` has it.
    pub(crate) fn show<T: DeserializeOwned>(&self, told: Value, text: impl FnOnce(T) -> String) -> anyhow::Result<()> {
        if self.json {
            print(&format!("{told:#}"));
        } else {
            print(&text(serde_json::from_value(told).context("read the answer: is the router of this version?")?));
        }
        Ok(())
    }
}
