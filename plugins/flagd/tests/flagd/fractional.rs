//! Splits: the vectors of flagd's own test suite, both versions, and that a share only grows.

use serde_json::{Value, json};
use sluice_flagd::{Context, FlagSet};

use crate::{NOON, outcome};

/// Users that a test follows.
const USERS: usize = 200_000;

fn set(version: u8, buckets: &Value) -> FlagSet {
    let flag = json!({"state": "ENABLED", "variants": {"canary": 1, "stable": 2, "clubs": 3, "diamonds": 4, "hearts": 5,
        "spades": 6, "lower": 7, "upper": 8}, "targeting": {"fractional": buckets}});
    let flags = ["fractional-flag", "new-ui", "x"].map(|key| (key.to_owned(), flag.clone()));
    let flags = Value::Object(flags.into_iter().collect());
    FlagSet::compile(&json!({"metadata": {"fractionalVersion": version}, "flags": flags}).to_string())
        .expect("the definition is one")
}

fn variant<'s>(set: &'s FlagSet, key: &str, user: &str) -> Option<&'s str> {
    set.evaluate(key, &Context::new(Some(user), NOON)).variant
}

/// `fractional.feature` of open-feature/flagd-testbed, the examples of `@fractional-v2`.
#[test]
fn version_2_has_the_results_of_the_test_suite_of_flagd() {
    let cards = json!([{"cat": [{"var": "$flagd.flagKey"}, {"var": "targetingKey"}]}, ["clubs", 25], ["diamonds", 25],
        ["hearts", 25], ["spades", 25]]);
    let cards = set(2, &cards);
    for (name, card) in
        [("jack", "hearts"), ("queen", "spades"), ("ten", "clubs"), ("nine", "diamonds"), ("3", "clubs")]
    {
        assert_eq!(variant(&cards, "fractional-flag", name), Some(card), "{name}");
    }
    // Keys whose hash is at the edges of 32 and 31 bits.
    let edges = set(2, &json!([{"var": "targetingKey"}, ["lower", 50], ["upper", 50]]));
    for (key, half) in
        [("ejOoVL", "lower"), ("bY9fO-", "lower"), ("SI7p-", "lower"), ("6LvT0", "upper"), ("ceQdGm", "upper")]
    {
        assert_eq!(variant(&edges, "x", key), Some(half), "{key}");
    }
}

#[test]
fn version_2_hashes_utf8() {
    // MurmurHash3 x86_32 of the UTF-8 of "xü" is 3,186,471,133 of 4,294,967,296: bucket 741 of 1,000.
    let set = set(2, &json!([["lower", 741], ["canary", 1], ["upper", 258]]));
    let explanation = set.explain("x", &Context::new(Some("ü"), NOON));
    let hash = u64::from(mur3::murmurhash3_x86_32("xü".as_bytes(), 0));
    assert_eq!(explanation.steps[0].note, Some(format!("hit {} of 1000", (hash * 1000) >> 32)));
}

#[test]
fn nobody_and_nothing_are_no_split() {
    for rule in [
        json!([["a", 1]]),
        json!([{"var": "nobody"}, ["a", 1]]),
        json!([{"var": "id"}, ["a", 0], ["b", -5]]),
        json!([{"var": "id"}, ["a", 2_147_483_647], ["b", 1]]),
        json!([{"var": "id"}, ["a", 1.5]]),
        json!([{"var": "id"}, ["a", "1"]]),
        json!([{"var": "id"}, ["a", 1, 2]]),
        json!([{"var": "id"}, []]),
        json!([{"var": "id"}, "a"]),
        json!([]),
        json!("a"),
    ] {
        assert_eq!(outcome(&json!({"fractional": rule}), &json!({"id": "u"})), "b/DEFAULT", "{rule}");
    }
    let full = json!({"fractional": [{"var": "id"}, ["a", 2_147_483_647], ["b", 0]]});
    assert_eq!(outcome(&full, &json!({"id": "u"})), "a/TARGETING_MATCH");
    let negative = json!({"fractional": [{"var": "id"}, ["b", -9], ["a"]]});
    assert_eq!(outcome(&negative, &json!({"id": "u"})), "a/TARGETING_MATCH");
}

#[test]
fn variants_and_weights_may_be_rules() {
    let rule = json!({"fractional": [{"var": "id"}, [{"var": "name"}, {"if": [{"var": "all"}, 100, 0]}], ["2", 1]]});
    assert_eq!(outcome(&rule, &json!({"id": "u", "name": "a"})), "2/TARGETING_MATCH");
    assert!(
        ["a/TARGETING_MATCH", "2/TARGETING_MATCH"]
            .contains(&&*outcome(&rule, &json!({"id": "u", "name": "a", "all": 1})))
    );
}

/// Raises the canary, which stands first, from nothing to everyone: nobody who is in ever leaves, and its share is met.
#[test]
fn a_share_only_grows() {
    for version in [2, 3] {
        let mut inside = vec![false; USERS];
        let users: Vec<String> = (0..USERS).map(|number| format!("user-{number}")).collect();
        for percent in (0..=100).step_by(10) {
            let set = set(version, &json!([["canary", percent], ["stable", 100 - percent]]));
            let mut count = 0_usize;
            for (user, was_inside) in users.iter().zip(&mut inside) {
                let is_inside = variant(&set, "new-ui", user) == Some("canary");
                assert!(is_inside || !*was_inside, "{user} left at {percent} %");
                *was_inside = is_inside;
                count += usize::from(is_inside);
            }
            // Six standard deviations of 200,000 draws are below 0.7 %.
            let share = count * 1000 / USERS;
            assert!(share.abs_diff(percent * 10) <= 7, "version {version}: {share} of 1000 at {percent} %");
        }
    }
}

#[test]
fn a_share_depends_on_the_ratio_of_the_weights_alone() {
    let coarse = set(2, &json!([["canary", 1], ["stable", 3]]));
    let fine = set(2, &json!([["canary", 2_500], ["stable", 7_500]]));
    for number in 0..USERS {
        let user = format!("user-{number}");
        assert_eq!(variant(&coarse, "new-ui", &user), variant(&fine, "new-ui", &user));
    }
}

#[test]
fn version_3_tells_values_of_other_types_apart_and_equal_numbers_not() {
    let rule = |value: Value| {
        let set = set(3, &json!([value, ["canary", 5_000], ["stable", 5_000]]));
        set.explain("x", &Context::new(Some("u"), NOON)).steps[0].note.clone()
    };
    assert_eq!(rule(json!(7)), rule(json!(7.0)));
    assert_ne!(rule(json!(7)), rule(json!("7")));
    assert_ne!(rule(json!(1_234_567_890_123_456_789_u64)), rule(json!(1_234_567_890_123_456_790_u64)));
    assert_eq!(rule(json!(null)), None);
}
