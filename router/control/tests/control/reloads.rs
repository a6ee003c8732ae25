//! Good input: what moves is live, what does not move stays the very same.

use std::sync::Arc;

use sluice_control::PluginState;

use crate::site::{POLICY, Site, eventually, other_bytes, plain_policy, plugin_bytes};

#[tokio::test(flavor = "multi_thread")]
async fn a_good_start_serves_everything_with_an_instance_for_each_worker() {
    let site = Site::demo();
    let running = site.start().await;
    assert_eq!(running.handle.status().faults, []);
    let snapshot = running.snapshot();
    assert_eq!((snapshot.revision, snapshot.routes.len(), snapshot.plugins().count()), (1, 1, 2));
    for plugin in snapshot.plugins() {
        let instances = (0..crate::site::WORKERS).filter(|worker| plugin.take(*worker).is_some()).count();
        assert_eq!(instances, crate::site::WORKERS);
        assert!(plugin.take(0).is_some(), "the spare");
        assert!(plugin.take(0).is_none());
    }
    let canary = running.plugin("canary").unwrap();
    assert_eq!((canary.state, canary.generation, canary.phases), (PluginState::Active, 1, vec!["request"]));
    assert!(canary.memory_bytes > 0 && canary.version.is_some());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_plugin_is_live_and_the_others_are_the_very_same() {
    let site = Site::demo();
    let running = site.start().await;
    let before = running.snapshot();
    site.write_plugin("canary.wasm", &other_bytes("canary"));
    running.reaches(2).await;
    let after = running.snapshot();
    let [old_canary, new_canary] = [&before, &after].map(|snapshot| plugin(snapshot, "canary"));
    assert_ne!(old_canary.key.digest, new_canary.key.digest);
    assert!(Arc::ptr_eq(&plugin(&before, "feature-flags"), &plugin(&after, "feature-flags")));
    assert_eq!(running.plugin("canary").unwrap().generation, 2);
    assert_eq!(running.plugin("feature-flags").unwrap().generation, 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_settings_make_a_new_plugin_of_the_same_file() {
    let site = Site::demo();
    let running = site.start().await;
    let before = plugin(&running.snapshot(), "feature-flags");
    site.write_policy("demo.toml", &POLICY.replace("paths = [\"/set\"]", "paths = [\"/set\", \"/admin\"]"));
    running.reaches(2).await;
    let after = plugin(&running.snapshot(), "feature-flags");
    assert_eq!(before.key.digest, after.key.digest);
    assert_eq!(after.activation.path_prefixes.len(), 2);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_nobody_names_is_examined_and_listed() {
    let site = Site::demo();
    site.write_plugin("upload-alert.wasm", &plugin_bytes("upload-alert"));
    site.write_plugin("broken.wasm", b"no");
    let running = site.start().await;
    let unused = running.plugin("upload-alert").unwrap();
    assert_eq!((unused.state, unused.generation), (PluginState::Unused, 0));
    assert!(unused.digest.is_some());
    let broken = running.plugin("broken.wasm").unwrap();
    assert!(broken.state == PluginState::Refused && broken.fault.is_some());
    assert_eq!(running.revision(), 1, "neither stops the rest");
    site.write_policy("more.toml", &plain_policy("other").replace("stable", "third").replace("\"/\"", "\"/other\""));
    running.reaches(2).await;
    std::fs::remove_file(site.plugin("broken.wasm")).unwrap();
    running.no_faults().await;
    assert!(running.plugin("broken.wasm").is_none());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_leaves_the_policy_leaves_memory_with_its_snapshot() {
    let site = Site::demo();
    let running = site.start().await;
    let old_snapshot = Arc::downgrade(&running.snapshot());
    let old_plugin = Arc::downgrade(&plugin(&running.snapshot(), "canary"));
    site.write_policy("demo.toml", &plain_policy("app"));
    running.reaches(2).await;
    eventually("the old revision is gone", || match (old_snapshot.upgrade(), old_plugin.upgrade()) {
        (None, None) => Ok(()),
        (snapshot, plugin) => Err(format!("snapshot {}, plugin {}", snapshot.is_some(), plugin.is_some())),
    })
    .await;
    assert_eq!(running.plugin("canary").unwrap().state, PluginState::Unused);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_writes_ends_at_the_last_one() {
    let site = Site::demo();
    let running = site.start().await;
    for number in 0..50 {
        site.write_policy("demo.toml", &plain_policy(&format!("route-{number}")));
    }
    eventually("the last content serves", || {
        let name = running.snapshot().policy.routes[0].name.clone();
        if name == "route-49" { Ok(()) } else { Err(name) }
    })
    .await;
    running.no_faults().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_swapped_is_followed() {
    let site = Site::demo();
    let running = site.start().await;
    let folder = site.folders().routes;
    std::fs::rename(&folder, folder.with_extension("old")).unwrap();
    running.fault(sluice_control::FaultSource::Policy, "cannot read the folder").await;
    std::fs::create_dir(&folder).unwrap();
    site.write_policy("demo.toml", &plain_policy("swapped"));
    running.reaches(2).await;
    site.write_policy("demo.toml", &plain_policy("again"));
    running.reaches(3).await;
    running.stop().await;
}

/// Resident memory of this process in KiB, and how many descriptors it has open.
fn held() -> (u64, usize) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib = resident.split_whitespace().next().unwrap().parse().unwrap();
    (kib, std::fs::read_dir("/proc/self/fd").unwrap().count())
}

/// Each one makes new instances, publishes, and leaves the old ones to the reaper; only the settling of files is left out.
#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_reloads_leave_nothing_behind() {
    const RELOADS: usize = 2_000;
    /// What is filled once: tables, buffers of threads, pages that the allocator keeps.
    const WARM_UP: usize = 200;
    /// The old plugins of a tenth of a second wait for the reaper, and the allocator keeps what they leave: it goes up and
    /// down by 100 MiB. 64 KiB that stayed behind each time, a page of one instance, would be 128 MiB.
    const GROWTH_KIB_MAX: u64 = 128 << 10;
    let site = Site::in_memory();
    // Unused, so that both builds stay compiled.
    site.write_plugin("beside.wasm", &plugin_bytes("canary"));
    let running = site.start().await;
    let mut digests = vec![running.digest("canary")];
    site.write_plugin("canary.wasm", &other_bytes("canary"));
    running.reaches(2).await;
    digests.push(running.digest("canary"));
    let swap = async |number: usize| {
        let digest = &digests[number % 2];
        running.handle.rollback_plugin("canary", Some(digest), "test").await.unwrap();
    };
    for number in 0..WARM_UP {
        swap(number).await;
    }
    let (before_kib, before_files) = held();
    let mut last = std::sync::Weak::new();
    for number in 0..RELOADS {
        swap(number).await;
        last = Arc::downgrade(&plugin(&running.snapshot(), "canary"));
    }
    swap(RELOADS).await;
    eventually("the old plugins are gone", || last.upgrade().map_or(Ok(()), |_| Err("the last one lives".to_owned())))
        .await;
    eventually("memory and descriptors are where they were", || {
        let (kib, files) = held();
        let is_flat = kib < before_kib + GROWTH_KIB_MAX && files <= before_files;
        if is_flat { Ok(()) } else { Err(format!("{before_kib} -> {kib} KiB, {before_files} -> {files} files")) }
    })
    .await;
    assert_eq!(running.revision(), 2 + u64::try_from(WARM_UP + RELOADS + 1).unwrap());
    running.stop().await;
}

fn plugin(snapshot: &sluice_snapshot::Snapshot, name: &str) -> Arc<sluice_snapshot::Plugin> {
    Arc::clone(snapshot.plugins().find(|plugin| plugin.name() == name).unwrap())
}
