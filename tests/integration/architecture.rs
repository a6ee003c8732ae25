//! What ARCHITECTURE.md says about the tree is so: who may use whom, the names it uses, the size of things.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Who may use which of our crates in what it ships. A crate that is not here may use none.
const USES: &[(&str, &[&str])] = &[
    ("sluice-document", &["sluice-model"]),
    ("sluice-policy", &["sluice-document", "sluice-model"]),
    ("sluice-state", &["sluice-model"]),
    ("sluice-alert", &["sluice-model"]),
    ("sluice-wasm", &["sluice-model"]),
    ("sluice-snapshot", &["sluice-model", "sluice-policy", "sluice-wasm"]),
    ("sluice-proxy", &["sluice-model", "sluice-policy", "sluice-snapshot", "sluice-wasm"]),
    (
        "sluice-control",
        &[
            "sluice-alert",
            "sluice-document",
            "sluice-flagd",
            "sluice-model",
            "sluice-policy",
            "sluice-snapshot",
            "sluice-state",
            "sluice-wasm",
        ],
    ),
    (
        "sluice-admin",
        &["sluice-control", "sluice-document", "sluice-flagd", "sluice-model", "sluice-policy", "sluice-snapshot"],
    ),
    (
        "sluice",
        &[
            "sluice-admin",
            "sluice-alert",
            "sluice-control",
            "sluice-document",
            "sluice-model",
            "sluice-plugin-build",
            "sluice-policy",
            "sluice-proxy",
            "sluice-snapshot",
            "sluice-state",
            "sluice-wasm",
        ],
    ),
    ("sluice-infra-spec", &["sluice-document", "sluice-model"]),
    ("sluice-infra-host", &["sluice-infra-spec"]),
    ("sluice-infra-plan", &["sluice-infra-cloud", "sluice-infra-spec"]),
    ("sluice-infra-configure", &["sluice-infra-cloud", "sluice-infra-host", "sluice-infra-spec", "sluice-policy"]),
    ("sluice-infra-deploy", &["sluice-infra-host", "sluice-infra-spec", "sluice-model", "sluice-state"]),
    ("sluice-infra-monitor", &["sluice-alert", "sluice-infra-host", "sluice-infra-spec", "sluice-model"]),
    ("sluice-infra-scale", &["sluice-infra-spec"]),
    (
        "sluice-infra",
        &[
            "sluice-alert",
            "sluice-document",
            "sluice-infra-cloud",
            "sluice-infra-configure",
            "sluice-infra-deploy",
            "sluice-infra-host",
            "sluice-infra-monitor",
            "sluice-infra-plan",
            "sluice-infra-scale",
            "sluice-infra-spec",
            "sluice-model",
            "sluice-state",
        ],
    ),
    ("feature-flags", &["sluice-flagd", "sluice-plugin"]),
    ("canary", &["sluice-plugin"]),
    ("upload-alert", &["sluice-plugin"]),
    ("hostile", &["sluice-plugin"]),
    ("xtask", &["sluice-plugin-build"]),
];
/// What a crate may use beyond that in its own tests.
const TESTS_USE: &[(&str, &[&str])] = &[
    ("sluice-infra-plan", &["sluice-document"]),
    (
        "sluice-tests",
        &[
            "sluice-document",
            "sluice-infra-cloud",
            "sluice-infra-deploy",
            "sluice-infra-host",
            "sluice-infra-plan",
            "sluice-infra-spec",
            "sluice-model",
            "sluice-state",
        ],
    ),
    ("xtask", &["sluice-policy"]),
];

