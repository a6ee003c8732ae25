//! What is kept is found, and nothing else is believed.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;

/// More than the files of these tests have together.
const AMPLE_BYTES: u64 = 16 * 1024 * 1024;

struct Site {
    data: TempDir,
    engine: wasmtime::Engine,
}

impl Site {
    fn new() -> Self {
        Self { data: tempfile::tempdir().unwrap(), engine: wasmtime::Engine::default() }
    }

    fn folder(&self) -> PathBuf {
        self.data.path().join("artifacts")
    }

    fn open(&self) -> Cache {
        self.open_with(AMPLE_BYTES)
    }

    fn open_with(&self, bytes_max: u64) -> Cache {
        Cache::open(&self.folder(), &self.engine, bytes_max).unwrap()
    }

    /// A component that differs by its number.
    fn component(&self, number: usize) -> (Digest, Component) {
        let text = format!("(component (core module (func (export \"f\") (result i32) i32.const {number})))");
        let bytes = wat::parse_str(text).unwrap();
        (Digest::of(&bytes), Component::from_binary(&self.engine, &bytes).unwrap())
    }

    /// A cache with one component, and the file that holds it.
    fn kept(&self) -> (Cache, Digest, PathBuf) {
        let cache = self.open();
        let (digest, component) = self.component(0);
        cache.keep(&digest, &component);
        assert!(cache.find(&digest).is_some());
        let file = self.folder().join(cache.name(&digest));
        (cache, digest, file)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_is_kept_is_found_by_the_next_process() {
    let site = Site::new();
    let (_, digest, file) = site.kept();
    assert!(site.open().find(&digest).is_some());
    assert!(site.open().find(&Digest::of(b"another")).is_none());
    assert_eq!(fs::metadata(site.folder()).unwrap().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(site.names().len(), 1, "no draft is left behind");
}

#[test]
fn a_damaged_file_is_a_miss_wherever_it_is_damaged() {
    let site = Site::new();
    let (cache, digest, file) = site.kept();
    let whole = fs::read(&file).unwrap();
    for at in [0, 15, 16, 47, 48, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&file, damaged).unwrap();
        assert!(cache.find(&digest).is_none(), "bit flipped at {at}");
    }
    for length in [0, 15, 47, 48, whole.len() / 2, whole.len() - 1] {
        fs::write(&file, &whole[..length]).unwrap();
        assert!(cache.find(&digest).is_none(), "{length} bytes");
    }
    fs::write(&file, [&whole[..], &[0]].concat()).unwrap();
    assert!(cache.find(&digest).is_none(), "a byte more");
    fs::write(&file, whole).unwrap();
    assert!(cache.find(&digest).is_some());
}

#[test]
fn a_damaged_file_is_replaced() {
    let site = Site::new();
    let (cache, digest, file) = site.kept();
    fs::write(&file, b"junk").unwrap();
    assert!(cache.find(&digest).is_none());
    cache.keep(&digest, &site.component(0).1);
    assert!(cache.find(&digest).is_some());
}

#[test]
fn a_file_under_the_name_of_another_is_a_miss() {
    let site = Site::new();
    let (cache, _, file) = site.kept();
    let (other, _) = site.component(1);
    fs::copy(&file, site.folder().join(cache.name(&other))).unwrap();
    assert!(cache.find(&other).is_none());
}

#[test]
fn a_file_that_others_could_have_written_is_a_miss() {
    let site = Site::new();
    let (cache, digest, file) = site.kept();
    for mode in [0o660, 0o602, 0o640, 0o700] {
        set_mode(&file, mode);
        assert!(cache.find(&digest).is_none(), "{mode:o}");
    }
    set_mode(&file, 0o600);
    let elsewhere = site.data.path().join("elsewhere");
    fs::hard_link(&file, &elsewhere).unwrap();
    assert!(cache.find(&digest).is_none(), "a second name");
    fs::remove_file(&file).unwrap();
    symlink(&elsewhere, &file).unwrap();
    assert!(cache.find(&digest).is_none(), "a link");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(cache.find(&digest).is_none(), "a folder");
    fs::remove_dir(&file).unwrap();
    fs::rename(&elsewhere, &file).unwrap();
    assert!(cache.find(&digest).is_some(), "the same file, as it should be");
}

#[test]
fn a_pipe_is_a_miss_and_does_not_wait() {
    let site = Site::new();
    let (cache, digest, file) = site.kept();
    fs::remove_file(&file).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &file, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    assert!(cache.find(&digest).is_none());
}

/// Only root can give a file away; elsewhere the check of the mode stands alone.
#[test]
fn a_file_of_another_user_is_a_miss() {
    let site = Site::new();
    let (cache, digest, file) = site.kept();
    if std::os::unix::fs::chown(&file, Some(1), None).is_ok() {
        assert!(cache.find(&digest).is_none());
        std::os::unix::fs::chown(site.folder(), Some(1), None).unwrap();
        assert!(matches!(Cache::open(&site.folder(), &site.engine, AMPLE_BYTES), Err(FolderError::Suspicious(_))));
    }
}

#[test]
fn a_folder_that_others_may_enter_is_not_used() {
    let site = Site::new();
    let (_, _, file) = site.kept();
    let open = |path: &Path| Cache::open(path, &site.engine, AMPLE_BYTES);
    for mode in [0o755, 0o770, 0o701] {
        set_mode(&site.folder(), mode);
        assert!(matches!(open(&site.folder()), Err(FolderError::Suspicious(_))), "{mode:o}");
    }
    set_mode(&site.folder(), 0o700);
    let link = site.data.path().join("link");
    symlink(site.folder(), &link).unwrap();
    assert!(open(&link).is_err(), "a link");
    assert!(open(&file).is_err(), "a file");
    assert!(open(&site.data.path().join("no/such")).is_err(), "no folder to make it in");
}

#[test]
fn the_longest_unused_makes_room_at_the_bound() {
    let site = Site::new();
    let (_, _, file) = site.kept();
    let bytes = fs::metadata(&file).unwrap().len();
    fs::remove_file(&file).unwrap();
    let cache = site.open_with(3 * bytes);
    let all: Vec<_> = (0..4).map(|number| site.component(number)).collect();
    let found = || all.iter().map(|(digest, _)| site.folder().join(cache.name(digest)).exists()).collect::<Vec<_>>();
    for (digest, component) in &all[..3] {
        cache.keep(digest, component);
    }
    assert_eq!(found(), [true, true, true, false], "at the bound nothing goes");
    assert!(cache.find(&all[0].0).is_some(), "used again, so the next is the longest unused");
    cache.keep(&all[3].0, &all[3].1);
    assert_eq!(found(), [true, false, true, true]);

    let narrow = site.open_with(bytes - 1);
    narrow.keep(&all[1].0, &all[1].1);
    assert_eq!(found(), [true, false, true, true], "what never fits pushes nothing out");
    assert!(narrow.find(&all[0].0).is_none(), "a file past the bound is not read");
}

#[test]
fn files_of_other_engines_and_old_drafts_go_and_others_stay() {
    let site = Site::new();
    let (_, digest, _) = site.kept();
    let put = |name: &str| fs::write(site.folder().join(name), b"x").unwrap();
    let foreign = format!("{digest}-{:016x}{EXTENSION}", 7);
    for name in [foreign.as_str(), ".draft-1-0", ".draft-1-1", "notes.txt"] {
        put(name);
    }
    let old = fs::File::open(site.folder().join(".draft-1-0")).unwrap();
    old.set_modified(SystemTime::now() - DRAFT_AGE_MAX - Duration::from_secs(1)).unwrap();
    let cache = site.open();
    assert_eq!(site.names(), [".draft-1-1", &cache.name(&digest), "notes.txt"]);
    assert!(cache.find(&digest).is_some());
}

#[test]
fn an_engine_of_another_kind_does_not_see_the_file() {
    let site = Site::new();
    let (cache, digest, _) = site.kept();
    let mut config = wasmtime::Config::new();
    config.epoch_interruption(true);
    let engine = wasmtime::Engine::new(&config).unwrap();
    let other = Cache::open(&site.folder(), &engine, AMPLE_BYTES).unwrap();
    assert_ne!(cache.name(&digest), other.name(&digest));
    assert!(other.find(&digest).is_none());
}

/// Even under the right name code of another engine is refused: wasmtime looks at its own header.
#[test]
fn code_of_another_engine_is_a_miss() {
    let site = Site::new();
    let (cache, digest, file) = site.kept();
    let mut config = wasmtime::Config::new();
    config.epoch_interruption(true);
    let engine = wasmtime::Engine::new(&config).unwrap();
    let bytes = wat::parse_str("(component (core module (func)))").unwrap();
    let code = Component::from_binary(&engine, &bytes).unwrap().serialize().unwrap();
    let name = cache.name(&digest);
    fs::write(&file, [envelope::header(&name, &code), code].concat()).unwrap();
    assert!(cache.find(&digest).is_none());
}

#[test]
fn a_folder_that_cannot_be_written_keeps_nothing_and_fails_nothing() {
    let site = Site::new();
    let cache = site.open();
    let (digest, component) = site.component(0);
    fs::remove_dir(site.folder()).unwrap();
    cache.keep(&digest, &component);
    cache.keep(&digest, &component);
    assert!(cache.has_failed.load(Ordering::Relaxed), "said once");
    assert!(cache.find(&digest).is_none());
}
