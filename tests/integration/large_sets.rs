//! Flag sets that are large in what they mean: one that needs more memory than a plugin may have is refused before any worker
//! sees it, and one that fits changes without an instance being lost.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use sluice_tests::{client, eventually};

use crate::flag_sets::Shop;
use sluice_tests::stack::StoreKind;

/// Flags with a rule whose set fits the default limits of a plugin, also beside the one before.
const FITTING: usize = 1_500;
/// Flags whose set is over the soft limit: each instance would be replaced after each call.
const OVER_SOFT: usize = 4_200;
/// Flags whose set is over the hard limit before it is read, in less than a mebibyte.
const OVER_HARD: usize = 5_500;
/// Requests that would each lose an instance that is too large.
const REQUESTS: usize = 20;

fn document(flags: usize, open_to: &str) -> String {
    let rule = json!({"if": [{"ends_with": [{"var": "email"}, open_to]}, "on"]});
    let flag = |rule: &Value| json!({"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off", "targeting": rule});
    let mut all: serde_json::Map<String, Value> = (0..flags).map(|n| (format!("flag-{n:05}"), flag(&rule))).collect();
    all.insert("new-checkout".to_owned(), flag(&rule));
    json!({ "flags": all }).to_string()
}

async fn opens(shop: &Shop, email: &str) -> Result<bool> {
    let request = client::http().get(format!("{}/checkout", shop.router().edge)).header("x-email", email);
    Ok(request.send().await?.status().is_success())
}

async fn feature_flags(shop: &Shop) -> Result<Value> {
    shop.router().get("/v1/plugins/feature-flags").await
}

/// A set of so many flags is refused with a fault that says so, and nothing else comes of it.
async fn is_refused(shop: &Shop, flags: usize, says: &str) -> Result<()> {
    let large = document(flags, "@example.com");
    ensure!(large.len() < 1 << 20, "{}", large.len());
    shop.put(&large).await?;
    shop.router().fault(says).await;
    let before = feature_flags(shop).await?;
    for _ in 0..REQUESTS {
        assert!(opens(shop, "ann@example.org").await?, "the set before counts");
        assert!(!opens(shop, "ann@example.com").await?);
    }
    let after = feature_flags(shop).await?;
    assert_eq!(after["stats"]["recycled"], before["stats"]["recycled"], "no instance is lost: {after}");
    Ok(())
}

async fn is_taken(shop: &Shop, flags: usize, domain: &str) -> Result<()> {
    shop.put(&document(flags, domain)).await?.error_for_status()?;
    eventually("the set counts", async || {
        ensure!(opens(shop, &format!("ann{domain}")).await?);
        Ok(())
    })
    .await;
    shop.router().healthy().await;
    Ok(())
}

#[tokio::test]
async fn a_set_that_needs_more_memory_than_the_plugin_may_have_changes_nothing() -> Result<()> {
    let shop = Shop::start(StoreKind::Embedded).await?;
    is_taken(&shop, 1, "@example.org").await?;
    is_refused(&shop, OVER_SOFT, "soft limit").await?;
    is_taken(&shop, FITTING, "@example.net").await?;
    is_taken(&shop, FITTING, "@example.org").await?;
    is_refused(&shop, OVER_HARD, "needs more memory").await
}
