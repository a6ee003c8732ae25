//! What only the embedded store must do: outlive a crash, belong to one process.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use sluice_model::rollout::{Command, RolloutState};
use sluice_model::silence::Silence;
use sluice_state::{Backend, Group, OpenError, SwitchValue};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::support::{Router, SWITCH, abort, alert, config, in_an_hour_ms, quarter, server};

/// Crashes in the crash test.
const ROUNDS: usize = 20;
/// Acknowledged writes before the kill; another count each round.
const WRITES_MIN: usize = 3;

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let router = Router::ready(config(Backend::Embedded, folder.path())).await;
    router.set_switch(SWITCH, true, "test".into()).await.unwrap();
    router.ensure_rollout("demo", &quarter()).await.unwrap();
    let aborted = router.apply_rollout("demo", &abort("one"), "test".into(), 1, None).await.unwrap();
    router.put_server(&server("a")).await.unwrap();
    let minute = Duration::from_secs(60);
    assert!(router.keep_firing(&alert("1", "f"), minute, minute).await.unwrap());
    let version = router.put_flags("shop", "{}", None, "test".into()).await.unwrap();
    let silence = Silence { id: "s".into(), until_ms: in_an_hour_ms(), ..Silence::default() };
    router.put_silence(&silence).await.unwrap();
    let logged = router.audit(None, 9).await.unwrap();
    router.mark_sent(&alert("1", "f").id, "mail").await.unwrap();
    assert_eq!(router.take_deliveries(Group::Notify, "a", 9, Duration::ZERO).await.unwrap().len(), 1);
    router.close().await;

    let router = Router::ready(config(Backend::Embedded, folder.path())).await;
    {
        let view = router.view();
        assert_eq!(view.switch(), Some(&SwitchValue::On));
        assert_eq!(view.rollouts["demo"], aborted);
        assert_eq!(view.servers(), ["a"], "the lease holds until a beat could have come");
        assert!(view.alerts.is_empty() && view.audit.is_empty(), "what was told is not told again");
        assert_eq!((&*view.flags["shop"].text, view.flags["shop"].version), ("{}", version));
        assert_eq!(view.silences.as_deref(), Some(&[silence][..]));
    }
    assert_eq!(router.audit(None, 9).await.unwrap(), logged);
    assert!(router.was_sent(&alert("1", "f").id, "mail").await.unwrap());
    let taken = router.take_deliveries(Group::Notify, "b", 9, Duration::ZERO).await.unwrap();
    assert_eq!((taken.len(), taken[0].times), (1, 2), "who had it is gone");
    router.finish_delivery(Group::Notify, &taken[0].entry).await.unwrap();
    assert!(router.resolve_alerts(20_000).await.unwrap().is_empty(), "this router was away, so it was not seen");
    assert_eq!(router.firing().await.unwrap().len(), 1);
    assert_eq!(router.put_flags("shop", "1", Some(version), "test".into()).await.unwrap(), version + 1);
    assert_eq!(router.alerts(9).await.unwrap(), [alert("1", "f")]);
    let quiet = router.append_alert(&alert("2", "f"), Duration::from_secs(60)).await.unwrap();
    assert!(!quiet, "the cooldown outlives a restart");
    let resumed = router.apply_rollout("demo", &Command::Resume, "test".into(), 2, None).await.unwrap();
    assert_eq!(resumed.state, RolloutState::Running);
}

#[tokio::test]
async fn a_second_router_is_told_who_is_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let _first = Router::ready(config(Backend::Embedded, folder.path())).await;
    let second = Router::open(config(Backend::Embedded, folder.path())).await;
    let error = second.err().expect("the file is in use");
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    assert!(error.to_string().contains("state.redb") && error.to_string().contains("another router"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("state.redb"), "not a database".repeat(1_000)).unwrap();
    let error = Router::open(config(Backend::Embedded, folder.path())).await.err().expect("not a store");
    assert!(matches!(error, OpenError::Embedded { .. }), "{error}");
}

#[tokio::test]
async fn no_acknowledged_write_is_lost_when_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut last_epoch = 0;
    for round in 0..ROUNDS {
        last_epoch = write_until_killed(folder.path().to_owned(), WRITES_MIN + round).await;
        let router = Router::ready(config(Backend::Embedded, folder.path())).await;
        let epoch = router.view().rollouts["demo"].epoch;
        assert!(epoch >= last_epoch, "round {round}: acknowledged {last_epoch}, found {epoch}");
        assert!(router.view().epochs.is_sorted());
        router.close().await;
    }
    assert!(last_epoch > (ROUNDS * WRITES_MIN) as u64, "{last_epoch}: each round went on where the last one ended");
}

/// Runs the example `acknowledge` and kills it (SIGKILL) after `writes`; returns the last epoch it acknowledged.
async fn write_until_killed(folder: PathBuf, writes: usize) -> u64 {
    let mut child = tokio::process::Command::new(example("acknowledge"))
        .arg(folder)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = 0;
    for _write in 0..writes {
        acknowledged = lines.next_line().await.unwrap().expect("the writer ended by itself").parse().unwrap();
    }
    child.start_kill().unwrap();
    while let Some(line) = lines.next_line().await.unwrap() {
        // The last line may be torn.
        acknowledged = line.parse().map_or(acknowledged, |epoch: u64| epoch.max(acknowledged));
    }
    child.wait().await.unwrap();
    acknowledged
}

/// Cargo builds examples beside the tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(|folder| folder.parent()).unwrap().join("examples").join(name)
}
