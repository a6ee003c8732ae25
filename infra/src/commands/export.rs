//! `export`: the fleet for other tools, from the same manifests, so that nobody is locked in.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::ValueEnum;
use sluice_infra_configure::FleetFiles;
use sluice_infra_configure::export::{self, Files, Known, Provisioned};
use sluice_infra_plan::{firewalls, tags};

use crate::configured::programs;
use crate::context::Context;
use crate::deployment::reach;
use crate::session::Session;
use crate::{clouds, print, runtime};

/// Folder beside `infra.toml` with a folder for each format.
const FOLDER: &str = "export";

/// As typed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice-infra export ansible                 export/ansible: inventory.yml, playbook.yml, templates, secrets.sh
  sluice-infra export cloud-init              export/cloud-init: a #cloud-config for each pool, blobs.txt
  sluice-infra export terraform --out tf      tf/main.tf.json: droplets, tags, firewalls

No file holds a secret: Ansible reads them from the environment, cloud-init has blanks for them.")]
pub(crate) struct Args {
    /// For which tool
    #[arg(value_enum)]
    format: Format,

    /// Folder for the files; what it holds of other names stays
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Inventory, playbook and templates.
    Ansible,
    /// User-data for each pool.
    CloudInit,
    /// Droplets, tags and firewalls of the provider digitalocean.
    Terraform,
}

impl Format {
    const fn folder(self) -> &'static str {
        match self {
            Self::Ansible => "ansible",
            Self::CloudInit => "cloud-init",
            Self::Terraform => "terraform",
        }
    }
}

/// Writes the files and says which.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let files = runtime::block_on(async {
        let session = Session::to_read(context, "export").await?;
        Ok(match args.format {
            Format::Ansible => {
                let identity = std::path::absolute(&session.keys.identity).context("find the current folder")?;
                let known = known(context, &session).await?;
                export::ansible(&fleet(context, &session)?, &known, &identity.display().to_string())?
            }
            Format::CloudInit => export::cloud_init(&fleet(context, &session)?)?,
            Format::Terraform => terraform(&session),
        })
    })?;
    let folder = args.out.clone().unwrap_or_else(|| context.folder().join(FOLDER).join(args.format.folder()));
    write(&folder, &files)?;
    if context.json() {
        print::document(&serde_json::json!({ "folder": folder, "files": files.keys().collect::<Vec<_>>() }))?;
    } else {
        context.say(&format!("wrote {} files to {}", files.len(), folder.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// The manifests, without any secret.
fn fleet(context: &Context, session: &Session) -> anyhow::Result<FleetFiles> {
    let mut programs = programs()?;
    // Other tools run elsewhere: their paths are absolute.
    for program in [&mut programs.agent, &mut programs.router] {
        *program = std::path::absolute(&*program).context("find the current folder")?;
    }
    let folder = std::path::absolute(context.folder()).context("find the current folder")?;
    Ok(FleetFiles::without_secrets(&session.spec, &folder, &programs)?)
}

/// The machines that there are.
async fn known(context: &Context, session: &Session) -> anyhow::Result<Vec<Known>> {
    let fleet = &session.spec.fleet;
    let mut known = Vec::new();
    for droplet in session.cloud.droplets(&tags::fleet(fleet)).await? {
        let address = droplet.private_address.or(droplet.public_address);
        // One without an address is on its way, and stands among the planned ones.
        let (Some(pool), Some(address)) = (tags::value(&droplet.tags, fleet, "pool"), address) else { continue };
        let ssh = reach(context, session, &droplet)?;
        let at = ssh.settings();
        known.push(Known {
            name: droplet.name.clone(),
            pool: pool.to_owned(),
            address,
            host: at.host.clone(),
            port: at.port,
            user: at.user.clone(),
            root: at.root.clone(),
        });
    }
    Ok(known)
}

fn terraform(session: &Session) -> Files {
    let spec = &session.spec;
    let user_data = clouds::user_data(spec, &session.keys.public);
    let walls = firewalls::of_fleet(spec);
    let made = Provisioned { firewalls: &walls, user_data: &user_data, public_key: &session.keys.public };
    let tags_of = |pool: &sluice_infra_spec::Pool| {
        let data = user_data.get(&pool.name).map(String::as_str).unwrap_or_default();
        tags::of_pool(&spec.fleet, pool, data)
    };
    export::terraform(spec, &made, tags_of)
}

fn write(folder: &Path, files: &Files) -> anyhow::Result<()> {
    for (name, text) in files {
        let path = folder.join(name);
        let shown = path.display();
        std::fs::create_dir_all(path.parent().unwrap_or(folder))
            .with_context(|| format!("make the folder of {shown}"))?;
        std::fs::write(&path, text).with_context(|| format!("write {shown}"))?;
    }
    Ok(())
}
