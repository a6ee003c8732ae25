//! One machine of a fleet, and everything that the machines of a fleet share.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use sluice_infra_host::remote::{Digest, sha256_of};
use sluice_infra_host::{AgentConfig, AgentSecrets, Manifest, Resource};
use sluice_infra_spec::{Pool, Role, Spec};

use crate::export::blank;
use crate::passwords::{Passwords, WeakPassword};
use crate::roles;
use crate::router_folder::{FolderFault, RouterFolder};

/// Our programs, as files of the operator's machine, built for the droplets' architecture.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `sluice-infra`: the agent.
    pub agent: PathBuf,
    /// `sluice`: the router.
    pub router: PathBuf,
}

/// What is read of the operator's machine.
#[derive(Clone, Debug)]
pub struct ReadSettings<'a> {
    /// The fleet.
    pub spec: &'a Spec,
    /// Folder of `infra.toml`.
    pub folder: &'a Path,
    /// Our programs.
    pub programs: &'a Programs,
    /// The password of Redis.
    pub redis_password: &'a str,
    /// What releases are sealed with, as 64 hex digits.
    pub deploy_key: &'a str,
}

/// Why nothing can be configured.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The password of Redis.
    #[error(transparent)]
    Password(#[from] WeakPassword),
    /// The routers' folder.
    #[error(transparent)]
    Folder(#[from] FolderFault),
    /// A program of ours is not there.
    #[error("{} cannot be read: `cargo build --bins` builds it", path.display())]
    Program {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What the machines of a fleet share.
#[derive(Clone, Debug)]
pub struct FleetFiles {
    pub(crate) spec: Spec,
    pub(crate) passwords: Passwords,
    pub(crate) deploy_key: DeployKeyText,
    pub(crate) agent: (PathBuf, Digest),
    pub(crate) router: (PathBuf, Digest),
    pub(crate) folder: RouterFolder,
}

/// The deploy key; never shown.
#[derive(Clone)]
pub(crate) struct DeployKeyText(pub(crate) String);

impl std::fmt::Debug for DeployKeyText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DeployKeyText(..)")
    }
}

/// One machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Name of its droplet.
    pub name: String,
    /// Its address among the droplets.
    pub address: IpAddr,
    /// What stands before every path of it; `/` but on the local cloud.
    pub root: PathBuf,
}

/// Those that it must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peers {
    /// The machine with Redis.
    pub redis: IpAddr,
}

/// What a machine should be, and the files that must lie on it for that.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// What it should be.
    pub manifest: Manifest,
    /// SHA-256 -> file here.
    pub blobs: BTreeMap<String, PathBuf>,
}

impl FleetFiles {
    /// Reads and checks what does not differ between machines. Blocks.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn read(settings: &ReadSettings<'_>) -> Result<Self, ReadError> {
        let passwords = Passwords::new(settings.redis_password)?;
        Self::with(settings.spec, settings.folder, settings.programs, passwords, settings.deploy_key)
    }

    /// The same with blanks in the places of secrets: for exports. Blocks.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn without_secrets(spec: &Spec, folder: &Path, programs: &Programs) -> Result<Self, ReadError> {
        Self::with(spec, folder, programs, Passwords::blank(), &blank::secret(blank::DEPLOY_KEY))
    }

    fn with(
        spec: &Spec,
        folder: &Path,
        programs: &Programs,
        passwords: Passwords,
        deploy_key: &str,
    ) -> Result<Self, ReadError> {
        let program = |path: &Path| match sha256_of(path) {
            Ok(digest) => Ok((path.to_owned(), digest)),
            Err(source) => Err(ReadError::Program { path: path.to_owned(), source }),
        };
        Ok(Self {
            passwords,
            deploy_key: DeployKeyText(deploy_key.to_owned()),
            agent: program(&programs.agent)?,
            router: program(&programs.router)?,
            folder: RouterFolder::read(&folder.join(&spec.router.folder))?,
            spec: spec.clone(),
        })
    }

    /// What a machine of this pool should be.
    ///
    /// # Errors
    /// [`FolderFault`] if a router would refuse its configuration.
    pub fn manifest(&self, pool: &Pool, machine: &Machine, peers: Peers) -> Result<Needs, FolderFault> {
        let mut needs = Needs::default();
        // Before anything else is made of it: a folder that a router would refuse is of no use to its machine.
        let is_router = pool.roles.contains(&Role::Router);
        let rendered = is_router.then(|| roles::rendered(self, machine, peers)).transpose()?;
        let traffic = rendered.as_ref().map(|rendered| rendered.traffic.clone());
        roles::common(self, pool, machine, peers, traffic, &mut needs);
        for role in &pool.roles {
            match role {
                Role::Redis => roles::redis(self, machine, &mut needs),
                Role::Router => {
                    if let Some(rendered) = &rendered {
                        roles::router(self, machine, rendered, &mut needs);
                    }
                }
                Role::App => roles::app(pool, &mut needs),
            }
        }
        // Last: it stands on everything else.
        roles::agent_service(&mut needs);
        Ok(needs)
    }

    /// What the programs of ours on a machine are told of it.
    pub(crate) fn agent_config(&self, pool: &Pool, machine: &Machine, peers: Peers) -> AgentConfig {
        AgentConfig {
            fleet: self.spec.fleet.clone(),
            droplet: machine.name.clone(),
            pool: pool.name.clone(),
            roles: pool.roles.clone(),
            size: pool.size.clone(),
            address: machine.address,
            metrics_port: self.spec.metrics_port,
            redis_address: peers.redis,
            redis_port: self.spec.redis.port,
            app: pool.app.as_deref().and_then(|name| self.spec.app(name)).cloned(),
            variant: pool.variant.clone(),
            traffic: None,
        }
    }

    /// Secrets of a machine: those of its own users alone.
    pub(crate) fn agent_secrets(&self, pool: &Pool) -> AgentSecrets {
        let user = if pool.roles.contains(&Role::App) { roles::APP_USER } else { roles::ROUTER_USER };
        AgentSecrets {
            redis_password: self.passwords.of(user),
            redis_user: user.to_owned(),
            app_password: pool.app.as_deref().map(|app| self.passwords.of(&roles::data_user(app))),
            deploy_key: pool.app.is_some().then(|| self.deploy_key.0.clone()),
        }
    }
}

impl Needs {
    pub(crate) fn add(&mut self, resource: Resource) {
        self.manifest.resources.push(resource);
    }

    /// A file that goes as a blob.
    pub(crate) fn add_blob(&mut self, path: &str, file: &Path, digest: &str, mode: u32) {
        self.blobs.insert(digest.to_owned(), file.to_owned());
        let content = sluice_infra_host::Content::Blob(digest.to_owned());
        self.add(Resource::File { path: path.to_owned(), content, owner: "root".to_owned(), mode });
    }
}
