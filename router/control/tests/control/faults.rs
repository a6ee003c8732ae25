//! Bad input of every kind: the revision stays, the reason is shown, a repair is taken.

use sluice_control::{FaultSource, Health, PluginState};

use crate::site::{POLICY, Site, eventually, hostile_policy, plain_policy, plugin_bytes};

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_policy_file_changes_nothing_and_is_shown_with_its_place() {
    let site = Site::demo();
    let running = site.start().await;
    let (revision, snapshot) = (running.revision(), running.snapshot());
    assert_eq!(revision, 1);
    for (text, said) in [
        ("[upstreams.stable\n", "demo.toml:1:"),
        (&POLICY.replace("rollout = \"demo\"\n", "rolout = \"demo\"\n"), "rolout"),
        (&POLICY.replace("to = \"stable\"", "to = \"stabel\""), "stabel"),
    ] {
        site.write_policy("demo.toml", text);
        let fault = running.fault(FaultSource::Policy, said).await;
        assert!(fault.line.is_some() && fault.column.is_some(), "{fault:?}");
        assert_eq!(fault.file.as_deref(), Some("routes.d/demo.toml"));
        let status = running.handle.status();
        assert_eq!((status.state, status.revision), (Health::Degraded, revision));
    }
    assert!(running.handle.status().reloads.refused >= 3);

    site.write_policy("demo.toml", POLICY);
    running.no_faults().await;
    let same = std::sync::Arc::ptr_eq(&snapshot, &running.snapshot());
    assert!(same, "what serves already is not published again");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_file_that_is_no_file_is_a_fault() {
    let site = Site::demo();
    let running = site.start().await;
    std::fs::create_dir(site.policy("folder.toml")).unwrap();
    running.fault(FaultSource::Policy, "is a directory").await;
    std::fs::remove_dir(site.policy("folder.toml")).unwrap();
    running.no_faults().await;
    std::fs::remove_file(site.policy("demo.toml")).unwrap();
    running.fault(FaultSource::Policy, "no policy file").await;
    assert_eq!(running.revision(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_plugin_file_leaves_the_old_one_serving() {
    let site = Site::demo();
    let running = site.start().await;
    let good = plugin_bytes("canary");
    let digest = running.plugin("canary").unwrap().digest;
    for (bytes, said) in [
        (good[..good.len() / 2].to_vec(), "canary"),
        (
            (0..10_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect(),
            "not a WebAssembly component",
        ),
        (Vec::new(), "not a WebAssembly component"),
        (b"\0asm\x01\0\0\0".to_vec(), "core module"),
    ] {
        site.write_plugin("canary.wasm", &bytes);
        let fault = running.fault(FaultSource::Plugin, said).await;
        assert_eq!((fault.subject.as_str(), fault.file.as_deref()), ("canary", Some("plugins.d/canary.wasm")));
        let plugin = running.plugin("canary").unwrap();
        assert_eq!((plugin.state, &plugin.digest), (PluginState::Active, &digest));
        eventually("the reason beside the plugin", || {
            let fault = running.plugin("canary").unwrap().fault;
            fault.map(|_| ()).ok_or_else(|| "none".to_owned())
        })
        .await;
        assert_eq!(running.revision(), 1);
    }
    site.write_plugin("canary.wasm", &good);
    running.no_faults().await;
    assert_eq!(running.plugin("canary").unwrap().fault, None);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_path_that_is_no_file_is_refused_without_waiting_for_it() {
    let site = Site::demo();
    let running = site.start().await;
    let path = site.plugin("canary.wasm");
    std::fs::remove_file(&path).unwrap();
    running.fault(FaultSource::Plugin, "there is no file `canary.wasm`").await;
    std::fs::create_dir(&path).unwrap();
    running.fault(FaultSource::Plugin, "is a directory").await;
    std::fs::remove_dir(&path).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    running.fault(FaultSource::Plugin, "is a pipe").await;
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("nowhere.wasm", &path).unwrap();
    running.fault(FaultSource::Plugin, "leads nowhere").await;
    assert_eq!(running.revision(), 1);
    std::fs::remove_file(&path).unwrap();
    site.write_plugin("canary.wasm", &plugin_bytes("canary"));
    running.no_faults().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_does_not_start_is_refused() {
    let site = Site::demo();
    site.write_plugin("hostile.wasm", &plugin_bytes("hostile"));
    let running = site.start().await;
    for (act, said) in [
        ("trap-in-init", "cannot start"),
        ("spin-in-init", "cannot start"),
        ("refuse-init", "refused as told"),
        ("lie-state", "activation"),
        ("trap-in-request", "empty request"),
        ("spin-in-response", "empty request"),
    ] {
        site.write_policy("demo.toml", &hostile_policy(act));
        let fault = running.fault(FaultSource::Plugin, said).await;
        assert_eq!(fault.subject, "hostile", "{act}: {fault:?}");
        assert_eq!(running.revision(), 1, "{act}");
        assert_eq!(running.plugin("hostile").unwrap().state, PluginState::Refused);
    }
    site.write_policy("demo.toml", &hostile_policy("nothing"));
    running.reaches(2).await;
    running.no_faults().await;
    assert_eq!(running.plugin("hostile").unwrap().state, PluginState::Active);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_gets_no_more_than_the_policy_grants() {
    let site = Site::demo();
    let running = site.start().await;
    site.write_policy("demo.toml", &POLICY.replace("grants = { state = [\"rollout:demo\"] }\n", ""));
    running.fault(FaultSource::Plugin, "not granted: state rollout:*").await;
    site.write_policy("demo.toml", &POLICY.replace("{ rollout = \"demo\" }", "{ rollout = \"other\" }"));
    running.fault(FaultSource::Plugin, "other").await;
    assert_eq!(running.revision(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_offline_check_finds_the_same_faults() {
    let site = Site::demo();
    site.write_plugin("canary.wasm", b"half");
    site.write_plugin("hostile.wasm", &plugin_bytes("hostile"));
    let engine = sluice_wasm::Engine::new().unwrap();
    let checked = sluice_control::check(&engine, &site.folders());
    assert_eq!(checked.faults.len(), 1, "{checked:?}");
    assert!(checked.faults[0].to_string().starts_with("plugins.d/canary.wasm: plugin canary: "), "{checked:?}");
    site.write_plugin("canary.wasm", &plugin_bytes("canary"));
    let checked = sluice_control::check(&engine, &site.folders());
    assert_eq!((checked.faults.len(), checked.routes, checked.plugins), (0, 1, 2), "{checked:?}");
    site.write_policy("demo.toml", &plain_policy("app").replace("servers", "server"));
    let checked = sluice_control::check(&engine, &site.folders());
    assert!(checked.faults.iter().any(|fault| fault.line == Some(2)), "{checked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_only_a_plugin_reads_is_followed() {
    let site = Site::demo();
    let running = site.start().await;
    site.write_policy("demo.toml", &POLICY.replace("featureFlags", "beta"));
    running.reaches(2).await;
    let is_known = || running.handle.flag_book().find("beta").map(drop).ok_or_else(|| "not yet".to_owned());
    eventually("the store follows the switch", is_known).await;
    running.handle.set_switch("beta", true, "test").await.unwrap();
    assert_eq!(running.handle.cells().switch("beta"), Some(true));
    running.no_faults().await;
    running.stop().await;
}
