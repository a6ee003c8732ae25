//! A release as a service: its port, its command line, its environment.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use minijinja::{Environment, UndefinedBehavior};
use sluice_infra_host::{Releases, ServiceUnit};
use sluice_infra_spec::App;
use sluice_infra_spec::template::SECRET_NAMES;

use super::{Droplet, DropletError, file};
use crate::short;

/// User that apps run as.
const USER: &str = "sluice";
/// Where the secrets of services are, on the machine.
const SECRETS_FOLDER: &str = "/etc/sluice";
/// Beyond the time that requests may take to end, what the app may take to close its files.
const STOP_SECONDS_BESIDE: u64 = 5;

/// Name of the service of a release.
pub(super) fn service_name(app: &str, port: u16) -> String {
    format!("app-{app}-{port}")
}

/// The next port that is free: behind that of the newest release, in turns, so that none is taken again too soon.
pub(super) fn next_port(app: &App, address: IpAddr, releases: &Releases) -> Option<u16> {
    let port_of = |address: &str| address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    let taken: Vec<u16> = releases.running.iter().filter_map(|running| port_of(&running.address)).collect();
    let newest = taken.first().and_then(|port| port.checked_sub(app.port)).map_or(0, |offset| offset + 1);
    let turns = (0..App::PORTS).map(|turn| app.port.saturating_add((newest + turn) % App::PORTS));
    turns.into_iter().find(|port| !taken.contains(port) && TcpListener::bind((address, *port)).is_ok())
}

impl Droplet {
    /// The service that runs the release in this folder; its secrets are written beside it.
    pub(super) fn unit(&self, commit: &str, folder: &Path, port: u16) -> Result<ServiceUnit, DropletError> {
        let name = service_name(&self.app.name, port);
        let values = self.values(commit, port);
        let exec = self.app.run.iter().map(|word| render(word, &values)).collect::<Result<Vec<_>, _>>()?;
        let (mut env, mut secrets) = (BTreeMap::new(), String::new());
        for (variable, text) in &self.app.env {
            let value = render(text, &values)?;
            if SECRET_NAMES.iter().any(|secret| text.contains(secret)) {
                secrets.push_str(&format!("{variable}={}\n", value.replace(['\n', '\r'], " ")));
            } else {
                env.insert(variable.clone(), value);
            }
        }
        let env_file = format!("{SECRETS_FOLDER}/{name}.env");
        write_secrets(&self.layout.at(&env_file), &secrets).map_err(|source| file("write the environment", source))?;
        let drain_seconds = self.app.drain.as_secs().saturating_add(STOP_SECONDS_BESIDE);
        Ok(ServiceUnit {
            about: format!("{} {} on port {port}", self.app.name, short(commit)),
            name,
            exec: in_folder(exec, folder),
            env,
            env_file: Some(env_file),
            folder: Some(folder.display().to_string()),
            user: USER.to_owned(),
            restart: true,
            stop_seconds: u32::try_from(drain_seconds).unwrap_or(u32::MAX),
            restart_on: Vec::new(),
        })
    }

    /// Removes what [`Self::unit`] wrote.
    pub(super) fn remove_secrets(&self, service: &str) {
        // None is fine; one that stays is readable by root only, and written anew with the next release on its port.
        let _gone = fs::remove_file(self.layout.at(format!("{SECRETS_FOLDER}/{service}.env")));
    }

    /// What templates may name: [`sluice_infra_spec::template::NAMES`].
    fn values(&self, commit: &str, port: u16) -> BTreeMap<&'static str, String> {
        let config = &self.config;
        BTreeMap::from([
            ("address", config.address.to_string()),
            ("port", port.to_string()),
            ("variant", config.variant.clone().unwrap_or_default()),
            ("release", short(commit).to_owned()),
            ("droplet", config.droplet.clone()),
            ("redis_address", config.redis_address.to_string()),
            ("redis_port", config.redis_port.to_string()),
            ("redis_url", self.app_redis_url.clone()),
            ("fleet", config.fleet.clone()),
            ("shared", self.layout.shared(&self.app.name).display().to_string()),
        ])
    }

    /// Where a release on this port is reached.
    pub(super) fn address(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.config.address, port)
    }
}

