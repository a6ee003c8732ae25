//! `init`: a first infra.toml and the routers' folder, as files that one reads and edits.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use sluice_document::Source;

use crate::context::Context;

const INFRA: &str = include_str!("infra.toml");
const PROCESS: &str = include_str!("sluice.toml");
const ROUTES: &str = include_str!("routes.toml");
/// The folder of the routers, beside `infra.toml`.
const ROUTER: &str = "router";
/// State and keys are this operator's alone.
const IGNORED: &str = "/.sluice-infra/\n/key.txt\n*.password\n";
/// The plugins that the policy names.
const PLUGINS: [&str; 3] = ["feature-flags.wasm", "canary.wasm", "upload-alert.wasm"];

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice-infra init                                 try everything on this machine
  sluice-infra init --cloud digitalocean --app shop --kind node
  sluice-infra init --plugins target/plugins        with the plugins that `cargo xtask plugins` built

Then: export SLUICE_REDIS_PASSWORD=\"$(openssl rand -hex 16)\"; sluice-infra plan; sluice-infra up")]
pub(crate) struct Args {
    /// Name of the fleet: prefix of names and tags
    #[arg(long, value_name = "NAME", default_value = "demo")]
    name: String,

    /// Where droplets come from
    #[arg(long, value_enum, default_value_t = Cloud::Local)]
    cloud: Cloud,

    /// Name of the app
    #[arg(long, value_name = "NAME", default_value = "meow")]
    app: String,

    /// What the app is made with; the gates of its pipeline follow
    #[arg(long, value_enum, default_value_t = Kind::Cargo)]
    kind: Kind,

    /// Folder with the built plugins, which are copied
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Cloud {
    /// Processes of this machine.
    Local,
    /// `sluice-infra sim serve`.
    Simulator,
    /// DigitalOcean, with the token in DIGITALOCEAN_TOKEN.
    Digitalocean,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Rust: cargo build, test, clippy.
    Cargo,
    /// Node: npm ci, npm test, eslint.
    Node,
}

impl Cloud {
    const fn lines(self) -> &'static str {
        match self {
            Self::Local => {
                "# Processes of this machine. `simulator`: `sluice-infra sim serve`. `digitalocean`: with a token.\n[cloud]\nkind = \"local\""
            }
            Self::Simulator => "# What `sluice-infra sim serve` simulates.\n[cloud]\nkind = \"simulator\"",
            Self::Digitalocean => "[cloud]\nkind = \"digitalocean\"\ntoken = { env = \"DIGITALOCEAN_TOKEN\" }",
        }
    }
}

/// What differs between kinds of apps.
struct Parts {
    run: &'static str,
    env: &'static str,
    health: &'static str,
    artifacts: &'static str,
    steps: &'static str,
}

impl Kind {
    const fn parts(self) -> Parts {
        match self {
            Self::Cargo => Parts {
                run: "[\"target/release/@APP@\", \"--listen\", \"{{ address }}:{{ port }}\", \"--release\", \"{{ variant }}\"]",
                env: "{ MEOW_DATA = \"{{ redis_url }}\", MEOW_EDGE = \"{{ fleet }}\" }",
                health: "/recent",
                artifacts: "[\"target/release/@APP@\"]",
                steps: "    { name = \"build\", run = \"cargo build --release --locked\" },\n    \
                        { name = \"test\", run = \"cargo test --locked\" },\n    \
                        { name = \"lint\", run = \"cargo clippy --locked -- -D warnings\" },",
            },
            Self::Node => Parts {
                run: "[\"node\", \"server.js\"]",
                env: "{ HOST = \"{{ address }}\", PORT = \"{{ port }}\", RELEASE = \"{{ release }}\", VARIANT = \"{{ variant }}\" }",
                health: "/healthz",
                artifacts: "[]",
                steps: "    { name = \"build\", run = \"npm ci\" },\n    \
                        { name = \"test\", run = \"npm test\" },\n    \
                        { name = \"lint\", run = \"npx eslint .\" },",
            },
        }
    }
}

