//! A secret with a marker is looked for everywhere: it is where it belongs, and nowhere else.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use sluice_tests::fleet::Fleet;
use tokio::task::spawn_blocking;

use super::{PASSWORD, fleet, only};

/// One droplet is everything.
pub(super) const ALL_IN_ONE: &str = r#"
[fleet]
name = "cats"

[pools.all]
roles = ["redis", "router", "app"]
app = "meow"
variant = "stable"
"#;
/// A token that no command needs here, and none may pass on.
const TOKEN: &str = "dop_v1_ConfigureMarker";
/// Programs are long and hold no secret of a fleet.
const PASSED_OVER: [&str; 2] = ["blobs", "bin"];

/// Looks into the arguments of all processes again and again; what it found of these.
fn arguments_with(markers: &[String], stop: &AtomicBool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    while !stop.load(Ordering::Relaxed) {
        for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line);
            if markers.iter().any(|marker| line.contains(marker)) {
                found.insert(line.replace('\0', " "));
            }
        }
        std::thread::yield_now();
    }
    found
}

/// The files below a folder that hold one of these.
fn files_with(folder: &Path, markers: &[String], found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("look into {}", folder.display()))? {
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, entry.path());
        if kind.is_dir() {
            if !PASSED_OVER.iter().any(|name| entry.file_name() == *name) {
                files_with(&path, markers, found)?;
            }
        } else if kind.is_file() {
            let text = std::fs::read(&path)?;
            if markers.iter().any(|marker| text.windows(marker.len()).any(|part| part == marker.as_bytes())) {
                found.push(path);
            }
        }
    }
    Ok(())
}

/// Runs what operators run; everything that was printed.
async fn told(fleet: &Fleet) -> Result<String> {
    let mut told = String::new();
    let commands: [&[&str]; 11] = [
        &["plan"],
        &["plan", "--json"],
        &["up", "--yes", "--json"],
        &["configure"],
        &["configure", "--dry-run", "--json"],
        &["status", "--json"],
        &["audit", "--json"],
        &["audit", "--journal", "--json"],
        &["export", "ansible"],
        &["export", "cloud-init"],
        &["export", "terraform", "--json"],
    ];
    for command in commands {
        let ended = fleet.run(command).await?;
        assert!([0, 2].contains(&ended.code), "{command:?}: {ended:?}");
        told.push_str(&ended.stdout);
        told.push_str(&ended.stderr);
    }
    Ok(told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn infra_configure_secrets_are_where_they_belong_and_nowhere_else() -> Result<()> {
    let fleet = fleet(ALL_IN_ONE)?.env("DIGITALOCEAN_TOKEN", TOKEN).env("RUST_LOG", "debug");
    // The seal of releases, known beforehand so that arguments are held to it from the first moment on.
    let key = "5ea1".repeat(16);
    fleet.write(".sluice-infra/deploy.key", &key)?;
    std::fs::set_permissions(fleet.folder().join(".sluice-infra/deploy.key"), std::fs::Permissions::from_mode(0o600))?;
    let mut markers = vec![PASSWORD.to_owned(), TOKEN.to_owned(), key];
    let stop = Arc::new(AtomicBool::new(false));
    let watch = spawn_blocking({
        let (markers, stop) = (markers.clone(), Arc::clone(&stop));
        move || arguments_with(&markers, &stop)
    });
    let told = told(&fleet).await;
    stop.store(true, Ordering::Relaxed);
    assert_eq!(watch.await?, BTreeSet::new(), "in arguments");
    let told = told?;

    // The passwords that are made of it are secrets as well.
    let droplet = only(&fleet, "all")?;
    let kept = droplet.at("/etc/sluice/secrets.json");
    let secrets: serde_json::Value = serde_json::from_slice(&std::fs::read(&kept)?)?;
    for name in ["redis_password", "app_password", "deploy_key"] {
        markers.push(secrets[name].as_str().with_context(|| format!("{name} reached the droplet"))?.to_owned());
    }
    let router = std::fs::read_to_string(droplet.at("/etc/sluice/router.env"))?;
    markers.push(router.trim().strip_prefix("SLUICE_REDIS_PASSWORD=").context("the router's password")?.to_owned());
    for marker in &markers {
        assert!(!told.contains(marker), "a secret was printed");
    }
    let mut found = Vec::new();
    files_with(fleet.folder(), &markers, &mut found)?;
    let wanted =
        BTreeSet::from([fleet.folder().join(".sluice-infra/deploy.key"), droplet.at("/etc/sluice/router.env"), kept]);
    for file in &wanted {
        assert_eq!(std::fs::metadata(file)?.permissions().mode() & 0o7777, 0o600, "{}", file.display());
    }
    assert_eq!(BTreeSet::from_iter(found), wanted);
    Ok(())
}
