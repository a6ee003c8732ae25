//! Converging a root that is a folder: a second run changes nothing, drift of each kind is found and made good, nothing
//! secret is shown.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail it by a panic")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use sluice_infra_host::converge::{ConvergeError, Mode, Report, converge};
use sluice_infra_host::remote::sha256_of;
use sluice_infra_host::{Content, Layout, Manifest, Resource, init};

const MARKER: &str = "geheim-4711";

fn file(path: &str, content: Content, mode: u32) -> Resource {
    Resource::File { path: path.into(), content, owner: "root".into(), mode }
}

/// One of each kind that needs neither root nor an init, and the blob that one of them names.
fn manifest(layout: &Layout) -> Manifest {
    let blob = layout.at("/blob");
    fs::write(&blob, "program").unwrap();
    let digest = sha256_of(&blob).unwrap();
    fs::create_dir_all(layout.blobs()).unwrap();
    fs::rename(&blob, layout.blobs().join(&digest)).unwrap();
    let resources = vec![
        Resource::Package { name: "git".into(), program: "git".into() },
        Resource::User { name: "sluice".into(), home: "/srv/sluice".into() },
        Resource::Folder { path: "/etc/sluice/router".into(), owner: "root".into(), mode: 0o750 },
        Resource::OnlyFiles {
            folder: "/etc/sluice/router".into(),
            names: BTreeSet::from(["a.toml".into(), "key".into()]),
        },
        file("/etc/sluice/router/a.toml", Content::Text("a = 1\n".into()), 0o644),
        file("/etc/sluice/router/key", Content::Secret(MARKER.into()), 0o600),
        file("/opt/sluice/bin/program", Content::Blob(digest), 0o755),
        Resource::Repository { app: "meow".into() },
    ];
    Manifest { resources }
}

async fn run(layout: &Layout, manifest: &Manifest, mode: Mode) -> Report {
    let report = converge(layout, init::of_this_machine(layout).as_ref(), manifest, mode).await.unwrap();
    assert!(!serde_json::to_string(&report).unwrap().contains(MARKER));
    assert_eq!(report.stopped, None);
    report
}

#[tokio::test]
async fn a_second_run_changes_nothing_and_drift_of_each_kind_is_made_good() {
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::new(root.path());
    let manifest = manifest(&layout);
    assert_eq!(run(&layout, &manifest, Mode::Apply).await.changes.len(), 5);
    let second = run(&layout, &manifest, Mode::Apply).await;
    assert_eq!((second.changes.len(), second.unchanged), (0, manifest.resources.len()));

    type Drift = (&'static str, fn(&Layout));
    let drifts: [Drift; 7] = [
        ("folder /etc/sluice/router", |layout| mode_of(layout, "/etc/sluice/router", 0o777)),
        ("files of /etc/sluice/router", |layout| fs::write(layout.at("/etc/sluice/router/stray"), MARKER).unwrap()),
        ("file /etc/sluice/router/a.toml", |layout| {
            fs::write(layout.at("/etc/sluice/router/a.toml"), "a = 2\n").unwrap()
        }),
        ("file /etc/sluice/router/key", |layout| fs::write(layout.at("/etc/sluice/router/key"), "other").unwrap()),
        ("file /etc/sluice/router/key", |layout| mode_of(layout, "/etc/sluice/router/key", 0o644)),
        ("file /opt/sluice/bin/program", |layout| fs::write(layout.at("/opt/sluice/bin/program"), "x").unwrap()),
        ("repository meow", |layout| fs::remove_file(layout.repository("meow").join("hooks/pre-receive")).unwrap()),
    ];
    for (resource, drift) in drifts {
        drift(&layout);
        for mode in [Mode::DryRun, Mode::Apply] {
            let report = run(&layout, &manifest, mode).await;
            let found: Vec<&str> = report.changes.iter().map(|change| change.resource.as_str()).collect();
            assert_eq!(found, [resource], "{mode:?}");
        }
        assert_eq!(run(&layout, &manifest, Mode::DryRun).await.changes, [], "{resource}");
    }
}

#[tokio::test]
async fn a_hostile_manifest_touches_nothing() {
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::new(root.path());
    let resources =
        vec![file("/etc/a", Content::Text(String::new()), 0o644), file("/../out", Content::Text(String::new()), 0o644)];
    let init = init::of_this_machine(&layout);
    let error = converge(&layout, init.as_ref(), &Manifest { resources }, Mode::Apply).await.unwrap_err();
    assert!(matches!(&error, ConvergeError::Manifest(faults) if faults.len() == 1), "{error}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

fn mode_of(layout: &Layout, path: &str, mode: u32) {
    fs::set_permissions(layout.at(path), fs::Permissions::from_mode(mode)).unwrap();
}