/// Writes them, never over what is there.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let folder = context.folder();
    let infra = infra(args);
    let file = context.file().display().to_string();
    // What this program writes, it also takes; a slip in a name has its place.
    sluice_infra_spec::parse(&Source { file, text: infra.clone() })?;
    let routes = ROUTES.replace("@APP@", &args.app);
    let router = folder.join(ROUTER);
    let files = [
        (context.file().to_owned(), infra),
        (router.join("sluice.toml"), PROCESS.to_owned()),
        (router.join("routes.d/app.toml"), routes),
        (folder.join(".gitignore"), IGNORED.to_owned()),
    ];
    let there: Vec<String> =
        files.iter().filter(|(path, _)| path.exists()).map(|(path, _)| path.display().to_string()).collect();
    ensure!(there.is_empty(), "{} is there already, and is not written over: choose another folder", there.join(", "));
    for (path, text) in &files {
        write(path, text)?;
        context.say(&format!("wrote {}", path.display()));
    }
    let plugins = router.join("plugins.d");
    fs::create_dir_all(&plugins).with_context(|| format!("create {}", plugins.display()))?;
    match &args.plugins {
        Some(built) => copy_plugins(built, &plugins)?,
        None => context.say(&format!("put {} into {}", PLUGINS.join(", "), plugins.display())),
    }
    context.say("next: export SLUICE_REDIS_PASSWORD=\"$(openssl rand -hex 16)\"; sluice-infra plan; sluice-infra up");
    Ok(ExitCode::SUCCESS)
}

fn infra(args: &Args) -> String {
    let Parts { run, env, health, artifacts, steps } = args.kind.parts();
    let text = INFRA
        .replace("@CLOUD@", args.cloud.lines())
        .replace("@RUN@", run)
        .replace("@ENV@", env)
        .replace("@HEALTH@", health)
        .replace("@ARTIFACTS@", artifacts)
        .replace("@STEPS@", steps);
    text.replace("@NAME@", &args.name).replace("@APP@", &args.app).replace("@ROUTER@", ROUTER)
}

/// Fails if the file came to be in the meantime.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let shown = path.display();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("create the folder of {shown}"))?;
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).open(path).with_context(|| format!("create {shown}"))?;
    file.write_all(text.as_bytes()).with_context(|| format!("write {shown}"))
}

fn copy_plugins(built: &Path, plugins: &Path) -> anyhow::Result<()> {
    for name in PLUGINS {
        let from = built.join(name);
        fs::copy(&from, plugins.join(name))
            .with_context(|| format!("copy {}: `cargo xtask plugins` builds it", from.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(name: &str, cloud: Cloud, app: &str, kind: Kind) -> Args {
        Args { name: name.into(), cloud, app: app.into(), kind, plugins: None }
    }

    #[test]
    fn what_it_writes_is_sound() {
        for cloud in [Cloud::Local, Cloud::Simulator, Cloud::Digitalocean] {
            for kind in [Kind::Cargo, Kind::Node] {
                let text = infra(&args("demo", cloud, "shop", kind));
                let source = Source { file: "infra.toml".into(), text };
                let spec = sluice_infra_spec::parse(&source).unwrap_or_else(|faults| panic!("{faults}"));
                assert_eq!((spec.fleet.as_str(), spec.pools.len(), spec.apps[0].name.as_str()), ("demo", 3, "shop"));
            }
        }
    }

    #[test]
    fn a_name_that_is_none_is_a_fault_of_its_place() {
        let text = infra(&args("My Fleet", Cloud::Local, "shop", Kind::Node));
        let faults = sluice_infra_spec::parse(&Source { file: "infra.toml".into(), text }).unwrap_err();
        assert!(faults.to_string().contains("`My Fleet` is no part of a host name"), "{faults}");
    }
}