fn render(text: &str, values: &BTreeMap<&'static str, String>) -> Result<String, DropletError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let rendered = environment.render_str(text, values);
    rendered.map_err(|source| DropletError::Template { text: text.to_owned(), source })
}

/// A program that the release brings is named by its path in it.
fn in_folder(mut exec: Vec<String>, folder: &Path) -> Vec<String> {
    if let Some(program) = exec.first_mut().filter(|program| program.contains('/')) {
        *program = folder.join(&*program).display().to_string();
    }
    exec
}

/// Only its owner may read it, from the first byte on.
fn write_secrets(path: &Path, text: &str) -> std::io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _gone => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sluice_infra_host::{Running, Standing};
    use sluice_infra_spec::template::NAMES;
    use sluice_infra_spec::{Health, Pipeline};

    use super::*;

    fn app(port: u16) -> App {
        let second = Duration::from_secs(1);
        App {
            name: "meow".into(),
            run: Vec::new(),
            env: BTreeMap::new(),
            health: Health { path: "/".into(), interval: second, timeout: second, healthy: 1, deadline: second },
            port,
            drain: second,
            keep_releases: 3,
            pipeline: Pipeline { steps: Vec::new(), artifacts: Vec::new(), branch: "main".into() },
        }
    }

    fn running(port: u16) -> Running {
        Running {
            lease: String::new(),
            commit: String::new(),
            address: format!("127.0.0.1:{port}"),
            service: service_name("meow", port),
            standing: Standing::Serving,
            started_ms: 0,
        }
    }

    #[test]
    fn ports_take_turns() {
        let address = IpAddr::from([127, 0, 0, 1]);
        // Whatever is free here is the first of a row.
        let free = TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port().min(u16::MAX - App::PORTS);
        let app = app(free);
        let first = next_port(&app, address, &Releases::default()).unwrap();
        let held = TcpListener::bind((address, first)).unwrap();
        let second = next_port(&app, address, &Releases::default()).unwrap();
        assert_ne!(first, second, "somebody listens there");
        let releases = Releases { running: vec![running(free + App::PORTS - 1), running(free)], ..Releases::default() };
        assert!(
            !releases.running.iter().any(|running| running.address.ends_with(&format!(":{second}")) && second == free)
        );
        assert_ne!(next_port(&app, address, &releases), Some(free), "an older release has it");
        drop(held);
        let all = Releases { running: (0..App::PORTS).map(|offset| running(free + offset)).collect(), ..releases };
        assert_eq!(next_port(&app, address, &all), None);
    }

    #[test]
    fn templates_name_what_is_documented_and_nothing_else() {
        let values: BTreeMap<&'static str, String> = NAMES.iter().map(|name| (*name, name.to_uppercase())).collect();
        for name in NAMES {
            assert_eq!(
                render(&format!("--x={{{{ {name} }}}}"), &values).unwrap(),
                format!("--x={}", name.to_uppercase())
            );
        }
        assert!(render("{{ password }}", &values).is_err());
        assert!(render("{{ half", &values).is_err());
    }

    #[test]
    fn programs_of_the_release_are_found_in_it() {
        let folder = Path::new("/srv/r");
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(in_folder(words(&["bin/meow", "a/b"]), folder), ["/srv/r/bin/meow", "a/b"]);
        assert_eq!(in_folder(words(&["node", "x.js"]), folder), ["node", "x.js"]);
        assert_eq!(in_folder(words(&["/usr/bin/node"]), folder), ["/usr/bin/node"]);
    }

    #[test]
    fn secrets_are_for_their_owner() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("etc/x.env");
        write_secrets(&path, "A=1\n").unwrap();
        write_secrets(&path, "A=2\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "A=2\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
