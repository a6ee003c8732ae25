//! systemd as an [`Init`]: unit files below `/etc/systemd/system`, and `systemctl`.

mod text;

use std::io;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use tokio::process::Command;
use tokio::time::timeout;

use crate::init::{Init, InitError, ServiceStatus};
use crate::layout::Layout;
use crate::manifest::ServiceUnit;
use crate::unit;

/// Longest that systemctl may take: it waits for the end of a service, whose time is its unit's, an hour at most.
const CALL_MAX: Duration = Duration::from_secs(3700);
/// Most lines of a log in one answer.
const LOG_LINES_MAX: usize = 10_000;

/// The unit file that a service gets.
#[must_use]
pub fn unit_file(unit: &ServiceUnit) -> String {
    text::render(unit)
}

/// The systemd of this machine.
#[derive(Clone, Debug)]
pub struct Systemd {
    layout: Layout,
}

impl Systemd {
    /// With unit files below this root.
    #[must_use]
    pub const fn new(layout: Layout) -> Self {
        Self { layout }
    }

    fn file(&self, name: &str) -> Result<PathBuf, InitError> {
        unit::check_name(name).map_err(|message| refused(name, message))?;
        Ok(self.layout.at("/etc/systemd/system").join(format!("{name}.service")))
    }

    fn read(&self, name: &str) -> Result<Option<String>, InitError> {
        let path = self.file(name)?;
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(refused(name, format!("{} cannot be read: {error}", path.display()))),
        }
    }
}

#[async_trait]
impl Init for Systemd {
    async fn install(&self, unit: &ServiceUnit) -> Result<bool, InitError> {
        unit::check(unit).map_err(|message| refused(&unit.name, message))?;
        let text = text::render(unit);
        if self.read(&unit.name)?.is_some_and(|installed| installed == text) {
            return Ok(false);
        }
        let path = self.file(&unit.name)?;
        let unfinished = path.with_extension("service.new");
        let written = std::fs::write(&unfinished, text).and_then(|()| std::fs::rename(&unfinished, &path));
        written.map_err(|error| refused(&unit.name, format!("{} cannot be written: {error}", path.display())))?;
        run(&unit.name, "systemctl", &["daemon-reload"]).await?;
        Ok(true)
    }

    async fn installed(&self, name: &str) -> Result<Option<ServiceUnit>, InitError> {
        Ok(self.read(name)?.as_deref().and_then(text::parse))
    }

    async fn remove(&self, name: &str) -> Result<(), InitError> {
        let path = self.file(name)?;
        if self.read(name)?.is_none() {
            return Ok(());
        }
        self.stop(name).await?;
        std::fs::remove_file(&path)
            .map_err(|error| refused(name, format!("{} cannot be removed: {error}", path.display())))?;
        run(name, "systemctl", &["daemon-reload"]).await?;
        Ok(())
    }

    async fn start(&self, name: &str) -> Result<(), InitError> {
        let service = format!("{name}.service");
        self.file(name)?;
        // A service that was given up counts its new starts from zero, as with the supervisor.
        run(name, "systemctl", &["reset-failed", &service]).await.ok();
        run(name, "systemctl", &["enable", "--now", &service]).await.map(drop)
    }

    async fn stop(&self, name: &str) -> Result<(), InitError> {
        self.file(name)?;
        run(name, "systemctl", &["disable", "--now", &format!("{name}.service")]).await.map(drop)
    }

    async fn status(&self, name: &str) -> Result<ServiceStatus, InitError> {
        self.file(name)?;
        let service = format!("{name}.service");
        let properties = "--property=LoadState,ActiveState,SubState,MainPID,Result,ExecMainStatus";
        let shown = run(name, "systemctl", &["show", &service, properties]).await?;
        Ok(text::status(&String::from_utf8_lossy(&shown.stdout)))
    }

    async fn log(&self, name: &str, lines_max: usize) -> Result<Vec<String>, InitError> {
        self.file(name)?;
        let (service, lines) = (format!("{name}.service"), lines_max.min(LOG_LINES_MAX).to_string());
        let arguments = ["--unit", &service, "--lines", &lines, "--output", "cat", "--no-pager", "--quiet"];
        let output = run(name, "journalctl", &arguments).await?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(ToOwned::to_owned).collect())
    }
}

fn refused(service: &str, message: String) -> InitError {
    InitError::Refused { service: service.to_owned(), message }
}

/// Runs a program of systemd; a status other than 0 is a refusal with what it says.
async fn run(service: &str, program: &str, arguments: &[&str]) -> Result<Output, InitError> {
    let away = |message: String| InitError::Away { init: "systemd", message };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(CALL_MAX, command.output()).await.map_err(|_| away(format!("{program} does not end")))?;
    let output = output.map_err(|error| away(format!("{program} cannot be run: {error}")))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(refused(service, String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}
