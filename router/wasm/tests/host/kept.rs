//! Plugins that were compiled by an earlier process.

use std::fs;
use std::path::Path;

use sluice_wasm::{Artifact, Decision, Engine, Grants, Instance, LoadError};

use crate::support::{Guest, LIMITS};

/// Answers `route to variant 1` with `ctx` 7.
fn guest() -> Guest {
    Guest::new().with("on-request", "(i64.const 0x700000101)")
}

/// What a fresh process makes of the guest.
fn start(folder: &Path) -> (Artifact, Decision, u32) {
    let artifact = Engine::with_cache(folder).unwrap().compile(&guest().bytes()).unwrap();
    let mut instance = Instance::new(&artifact, "guest", "{}", &Grants::everything(), &LIMITS).unwrap();
    assert_eq!(instance.smoke(), Ok(()));
    let verdict = instance.on_request(&[], 0, 0).unwrap();
    (artifact, verdict.decision, verdict.ctx)
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_kept_plugin_gives_the_same_verdicts() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("artifacts");
    let (cold, decision, ctx) = start(&folder);
    assert!(!cold.was_kept());
    assert_eq!((decision, ctx), (Decision::Variant(1), 7));
    for _ in 0..2 {
        let (warm, decision, ctx) = start(&folder);
        assert!(warm.was_kept());
        assert_eq!((decision, ctx), (Decision::Variant(1), 7));
        assert_eq!((warm.digest(), warm.manifest()), (cold.digest(), cold.manifest()));
    }
}

#[test]
fn a_damaged_file_is_compiled_again_and_kept_again() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("artifacts");
    start(&folder);
    let kept = files(&folder);
    assert_eq!(kept.len(), 1);
    fs::write(&kept[0], b"junk").unwrap();
    let (again, decision, _) = start(&folder);
    assert!(!again.was_kept());
    assert_eq!(decision, Decision::Variant(1));
    assert!(start(&folder).0.was_kept());
}

#[test]
fn without_a_usable_folder_plugins_load_all_the_same() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("artifacts");
    fs::write(&file, b"").unwrap();
    for folder in [file.as_path(), &data.path().join("no/such")] {
        let (artifact, decision, _) = start(folder);
        assert!(!artifact.was_kept());
        assert_eq!(decision, Decision::Variant(1));
    }
}

/// A stream of them must not push out what serves.
#[test]
fn a_file_that_is_refused_is_not_kept() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("artifacts");
    let bytes = Guest::new().replace("(; imports ;)", r#"(import "env" (func))"#).bytes();
    let error = Engine::with_cache(&folder).unwrap().compile(&bytes).unwrap_err();
    assert!(matches!(error, LoadError::Imports { .. }), "{error}");
    assert!(files(&folder).is_empty());
}
