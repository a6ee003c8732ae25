//! The split between stable and canary: its share, that it sticks, and that a raised weight takes nobody back.

use anyhow::Result;
use sluice_tests::client;
use sluice_tests::crowd::{self, Variants};
use sluice_tests::stack::{Stack, StoreKind};

const USERS: u32 = 10_000;
/// Enough to see that a rule holds for each of them.
const FEW_USERS: u32 = 300;
/// How far the share of [`USERS`] may be from the weight: 1.5 %, more than three standard deviations.
const DEVIATION_MAX: usize = 150;

fn assert_share(variants: &Variants, wanted: usize) {
    let found = crowd::on_canary(variants);
    assert!(found.abs_diff(wanted) <= DEVIATION_MAX, "{found} of {} are on canary, not {wanted}", variants.len());
}

/// Users that changed their variant, other than from stable to canary.
fn taken_back(before: &Variants, after: &Variants) -> Vec<u32> {
    let left = before.iter().filter(|(uid, variant)| *variant == "canary" && after[uid] != "canary");
    left.map(|(uid, _)| *uid).collect()
}

async fn users_are_split_by_weight_and_stay_where_they_are(kind: StoreKind) -> Result<()> {
    let stack = Stack::start(kind).await?;
    let client = client::keep_alive();
    let quarter = crowd::ask(&client, &stack, 0..USERS).await?;
    assert_share(&quarter, 2_500);
    // On other connections, so that other workers are asked about the same users.
    let again = crowd::ask(&client::keep_alive(), &stack, 0..USERS).await?;
    assert!(quarter == again, "each user stays on its variant");

    let rollout = stack.set_weight(50.0).await?;
    assert_eq!(rollout["effective_weight"], 50.0, "{rollout}");
    let half = crowd::ask(&client, &stack, 0..USERS).await?;
    assert_share(&half, 5_000);
    assert_eq!(taken_back(&quarter, &half), [0; 0], "a raised weight takes nobody off canary");

    stack.set_weight(25.0).await?;
    let lowered = crowd::ask(&client, &stack, 0..FEW_USERS).await?;
    assert!(lowered.iter().all(|(uid, variant)| quarter[uid] == *variant), "the same users as before");
    Ok(())
}

async fn a_user_is_known_by_cookie_then_header_then_address(kind: StoreKind) -> Result<()> {
    let stack = Stack::start(kind).await?;
    let client = client::http();
    let by_cookie = crowd::ask(&client, &stack, 0..FEW_USERS).await?;
    let by_header =
        crowd::ask_as(&client, &stack, 0..FEW_USERS, |request, uid| request.header("x-user", uid.to_string())).await?;
    assert!(by_cookie == by_header, "one user, however it is known");
    let by_both = crowd::ask_as(&client, &stack, 0..FEW_USERS, |request, uid| {
        client::as_user(request, uid).header("x-user", (uid + 1).to_string())
    })
    .await?;
    assert!(by_cookie == by_both, "the cookie comes first");

    let by_address = crowd::ask_as(&client, &stack, 0..FEW_USERS, |request, _| request).await?;
    let on_canary = crowd::on_canary(&by_address);
    assert!(on_canary == 0 || on_canary == by_address.len(), "one address is one user: {on_canary} requests on canary");
    Ok(())
}

async fn the_ends_of_the_scale_are_all_and_nobody(kind: StoreKind) -> Result<()> {
    let stack = Stack::start(kind).await?;
    let client = client::http();
    for (percent, wanted) in [(100.0, FEW_USERS), (0.0, 0)] {
        stack.set_weight(percent).await?;
        let on_canary = crowd::on_canary(&crowd::ask(&client, &stack, 0..FEW_USERS).await?);
        assert_eq!(u32::try_from(on_canary)?, wanted, "at {percent} %");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_split_by_weight_and_stay_where_they_are_embedded() -> Result<()> {
    users_are_split_by_weight_and_stay_where_they_are(StoreKind::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_split_by_weight_and_stay_where_they_are_redis() -> Result<()> {
    users_are_split_by_weight_and_stay_where_they_are(StoreKind::Redis).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_known_by_cookie_then_header_then_address_embedded() -> Result<()> {
    a_user_is_known_by_cookie_then_header_then_address(StoreKind::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_known_by_cookie_then_header_then_address_redis() -> Result<()> {
    a_user_is_known_by_cookie_then_header_then_address(StoreKind::Redis).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ends_of_the_scale_are_all_and_nobody_embedded() -> Result<()> {
    the_ends_of_the_scale_are_all_and_nobody(StoreKind::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ends_of_the_scale_are_all_and_nobody_redis() -> Result<()> {
    the_ends_of_the_scale_are_all_and_nobody(StoreKind::Redis).await
}
