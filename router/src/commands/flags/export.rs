//! `sluice flags export [SET]`: the document of a set as the store has it.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::part;
use crate::admin::{AdminArgs, AdminClient};

/// Arguments of `sluice flags export`.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// Name of the set [default: the only one].
    #[arg(value_name = "SET")]
    set: Option<String>,
    #[command(flatten)]
    admin: AdminArgs,
}

#[derive(Debug, Deserialize)]
struct Set {
    name: String,
}

/// Asks and prints.
pub(super) fn export(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let client = args.admin.client()?;
    let set = match &args.set {
        Some(set) => set.clone(),
        None => the_only_one(&client)?,
    };
    let Some(document) = client.document(&format!("/v1/flagsets/{}", part(&set)))? else {
        bail!("no set of flags is named `{set}`: {}", known(&client)?);
    };
    // Byte for byte: it is a document for a file or a pipe, not a line for people.
    std::io::stdout().write_all(document.text.as_bytes()).context("write the document")?;
    Ok(ExitCode::SUCCESS)
}

fn the_only_one(client: &AdminClient) -> anyhow::Result<String> {
    let mut sets: Vec<Set> = client.get("/v1/flagsets")?;
    match (sets.pop(), sets.is_empty()) {
        (Some(set), true) => Ok(set.name),
        _ => bail!("say which set: {}", known(client)?),
    }
}

fn known(client: &AdminClient) -> anyhow::Result<String> {
    let sets: Vec<Set> = client.get("/v1/flagsets")?;
    let names: Vec<String> = sets.into_iter().map(|set| set.name).collect();
    Ok(if names.is_empty() { "there are none yet".to_owned() } else { format!("there are {}", names.join(", ")) })
}