/// Crates of others that only some of ours may name.
const CONFINED: &[(&str, &[&str])] = &[
    ("wasmtime", &["sluice-wasm"]),
    ("redis", &["sluice-state", "meow", "sluice-tests"]),
    ("notify", &["sluice-control"]),
    ("clap", &["sluice", "sluice-infra", "meow", "xtask"]),
    ("clap_complete", &["sluice", "sluice-infra"]),
    ("anyhow", &["sluice", "sluice-infra", "meow", "xtask", "sluice-tests"]),
];
/// Crates that may not name these: they neither wait nor read a clock, a file or a socket.
const PURE: &[(&str, &[&str])] = &[
    ("sluice-model", &["tokio", "tokio-util", "hyper", "tracing", "rustix", "tempfile"]),
    ("sluice-document", &["tokio", "tokio-util", "hyper", "tracing", "rustix", "tempfile"]),
    ("sluice-policy", &["tokio", "tokio-util", "hyper", "tracing", "rustix", "tempfile"]),
    ("sluice-wasm", &["tokio", "tokio-util", "hyper"]),
    ("sluice-infra-spec", &["tokio", "tokio-util", "hyper", "tracing", "rustix", "tempfile", "rand"]),
    ("sluice-infra-scale", &["tokio", "tokio-util", "hyper", "tracing", "rustix", "tempfile"]),
    ("sluice-flagd", &["tokio", "tokio-util", "hyper", "tracing", "rustix", "tempfile", "rand"]),
];

const ARCHITECTURE_LINES_MAX: usize = 150;
const RUST_FILE_LINES_MAX: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn metadata() -> Result<Metadata> {
    let manifest = root().join("Cargo.toml");
    MetadataCommand::new().manifest_path(manifest).no_deps().exec().context("read the cargo metadata")
}

fn names(package: &Package, kinds: &[DependencyKind]) -> BTreeSet<String> {
    let of_kind = package.dependencies.iter().filter(|dependency| kinds.contains(&dependency.kind));
    of_kind.map(|dependency| dependency.name.clone()).collect()
}

fn table(rows: &[(&str, &[&str])]) -> BTreeMap<String, BTreeSet<String>> {
    rows.iter().map(|(name, uses)| ((*name).to_owned(), uses.iter().map(|name| (*name).to_owned()).collect())).collect()
}

/// Every Rust file that belongs to this repository.
fn rust_files() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["app", "infra", "plugins", "router", "tests", "xtask"].iter().map(|name| root().join(name)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// The part of ARCHITECTURE.md below this heading.
fn section<'t>(text: &'t str, heading: &str) -> Result<&'t str> {
    let (_, rest) = text.split_once(&format!("## {heading}\n")).with_context(|| format!("no section {heading}"))?;
    Ok(rest.split("\n## ").next().unwrap_or(rest))
}

fn in_backticks(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn our_crates_use_each_other_only_as_drawn() -> Result<()> {
    let metadata = metadata()?;
    let packages = metadata.workspace_packages();
    let ours: BTreeSet<String> = packages.iter().map(|package| package.name.to_string()).collect();
    let used = |kinds: &[DependencyKind]| -> BTreeMap<String, BTreeSet<String>> {
        let of = |package: &&Package| (package.name.to_string(), &names(package, kinds) & &ours);
        packages.iter().map(of).filter(|(_, uses)| !uses.is_empty()).collect()
    };
    assert_eq!(used(&[DependencyKind::Normal, DependencyKind::Build]), table(USES));
    let shipped = table(USES);
    let mut tests = used(&[DependencyKind::Development]);
    tests.retain(|name, uses| {
        uses.retain(|used| !shipped.get(name).is_some_and(|shipped| shipped.contains(used)));
        !uses.is_empty()
    });
    assert_eq!(tests, table(TESTS_USE));
    Ok(())
}

#[test]
fn what_is_confined_is_named_only_where_it_may_be() -> Result<()> {
    let metadata = metadata()?;
    for package in metadata.workspace_packages() {
        let name = package.name.as_str();
        let shipped = names(package, &[DependencyKind::Normal, DependencyKind::Build]);
        for (confined, users) in CONFINED {
            assert!(!shipped.contains(*confined) || users.contains(&name), "{name} uses {confined}");
        }
        for (pure, foreign) in PURE.iter().filter(|(pure, _)| *pure == name) {
            let used: Vec<&&str> = foreign.iter().filter(|foreign| shipped.contains(**foreign)).collect();
            assert!(used.is_empty(), "{pure} is pure and uses {used:?}");
        }
    }
    Ok(())
}

#[test]
fn the_page_names_what_exists() -> Result<()> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md"))?;
    assert!(text.lines().count() < ARCHITECTURE_LINES_MAX, "ARCHITECTURE.md has {} lines", text.lines().count());
    for name in in_backticks(&text).filter(|name| name.contains('/')) {
        assert!(root().join(name).exists(), "ARCHITECTURE.md names `{name}`, which is not there");
    }
    for (heading, folder) in [("Life of a request", "router/proxy/src"), ("Life of a reload", "router/control/src")] {
        let steps: Vec<&str> = section(&text, heading)?.lines().filter(|line| numbered(line)).collect();
        assert!(steps.len() > 5, "{heading} has {} steps", steps.len());
        for step in steps {
            let files = step.split(':').next().unwrap_or(step);
            for stem in in_backticks(files) {
                let places = [format!("{folder}/{stem}.rs"), format!("{folder}/{stem}/mod.rs")];
                let is_there = places.iter().any(|file| root().join(file).is_file());
                assert!(is_there, "`{heading}` names {}, which is not there", places[0]);
            }
        }
    }
    Ok(())
}

