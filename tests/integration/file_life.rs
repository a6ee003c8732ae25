//! Plugin files that come, change and go in all the ways that people and their tools have, under traffic.
//!
//! What must hold each time: no request fails, what is whole goes live, and what is not whole yet never does. Files
//! that are no plugins at all: `hostile_files.rs`.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sluice_tests::component::Build;
use sluice_tests::eventually;
use sluice_tests::load::Load;
use sluice_tests::router::{POLICY_FILE, Router};
use sluice_tests::stack::{Stack, StoreKind};

const FOLDER: &str = "plugins.d";
const CANARY: &str = "plugins.d/canary.wasm";
const FLAGS: &str = "plugins.d/feature-flags.wasm";
/// Writes of one burst.
const BURST: u32 = 50;
/// Revisions that a burst may make: it takes a moment, and the router waits for a folder to stand still.
const BURST_REVISIONS_MAX: u64 = 10;

/// Waits until this build of a plugin serves.
async fn serves(router: &Router, plugin: &str, build: &Build) {
    eventually(&format!("{plugin} serves as {}", build.digest), async || {
        let shown = router.plugin(plugin).await?;
        ensure!(shown["state"] == "active" && shown["digest"] == *build.digest, "{shown}");
        Ok(())
    })
    .await;
}

async fn digest(router: &Router, plugin: &str) -> Result<Value> {
    Ok(router.plugin(plugin).await?["digest"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_replace_a_file_is_live_and_fails_no_request() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let router = &stack.router;
    let load = Load::start(&stack.edge("/version"));
    let path = router.path(CANARY);

    let build = Build::of("canary", 1)?;
    router.replace(CANARY, &build.bytes)?;
    serves(router, "canary", &build).await;

    // In place: the same inode.
    let build = Build::of("canary", 2)?;
    std::fs::write(&path, &build.bytes)?;
    serves(router, "canary", &build).await;

    // Away, and then anew.
    let build = Build::of("canary", 3)?;
    std::fs::remove_file(&path)?;
    std::fs::write(&path, &build.bytes)?;
    serves(router, "canary", &build).await;

    // A link to a file outside of the folder, whose target then changes: nothing in the folder does.
    let build = Build::of("canary", 4)?;
    let outside = router.path("outside.wasm");
    std::fs::write(&outside, &build.bytes)?;
    symlink(&outside, router.path("plugins.d/link.tmp"))?;
    std::fs::rename(router.path("plugins.d/link.tmp"), &path)?;
    serves(router, "canary", &build).await;
    let build = Build::of("canary", 5)?;
    std::fs::write(&outside, &build.bytes)?;
    serves(router, "canary", &build).await;

    // With the times of the file before, as `cp --preserve` and `tar` leave them.
    let times = std::fs::metadata(&path)?.modified()?;
    let build = Build::of("canary", 6)?;
    std::fs::remove_file(&path)?;
    std::fs::write(&path, &build.bytes)?;
    File::options().write(true).open(&path)?.set_modified(times)?;
    serves(router, "canary", &build).await;

    router.healthy().await;
    load.finish().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_halts_in_the_middle_is_not_live_until_it_is_whole() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let router = &stack.router;
    let load = Load::start(&stack.edge("/version"));
    let before = digest(router, "canary").await?;
    let build = Build::of("canary", 1)?;
    let mut file = File::create(router.path(CANARY))?;
    for step in build.bytes.chunks(build.bytes.len() / 4 + 1) {
        file.write_all(step)?;
        let written = file.metadata()?.len();
        if written < u64::try_from(build.bytes.len())? {
            router.fault_in(CANARY, "").await;
            ensure!(digest(router, "canary").await? == before, "{written} bytes serve");
            load.answers(20).await;
        }
    }
    drop(file);
    serves(router, "canary", &build).await;
    router.healthy().await;
    load.finish().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_burst_of_writes_the_last_one_serves() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let router = &stack.router;
    let load = Load::start(&stack.edge("/version"));
    let before = router.revision().await?;
    let builds: Vec<Build> = (1..=BURST).map(|number| Build::of("canary", number)).collect::<Result<_>>()?;
    for (number, build) in builds.iter().enumerate() {
        // By turns as an editor and as a copy does it.
        if number % 2 == 0 {
            router.replace(CANARY, &build.bytes)?;
        } else {
            std::fs::write(router.path(CANARY), &build.bytes)?;
        }
    }
    serves(router, "canary", builds.last().context("a burst has a last one")?).await;
    router.healthy().await;
    let revisions = router.revision().await? - before;
    assert!(revisions <= BURST_REVISIONS_MAX, "{revisions} revisions");
    load.finish().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_kubernetes_swaps_is_live_at_once_and_whole() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let router = &stack.router;
    let load = Load::start(&stack.edge("/version"));
    let folder = router.path(FOLDER);
    let plugins = ["canary", "feature-flags", "upload-alert"];
    // A volume of a ConfigMap: NAME -> ..data/NAME, ..data -> ..GENERATION, and only ..data is ever renamed.
    let fill = |number: u32| -> Result<Vec<Build>> {
        let generation = format!("..generation-{number}");
        std::fs::create_dir(folder.join(&generation))?;
        let builds: Vec<Build> = plugins.iter().map(|plugin| Build::of(plugin, number)).collect::<Result<_>>()?;
        for (plugin, build) in plugins.iter().zip(&builds) {
            std::fs::write(folder.join(&generation).join(format!("{plugin}.wasm")), &build.bytes)?;
        }
        symlink(&generation, folder.join("..data_tmp"))?;
        std::fs::rename(folder.join("..data_tmp"), folder.join("..data"))?;
        Ok(builds)
    };
    for number in 1..=3 {
        let revision = router.revision().await?;
        let builds = fill(number)?;
        if number == 1 {
            for plugin in plugins {
                let name = format!("{plugin}.wasm");
                symlink(format!("..data/{name}"), folder.join("link.tmp"))?;
                std::fs::rename(folder.join("link.tmp"), folder.join(&name))?;
            }
        } else {
            std::fs::remove_dir_all(folder.join(format!("..generation-{}", number - 1)))?;
        }
        for (plugin, build) in plugins.iter().zip(&builds) {
            serves(router, plugin, build).await;
        }
        let swapped = router.revision().await?;
        ensure!(number == 1 || swapped == revision + 1, "one swap is one revision, not {}", swapped - revision);
        router.healthy().await;
    }
    load.finish().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_editors_and_copies_leave_behind_is_not_looked_at() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let router = &stack.router;
    let load = Load::start(&stack.edge("/version"));
    // vim, emacs, rsync, wget, browsers, Kubernetes.
    let left = [
        "4913",
        ".canary.wasm.swp",
        ".canary.wasm.swx",
        "canary.wasm~",
        "#canary.wasm#",
        "canary.wasm.tmp",
        ".canary.wasm.Xy12ab",
        "canary.wasm.part",
        "canary.wasm.crdownload",
        ".hidden.wasm",
        "README.md",
        "canary.WASM",
    ];
    for name in left {
        std::fs::write(router.path(FOLDER).join(name), b"no plugin")?;
    }
    symlink("user@host.1234:1", router.path(FOLDER).join(".#canary.wasm"))?;
    // The next change is seen after all of these.
    let build = Build::of("canary", 1)?;
    router.replace(CANARY, &build.bytes)?;
    serves(router, "canary", &build).await;
    router.healthy().await;
    let plugins = router.get("/v1/plugins").await?;
    assert_eq!(plugins.as_array().map(Vec::len), Some(3), "{plugins}");
    load.finish().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_bytes_written_again_make_no_revision() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let router = &stack.router;
    let before = router.revision().await?;
    let generation = router.plugin("canary").await?["generation"].clone();
    let bytes = std::fs::read(router.path(CANARY))?;
    std::fs::write(router.path(CANARY), &bytes)?;
    router.replace(CANARY, &bytes)?;
    // The next change is seen after these.
    let build = Build::of("feature-flags", 1)?;
    router.replace(FLAGS, &build.bytes)?;
    serves(router, "feature-flags", &build).await;
    assert_eq!(router.revision().await?, before + 1);
    assert_eq!(router.plugin("canary").await?["generation"], generation);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_files_at_once_the_good_one_is_live() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let router = &stack.router;
    let load = Load::start(&stack.edge("/version"));
    let before = digest(router, "canary").await?;
    let build = Build::of("feature-flags", 1)?;
    router.replace(CANARY, b"no plugin")?;
    router.replace(FLAGS, &build.bytes)?;
    router.fault_in(CANARY, "not a WebAssembly component").await;
    serves(router, "feature-flags", &build).await;
    assert_eq!(digest(router, "canary").await?, before);

    // And so is a policy that comes while the bad one lies there.
    let policy = crate::reload::another_policy(1)?;
    router.publish(|router| router.replace(POLICY_FILE, policy.as_bytes())).await?;
    router.fault_in(CANARY, "not a WebAssembly component").await;
    let mended = Build::of("canary", 1)?;
    router.replace(CANARY, &mended.bytes)?;
    serves(router, "canary", &mended).await;
    router.healthy().await;
    load.finish().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_whose_file_goes_away_serves_on_and_is_told() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let router = &stack.router;
    let load = Load::start(&stack.edge("/version"));
    let before = digest(router, "canary").await?;
    let bytes = std::fs::read(router.path(CANARY))?;

    std::fs::remove_file(router.path(CANARY))?;
    router.fault("no file `canary.wasm`").await;
    assert_eq!(digest(router, "canary").await?, before);
    load.answers(50).await;
    std::fs::write(router.path(CANARY), &bytes)?;
    router.healthy().await;

    std::fs::rename(router.path(CANARY), router.path("plugins.d/canary-2.wasm"))?;
    let fault = router.fault("no file `canary.wasm`").await;
    assert!(fault["hint"].as_str().is_some_and(|hint| hint.contains("canary-2.wasm")), "{fault}");
    assert_eq!(digest(router, "canary").await?, before);
    std::fs::rename(router.path("plugins.d/canary-2.wasm"), router.path(CANARY))?;
    router.healthy().await;

    // The whole folder: away, and then another one in its place.
    std::fs::rename(router.path(FOLDER), router.path("moved.d"))?;
    router.fault("cannot read the folder").await;
    assert_eq!(digest(router, "canary").await?, before);
    load.answers(50).await;
    std::fs::rename(router.path("moved.d"), router.path(FOLDER))?;
    router.healthy().await;
    let build = Build::of("canary", 1)?;
    router.replace(CANARY, &build.bytes)?;
    serves(router, "canary", &build).await;
    load.finish().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_cannot_be_written_serves_and_one_that_cannot_be_read_changes_nothing() -> Result<()> {
    let stack = Stack::start_unprivileged().await?;
    let router = &stack.router;
    let load = Load::start(&stack.edge("/version"));
    let allow = |mode| std::fs::set_permissions(router.path(FOLDER), Permissions::from_mode(mode));

    allow(0o555)?;
    let build = Build::of("canary", 1)?;
    std::fs::write(router.path(CANARY), &build.bytes)?;
    serves(router, "canary", &build).await;
    router.healthy().await;

    allow(0o000)?;
    let fault = router.fault("Permission denied").await;
    assert!(fault.to_string().contains(FOLDER), "{fault}");
    assert_eq!(digest(router, "canary").await?, *build.digest);
    load.answers(50).await;
    allow(0o755)?;
    router.healthy().await;
    load.finish().await?;
    Ok(())
}

/// Waits until this build of canary is on trial, beside what serves; since when it is.
async fn on_trial(router: &Router, build: &Build) -> Value {
    eventually(&format!("{} is on trial", build.digest), async || {
        let plugin = router.plugin("canary").await?;
        ensure!(plugin["trial"]["digest"] == *build.digest, "{plugin}");
        Ok(plugin["trial"]["started_ms"].clone())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trial_goes_on_while_other_files_change_and_follows_its_own() -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let router = &stack.router;
    let load = Load::start(&stack.edge("/version"));
    let first = std::fs::read(router.path(CANARY))?;
    let serving = digest(router, "canary").await?;
    let policy = |number| -> Result<Vec<u8>> {
        let (config, policy) = ("config = { rollout = \"demo\" }", crate::reload::another_policy(number)?);
        let release = "release = { trial = \"canary\", percent = 50.0, for = \"1h\", promote = \"manual\" }";
        Ok(policy.replace(config, &format!("{config}\n{release}")).into_bytes())
    };
    router.publish(|router| router.replace(POLICY_FILE, &policy(1)?)).await?;
    let build = Build::of("canary", 1)?;
    router.replace(CANARY, &build.bytes)?;
    let since = on_trial(router, &build).await;

    let flags = Build::of("feature-flags", 1)?;
    router.replace(FLAGS, &flags.bytes)?;
    serves(router, "feature-flags", &flags).await;
    router.publish(|router| router.replace(POLICY_FILE, &policy(2)?)).await?;
    assert_eq!(on_trial(router, &build).await, since, "the trial began anew");
    load.answers(50).await;

    let build = Build::of("canary", 2)?;
    router.replace(CANARY, &build.bytes)?;
    on_trial(router, &build).await;
    router.replace(CANARY, b"no plugin")?;
    router.fault_in(CANARY, "not a WebAssembly component").await;
    std::fs::remove_file(router.path(CANARY))?;
    router.fault("no file `canary.wasm`").await;
    assert_eq!(digest(router, "canary").await?, serving);
    router.replace(CANARY, &first)?;
    eventually("the trial ends where its file is gone", async || {
        let plugin = router.plugin("canary").await?;
        ensure!(plugin["trial"].is_null() && plugin["digest"] == serving, "{plugin}");
        Ok(())
    })
    .await;
    router.healthy().await;

    let build = Build::of("canary", 3)?;
    router.replace(CANARY, &build.bytes)?;
    on_trial(router, &build).await;
    assert_eq!(digest(router, "canary").await?, serving);
    router.post("/v1/plugins/canary/promote").await?;
    serves(router, "canary", &build).await;
    router.healthy().await;
    load.finish().await?;
    Ok(())
}
