//! `deploy`: a commit through its gates and onto every droplet of its app; `deploy init` makes commits do that by themselves.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use sluice_infra_deploy::operator::hook::{self, HookSettings, Installed};
use sluice_infra_deploy::operator::{self, DeployError, Order, Source};
use sluice_infra_deploy::short;
use sluice_infra_spec::{CloudSpec, Secret, Spec};

use crate::context::Context;
use crate::deployment;
use crate::print;
use crate::runtime::block_on;
use crate::session::Session;

/// Most that is read of what git tells a hook: a push of a thousand branches.
const UPDATES_BYTES_MAX: u64 = 256 * 1024;

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice-infra deploy init ~/src/meow                      from now on a commit there deploys
  sluice-infra deploy run meow                             the commit that is checked out here
  sluice-infra deploy run meow v1.2 --canary-only          then look at it, then `sluice-infra promote meow`")]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Take a commit through its gates and onto the droplets, canaries first
    Run(RunArgs),
    /// Install a hook, so that each commit (or push to a bare repository) deploys
    Init(InitArgs),
    /// What that hook runs
    #[command(hide = true)]
    Hook(HookArgs),
}

#[derive(Debug, clap::Args)]
struct Place {
    /// The repository; in a work tree, the folder of the app in it
    #[arg(long, value_name = "DIR", default_value = ".")]
    repository: PathBuf,

    /// Folder of the app below that
    #[arg(long, value_name = "DIR")]
    folder: Option<String>,
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    /// The app
    app: String,

    /// What to deploy: a commit, branch or tag
    #[arg(default_value = "HEAD")]
    commit: String,

    #[command(flatten)]
    place: Place,

    /// Leave production as it is, for `promote`
    #[arg(long)]
    canary_only: bool,
}

#[derive(Debug, clap::Args)]
struct InitArgs {
    /// The repository; in a work tree, the folder of the app in it
    #[arg(value_name = "DIR", default_value = ".")]
    repository: PathBuf,

    /// The app; none is needed where there is only one
    #[arg(long)]
    app: Option<String>,

    /// Folder of the app below that
    #[arg(long, value_name = "DIR")]
    folder: Option<String>,
}

#[derive(Debug, clap::Args)]
struct HookArgs {
    app: String,

    #[arg(long)]
    folder: Option<String>,

    /// What was pushed is told on standard input
    #[arg(long)]
    pushed: bool,
}

/// Does what was typed.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Run(args) => block_on(async {
            let source = Source::open(&args.place.repository, args.place.folder.as_deref()).await?;
            deploy(context, &args.app, &source, &args.commit, args.canary_only).await
        }),
        What::Init(args) => block_on(init(args, context)),
        What::Hook(args) => block_on(hooked(args, context)),
    }
}

async fn deploy(
    context: &Context,
    app: &str,
    source: &Source,
    revision: &str,
    canary_only: bool,
) -> anyhow::Result<ExitCode> {
    let session = Session::to_read(context, "deploy").await?;
    let app = deployment::app(&session.spec, Some(app))?;
    let targets = deployment::targets(context, &session, app, None).await?;
    let key = deployment::key(context)?;
    let order = Order {
        fleet: &session.spec.fleet,
        app,
        source,
        revision,
        state: &context.state_folder(),
        key: &key,
        secrets: &secrets(&session.spec),
        who: &sluice_infra_plan::lock::who(),
        canary_only,
    };
    let what = format!("{} {revision}", app.name);
    let work =
        async { operator::run(order, &targets, &|line| context.say(line)).await.map_err(|error| told(context, error)) };
    let report = session
        .audited(&what, work, |report| {
            let droplets: Vec<String> =
                report.droplets.iter().map(|one| format!("{} {:?}", one.droplet, one.outcome)).collect();
            format!("{}: {}", short(&report.commit), droplets.join("; "))
        })
        .await?;
    if context.json() {
        print::document(&report)?;
    }
    context.say(&format!("release {} of {}", short(&report.release), short(&report.commit)));
    deployment::show(context, &report.droplets)
}

/// What a failed gate printed was shown as it came; here is where all of it is.
fn told(context: &Context, error: DeployError) -> anyhow::Error {
    if let DeployError::Gate { last, .. } = &error {
        last.iter().next_back().into_iter().for_each(|line| context.say(line));
    }
    error.into()
}

/// Names of the environment variables that hold secrets of ours.
fn secrets(spec: &Spec) -> Vec<String> {
    let token = match &spec.cloud {
        CloudSpec::DigitalOcean { token, .. } => Some(token),
        CloudSpec::Local | CloudSpec::Simulator { .. } => None,
    };
    let all = token.into_iter().chain([&spec.redis.password]);
    all.filter_map(|secret| if let Secret::Env(name) = secret { Some(name.clone()) } else { None }).collect()
}

async fn init(args: &InitArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let spec = context.spec()?;
    let app = deployment::app(&spec, args.app.as_deref())?;
    let source = Source::open(&args.repository, args.folder.as_deref()).await?;
    let program = std::env::current_exe().context("find this program's own file")?;
    let file = std::path::absolute(context.file()).context("find the current folder")?;
    let settings = HookSettings { program: &program, file: &file, app: &app.name };
    match hook::install(&source, settings).await? {
        Installed::New(hook) => {
            context.say(&format!("Commits on `{}` deploy {}: {}", app.pipeline.branch, app.name, hook.display()))
        }
        Installed::Already(hook) => context.say(&format!("{} does that already", hook.display())),
        Installed::Foreign { hook, line } => {
            bail!("{} is not ours and is left as it is; add this line to it:\n  {line}", hook.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A commit, or a push to a bare repository. What is not to be deployed is said and is no fault.
async fn hooked(args: &HookArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let spec = context.spec()?;
    let app = deployment::app(&spec, Some(&args.app))?;
    let branch = app.pipeline.branch.as_str();
    let place = std::env::current_dir().context("find the current folder")?;
    let source = Source::open(&place, args.folder.as_deref()).await?;
    let (old, new) = if args.pushed {
        let mut updates = String::new();
        std::io::stdin().take(UPDATES_BYTES_MAX).read_to_string(&mut updates).context("read what was pushed")?;
        let Some((old, new)) = hook::pushed(&updates, branch) else { return Ok(ExitCode::SUCCESS) };
        (old.to_owned(), new.to_owned())
    } else {
        if source.branch().await?.as_deref() != Some(branch) {
            context.say(&format!("{}: commits on `{branch}` are deployed; this is none", app.name));
            return Ok(ExitCode::SUCCESS);
        }
        ("HEAD^".to_owned(), source.resolve("HEAD").await?)
    };
    if !source.is_changed(&old, &new).await? {
        context.say(&format!("{}: nothing of it changed", app.name));
        return Ok(ExitCode::SUCCESS);
    }
    deploy(context, &app.name, &source, &new, false).await
}