/// Whether a line of Markdown begins an entry of a numbered list.
fn numbered(line: &str) -> bool {
    line.split_once(". ").is_some_and(|(number, _)| number.parse::<u32>().is_ok())
}

#[test]
fn the_conformance_page_and_the_tests_name_each_other() -> Result<()> {
    let page = std::fs::read_to_string(root().join("docs/http-conformance.md"))?;
    let mut sources: BTreeMap<String, String> = BTreeMap::new();
    for file in rust_files()? {
        let stem = file.file_stem().and_then(|stem| stem.to_str()).context("a file has a name")?.to_owned();
        sources.entry(stem).or_default().push_str(&std::fs::read_to_string(&file)?);
    }
    let tests: Vec<&str> = in_backticks(&page).filter(|name| name.contains("::")).collect();
    assert!(tests.len() > 100, "the page names only {} tests", tests.len());
    let is_missing = |name: &&&str| {
        let (stem, test) = name.split_once("::").unwrap_or_default();
        !sources.get(stem).is_some_and(|source| source.contains(&format!("fn {test}(")))
    };
    let missing: Vec<&&str> = tests.iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "no test has these names: {missing:#?}");
    let criteria = sources.values().flat_map(|source| criterion_tests(source));
    let left_out: Vec<&str> = criteria.filter(|test| !page.contains(test)).collect();
    assert!(left_out.is_empty(), "the page leaves out: {left_out:#?}");
    Ok(())
}

/// Names of functions that begin with a criterion: `b07_..`.
fn criterion_tests(source: &str) -> impl Iterator<Item = &str> {
    let names = source.split("fn b").skip(1).filter_map(|rest| rest.split_once('(')).map(|(name, _)| name);
    names.filter(|name| {
        name.len() > 3 && name.as_bytes()[..2].iter().all(u8::is_ascii_digit) && name[2..].starts_with('_')
    })
}

#[test]
fn the_code_map_lists_every_crate() -> Result<()> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md"))?;
    let map = section(&text, "Code map")?;
    for package in metadata()?.workspace_packages() {
        let folder = package.manifest_path.parent().context("a manifest lies in a folder")?;
        let folder = folder.strip_prefix(root().canonicalize()?)?;
        let listed = in_backticks(map).any(|name| name == folder || name == folder.join("src"));
        assert!(listed, "the code map leaves out {folder}");
    }
    Ok(())
}

#[test]
fn files_stay_readable_and_no_test_is_put_aside() -> Result<()> {
    // Written in two parts, so that this file does not find itself.
    let aside = concat!("#[", "ignore");
    let files = rust_files()?;
    assert!(files.len() > 100, "only {} files were found", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        let lines = text.lines().count();
        assert!(lines <= RUST_FILE_LINES_MAX, "{} has {lines} lines", file.display());
        assert!(text.starts_with("//!"), "{} does not open with what it is", file.display());
        assert!(!text.contains(aside), "{} puts a test aside", file.display());
    }
    Ok(())
}
