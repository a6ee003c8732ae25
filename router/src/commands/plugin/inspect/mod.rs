//! `sluice plugin inspect FILE`: what a file is and wants, and whether a router would take it. Nothing of it runs, unless
//! `--init` says so.

mod grants;
mod report;
mod start;
mod text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::Value;
use sluice_policy::{Folders, Plugin};
use sluice_wasm::{Artifact, Engine};

use crate::commands::{check::faults, folders, print};
use crate::settings::FILE;
use crate::terminal::{Paint, tell};

use report::{Report, Use};

/// Arguments of `sluice plugin inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct InspectArgs {
    /// A plugin file, whole or broken.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The policy to hold it against: a folder of policy files, or one that holds routes.d or sluice.toml
    /// [default: ./routes.d, if there is one].
    #[arg(long, value_name = "DIR")]
    policy: Option<PathBuf>,
    /// Only as this plugin of the policy [default: every plugin that uses a file of this name].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Also start it, under its limits, and show what it takes part in.
    #[arg(long)]
    init: bool,
    /// Configuration to start it with, a JSON object [default: the policy's, or {}].
    #[arg(long, value_name = "JSON", requires = "init")]
    config: Option<String>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Looks, prints, and says by the exit code whether a router would take it.
pub(crate) fn inspect(args: &InspectArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.as_deref().map(object).transpose()?;
    let specs = specs(args)?;
    let engine = Engine::new().context("start the plugin engine")?;
    let (mut report, artifact) = Report::of_file(&engine, &args.file)?;
    if let Some(artifact) = artifact {
        report.uses = specs.iter().map(|spec| Use::of(&artifact, spec)).collect();
        if args.init {
            start_all(&mut report, &artifact, specs, config.as_ref());
        }
    }
    if args.json {
        print(&format!("{:#}", serde_json::to_value(&report)?));
    } else {
        print(&text::text(&report, Paint::stdout()));
    }
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Starts it as each plugin of the policy that it is; else with everything that it needs.
fn start_all(report: &mut Report, artifact: &Artifact, specs: Vec<Plugin>, config: Option<&Value>) {
    let with_config = |mut spec: Plugin| {
        spec.config = config.cloned().unwrap_or(spec.config);
        spec
    };
    if specs.is_empty() {
        let mut spec = Plugin::new(artifact.manifest().name.clone(), report.file.clone());
        spec.grants = artifact.manifest().needs.as_grants();
        report.started = Some(start::start(artifact, &with_config(spec)));
    }
    for (using, spec) in report.uses.iter_mut().zip(specs) {
        using.started = Some(start::start(artifact, &with_config(spec)));
    }
}

/// The plugins of the policy that the file is to be; none without a policy.
fn specs(args: &InspectArgs) -> anyhow::Result<Vec<Plugin>> {
    let Some(routes) = routes(args.policy.as_deref())? else {
        if let Some(name) = &args.name {
            bail!("find the plugin {name}: there is no policy here\n  hint: say where one is with --policy DIR");
        }
        return Ok(Vec::new());
    };
    let policy = match sluice_control::read_policy(&routes) {
        Ok(policy) => policy,
        Err(found) => {
            tell(&mut std::io::stderr(), &faults(&found, Paint::stdout()));
            bail!("the policy in {} is faulty, so it grants nothing yet", routes.display());
        }
    };
    let file = args.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let is_meant = |plugin: &Plugin| args.name.as_ref().map_or(plugin.file == file, |name| plugin.name == *name);
    let names: Vec<String> = policy.plugins.iter().map(|plugin| plugin.name.clone()).collect();
    let specs: Vec<Plugin> = policy.plugins.into_iter().filter(is_meant).collect();
    match &args.name {
        Some(name) if specs.is_empty() => {
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            bail!("no plugin of {} is named {name}; there is {known}", routes.display())
        }
        _ => Ok(specs),
    }
}

/// The folder of policy files that is meant.
fn routes(policy: Option<&Path>) -> anyhow::Result<Option<PathBuf>> {
    let default = Folders::default().routes;
    match policy {
        None => Ok(Some(default).filter(|routes| routes.is_dir())),
        Some(path) if path.is_dir() && !path.join(FILE).exists() && !path.join(&default).is_dir() => {
            Ok(Some(path.to_owned()))
        }
        Some(path) => Ok(Some(folders(path)?.routes)),
    }
}

fn object(text: &str) -> anyhow::Result<Value> {
    let value: Value = serde_json::from_str(text).context("read --config")?;
    if value.is_object() { Ok(value) } else { bail!("read --config: write a JSON object, such as '{{\"limit\":5}}'") }
}
