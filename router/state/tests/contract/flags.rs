//! Flag definitions, silences and the audit log, on both stores.

use std::time::Duration;

use futures_util::future::join_all;
use sluice_model::audit::{AUDIT_VALUE_BYTES_MAX, Author};
use sluice_model::silence::{SILENCES_MAX, Silence};
use sluice_state::{FLAG_DOCUMENT_BYTES_MAX, FLAG_SETS_MAX, StoreError};

use crate::fixture::{Fixture, contract};
use crate::support::{Router, SWITCH, abort, in_an_hour_ms, quarter};

/// Writers that race in one test.
const RACERS: usize = 8;

contract! {
    a_set_is_written_read_and_deleted
    a_set_is_replaced_only_as_it_was_seen
    of_racing_writers_with_one_version_one_wins
    sets_and_documents_end_at_their_bounds
    a_silence_is_made_replaced_and_ended
    a_silence_that_is_over_goes_by_itself
    silences_end_at_their_bound
    whoever_changes_what_is_in_the_log
    a_log_keeps_the_beginning_of_long_values
}

fn silence(id: &str, until_ms: u64) -> Silence {
    Silence { id: id.to_owned(), rule: Some("upload-size".to_owned()), until_ms, by: "op".into(), ..Silence::default() }
}

async fn a_set_is_written_read_and_deleted(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    assert_eq!(router.flags("shop").await.unwrap(), None);
    let version = router.put_flags("shop", r#"{"flags":{}}"#, None, "op".into()).await.unwrap();
    let document = router.flags("shop").await.unwrap().unwrap();
    assert_eq!((&*document.text, document.version), (r#"{"flags":{}}"#, version));
    assert_eq!(router.view().flags["shop"], document, "this router acts on it");
    assert!(router.delete_flags("shop", "op".into()).await.unwrap());
    assert!(router.view().flags.is_empty());
    assert!(!router.delete_flags("shop", "op".into()).await.unwrap());
    assert_eq!(router.flags("shop").await.unwrap(), None);
    let again = router.put_flags("shop", "{}", None, "op".into()).await.unwrap();
    assert!(again > version, "a set that is made anew is a newer one");
}

async fn a_set_is_replaced_only_as_it_was_seen(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    let none = router.put_flags("shop", "1", Some(7), "op".into()).await;
    assert!(matches!(none, Err(StoreError::Conflict { expected: 7, found: 0, .. })), "{none:?}");
    let first = router.put_flags("shop", "1", Some(0), "op".into()).await.unwrap();
    let other = router.put_flags("other", "1", Some(0), "op".into()).await.unwrap();
    let late = router.put_flags("shop", "2", Some(0), "op".into()).await;
    assert!(matches!(late, Err(StoreError::Conflict { found, .. }) if found == first), "{late:?}");
    let second = router.put_flags("shop", "2", Some(first), "op".into()).await.unwrap();
    assert!(first > 0 && second > other && other > first);
    assert_eq!(&*router.view().flags["shop"].text, "2");
    assert_eq!(router.audit(Some("flags:shop"), 9).await.unwrap().len(), 2, "a refused write is not logged");
}

async fn of_racing_writers_with_one_version_one_wins(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    let version = router.put_flags("shop", "0", None, "op".into()).await.unwrap();
    let texts: [String; RACERS] = std::array::from_fn(|racer| racer.to_string());
    let racing = texts.each_ref().map(|text| router.put_flags("shop", text, Some(version), "op".into()));
    let results = join_all(racing).await;
    let won: Vec<usize> = (0..RACERS).filter(|&racer| results[racer].is_ok()).collect();
    assert_eq!(won.len(), 1, "{results:?}");
    assert_eq!(*router.flags("shop").await.unwrap().unwrap().text, texts[won[0]]);
}

async fn sets_and_documents_end_at_their_bounds(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    let most = "x".repeat(FLAG_DOCUMENT_BYTES_MAX);
    router.put_flags("large", &most, None, "op".into()).await.unwrap();
    assert_eq!(router.view().flags["large"].text.len(), FLAG_DOCUMENT_BYTES_MAX);
    let more = router.put_flags("large", &format!("{most}x"), None, "op".into()).await;
    assert!(matches!(more, Err(StoreError::Invalid(_))));
    for name in ["ver", "a:b", ""] {
        assert!(matches!(router.put_flags(name, "1", None, "op".into()).await, Err(StoreError::Invalid(_))), "{name}");
    }
    for n in 1..FLAG_SETS_MAX {
        router.put_flags(&format!("set{n}"), "1", None, "op".into()).await.unwrap();
    }
    let full = router.put_flags("one-more", "1", None, "op".into()).await;
    assert!(matches!(full, Err(StoreError::Full { max: FLAG_SETS_MAX, .. })), "{full:?}");
    router.put_flags("set1", "2", None, "op".into()).await.unwrap();
    router.delete_flags("set2", "op".into()).await.unwrap();
    router.put_flags("one-more", "1", None, "op".into()).await.unwrap();
    assert_eq!(router.view().flags.len(), FLAG_SETS_MAX);
}

async fn a_silence_is_made_replaced_and_ended(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    let (one, two) = (silence("one", in_an_hour_ms()), silence("two", in_an_hour_ms()));
    router.put_silence(&two).await.unwrap();
    router.put_silence(&one).await.unwrap();
    assert_eq!(router.view().silences.as_deref(), Some(&[one.clone(), two.clone()][..]));
    let longer = Silence { until_ms: one.until_ms + 1, ..one };
    router.put_silence(&longer).await.unwrap();
    assert!(router.delete_silence("two", "op".into()).await.unwrap());
    assert!(!router.delete_silence("two", "op".into()).await.unwrap());
    assert_eq!(router.view().silences.as_deref(), Some(&[longer][..]));
    let long = Silence { reason: "x".repeat(1_025), ..two };
    assert!(matches!(router.put_silence(&long).await, Err(StoreError::Invalid(_))));
}

async fn a_silence_that_is_over_goes_by_itself(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    let soon_ms = in_an_hour_ms() - 3_600_000 + 300;
    router.put_silence(&silence("short", soon_ms)).await.unwrap();
    router.put_silence(&silence("long", in_an_hour_ms())).await.unwrap();
    router
        .until("it is over", |view| {
            view.silences.as_ref().is_some_and(|silences| silences.len() == 1 && silences[0].id == "long")
        })
        .await;
}

async fn silences_end_at_their_bound(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    for n in 0..SILENCES_MAX {
        router.put_silence(&silence(&n.to_string(), in_an_hour_ms())).await.unwrap();
    }
    let full = router.put_silence(&silence("more", in_an_hour_ms())).await;
    assert!(matches!(full, Err(StoreError::Full { max: SILENCES_MAX, .. })), "{full:?}");
    router.put_silence(&silence("0", in_an_hour_ms())).await.unwrap();
    assert_eq!(router.view().silences.as_ref().map(Vec::len), Some(SILENCES_MAX));
}

/// (key, by, old, new, reason), newest first.
async fn logged(router: &Router, key: Option<&str>) -> Vec<(String, String, Option<String>, Option<String>, String)> {
    let entries = router.audit(key, 99).await.unwrap();
    entries.into_iter().map(|entry| (entry.key, entry.by, entry.old, entry.new, entry.reason)).collect()
}

async fn whoever_changes_what_is_in_the_log(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    let author = Author { by: "op", reason: "because" };
    let (on, off) = (Some("true".to_owned()), Some("false".to_owned()));
    router.set_switch(SWITCH, true, author).await.unwrap();
    router.flip_switch(SWITCH, author).await.unwrap();
    let row = |key: &str, old: &Option<String>, new: &Option<String>| {
        (key.to_owned(), "op".to_owned(), old.clone(), new.clone(), "because".to_owned())
    };
    assert_eq!(
        logged(router, Some("flag:featureFlags")).await,
        [row("flag:featureFlags", &on, &off), row("flag:featureFlags", &None, &on)]
    );
    router.put_flags("shop", "1", None, author).await.unwrap();
    router.put_flags("shop", "2", None, author).await.unwrap();
    router.delete_flags("shop", author).await.unwrap();
    let (one, two) = (Some("1".to_owned()), Some("2".to_owned()));
    assert_eq!(
        logged(router, Some("flags:shop")).await,
        [row("flags:shop", &two, &None), row("flags:shop", &one, &two), row("flags:shop", &None, &one)]
    );
    router.ensure_rollout("demo", &quarter()).await.unwrap();
    router.apply_rollout("demo", &abort("one"), author, 1, None).await.unwrap();
    router.apply_rollout("demo", &abort("one"), author, 1, None).await.unwrap();
    let rollout = logged(router, Some("rollout:demo")).await;
    assert_eq!(rollout.len(), 2, "a replay changes nothing");
    assert_eq!(rollout[0].2.as_deref(), Some("running @canary*2500 @stable*7500"));
    assert_eq!(rollout[0].3.as_deref(), Some("aborted @canary*2500 @stable*7500"));
    assert_eq!((&*rollout[0].4, rollout[1].2.as_deref()), ("upload too large", None));

    router.put_silence(&silence("one", in_an_hour_ms())).await.unwrap();
    router.delete_silence("one", author).await.unwrap();
    let ended = logged(router, Some("silence:one")).await;
    assert!(ended[0].2.is_some() && ended[0].3.is_none() && ended[1].2.is_none() && ended[1].3.is_some());

    let all = router.audit(None, 99).await.unwrap();
    assert_eq!(all.len(), 9);
    assert!(all.is_sorted_by(|one, other| one.at_ms >= other.at_ms));
    assert_eq!(router.audit(None, 2).await.unwrap(), all[..2]);
    let told: Vec<_> = router.view().audit.iter().rev().cloned().collect();
    assert_eq!(told, all, "each was told, in order, before the write returned");
}

async fn a_log_keeps_the_beginning_of_long_values(redis: bool) {
    let Fixture { router, .. } = &Fixture::open(redis).await;
    // Of two bytes each, and one ahead: the bound falls into the middle of a character.
    let long = format!("x{}", "\u{e4}".repeat(AUDIT_VALUE_BYTES_MAX));
    router.put_flags("shop", &long, None, "op".into()).await.unwrap();
    router.put_flags("shop", "1", None, "op".into()).await.unwrap();
    let entries = router.audit(None, 9).await.unwrap();
    for value in [entries[0].old.as_ref(), entries[1].new.as_ref()] {
        let kept = value.unwrap();
        // Redis cuts bytes, and half a character is read as a mark of three.
        assert!((AUDIT_VALUE_BYTES_MAX - 1..=AUDIT_VALUE_BYTES_MAX + 2).contains(&kept.len()), "{}", kept.len());
        assert!(long.starts_with(kept.trim_end_matches('\u{fffd}')));
    }
    tokio::time::timeout(Duration::from_secs(30), router.audit(Some("none"), 9)).await.unwrap().unwrap();
}
