//! `doctor`: is everything there that `up` needs? Looks and changes nothing.
//!
//! Every look is a line, `ok`, `warn` or `fail`, with what to do about it; one that fails stops no other, so that all is said
//! at once.

mod account;
mod catalogue;
mod machine;
mod report;

use std::process::ExitCode;

use sluice_infra_spec::{CloudSpec, Spec};

use crate::context::Context;
use crate::{clouds, print, runtime};
use report::Report;

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice-infra doctor
  sluice-infra doctor --json | jq '.checks[] | select(.state != \"ok\")'

Exit code 1 if a check failed. Warnings are no failure.")]
pub(crate) struct Args {}

/// Looks and prints.
pub(crate) fn run(_args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let mut report = Report::default();
    runtime::block_on(async {
        machine::everywhere(&mut report);
        match context.spec() {
            Ok(spec) => of_fleet(context, &spec, &mut report).await,
            Err(error) => report.fail("file", format!("{error:#}"), "`sluice-infra init` writes a first one"),
        }
        Ok(())
    })?;
    if context.json() {
        print::document(&report)?;
    } else {
        print::text(&report.lines(print::Paint::of_stdout()))?;
    }
    Ok(if report.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn of_fleet(context: &Context, spec: &Spec, report: &mut Report) {
    let file = context.file().display();
    report.ok("file", format!("{file}: fleet {}, {} pools, {} apps", spec.fleet, spec.pools.len(), spec.apps.len()));
    let folder = context.folder().join(&spec.router.folder);
    if folder.join("sluice.toml").is_file() {
        report.ok("routers", format!("{} holds sluice.toml", folder.display()));
    } else {
        let text = format!("{} holds no sluice.toml", folder.display());
        report.fail("routers", text, "`sluice-infra init` writes a first one");
    }
    match context.secret(spec, &spec.redis.password) {
        Ok(_) => report.ok("secrets", "the password of Redis is there"),
        Err(error) => report.fail("secrets", format!("the password of Redis: {error:#}"), "see docs/infra.md, Secrets"),
    }
    if spec.cloud == CloudSpec::Local {
        machine::local_cloud(report);
    }
    if spec.age.is_some() {
        machine::age(report);
    }
    match clouds::open(context, spec).await {
        Ok(cloud) => {
            if account::check(&*cloud, spec, report).await {
                catalogue::check(&*cloud, spec, report).await;
            }
        }
        Err(error) => report.fail("cloud", format!("{error:#}"), "see docs/infra-clouds.md"),
    }
    if let Ok(Some(client)) = clouds::digitalocean(context, spec) {
        account::of_digitalocean(&client, report).await;
    }
}
