//! Account, balance, sizes, regions, images.

use serde::Deserialize;

use super::DigitalOcean;
use super::call::Call;
use super::fault;
use crate::error::CloudError;
use crate::types::{Image, Region, Size};

/// The account, with what only this cloud says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AccountState {
    /// E-mail address of its owner.
    pub email: String,
    /// Most droplets at a time.
    pub droplet_limit: u32,
    /// `active`, `warning`, `locked`, or a word that is new.
    #[serde(default)]
    pub status: String,
    /// Why it is not active.
    #[serde(default)]
    pub status_message: String,
}

/// What is owed, as written there: US dollars.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Balance {
    /// What this month cost so far.
    pub month_to_date_usage: String,
    /// What is owed in all; negative = there is credit.
    pub account_balance: String,
}

#[derive(Deserialize)]
struct SizeEntry {
    slug: String,
    vcpus: u32,
    memory: u32,
    disk: u32,
    price_monthly: f64,
    price_hourly: f64,
    #[serde(default)]
    available: bool,
    #[serde(default)]
    regions: Vec<String>,
}

#[derive(Deserialize)]
struct ImageEntry {
    slug: Option<String>,
    #[serde(default)]
    distribution: String,
    #[serde(default)]
    name: String,
}

impl DigitalOcean {
    /// The account.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn account_state(&self) -> Result<AccountState, CloudError> {
        self.one(&Call::get(&["account"]), "account").await
    }

    /// What is owed. A token may be without the right to ask.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn balance(&self) -> Result<Balance, CloudError> {
        let call = Call::get(&["customers", "my", "balance"]);
        let body = self.body(&call, None).await?;
        serde_json::from_slice(&body).map_err(|error| fault::of_answer(&call, &error.to_string()))
    }

    pub(super) async fn all_sizes(&self) -> Result<Vec<Size>, CloudError> {
        let call = Call::get(&["sizes"]);
        let entries: Vec<SizeEntry> = self.all(call.clone(), "sizes").await?;
        entries.into_iter().map(|entry| entry.read().map_err(|reason| fault::of_answer(&call, &reason))).collect()
    }

    pub(super) async fn all_regions(&self) -> Result<Vec<Region>, CloudError> {
        self.all(Call::get(&["regions"]), "regions").await
    }

    /// Those of distributions that can be named: others have no slug.
    pub(super) async fn all_images(&self) -> Result<Vec<Image>, CloudError> {
        let entries: Vec<ImageEntry> = self.all(Call::get(&["images"]).with("type", "distribution"), "images").await?;
        let named = |ImageEntry { slug, distribution, name }: ImageEntry| {
            slug.map(|slug| Image { slug, name: format!("{distribution} {name}").trim().to_owned() })
        };
        Ok(entries.into_iter().filter_map(named).collect())
    }
}

impl SizeEntry {
    fn read(self) -> Result<Size, String> {
        let Self { slug, vcpus, memory, disk, price_monthly, price_hourly, available, regions } = self;
        let monthly_cents = cents(price_monthly).ok_or_else(|| format!("size {slug} costs {price_monthly}"))?;
        let hourly_usd = price_hourly;
        Ok(Size { slug, vcpus, memory_mib: memory, disk_gib: disk, monthly_cents, hourly_usd, available, regions })
    }
}

/// Dollars as whole cents.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole, and within the bounds checked before"
)]
fn cents(dollars: f64) -> Option<u64> {
    /// Dearer than any machine there is.
    const DOLLARS_MAX: f64 = 1e7;
    (0.0..=DOLLARS_MAX).contains(&dollars).then(|| (dollars * 100.0).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_whole_cents() {
        assert_eq!(cents(6.0), Some(600));
        assert_eq!(cents(0.1 + 0.2), Some(30));
        assert_eq!(cents(1e7), Some(1_000_000_000));
        assert_eq!([cents(-1.0), cents(f64::NAN), cents(1e9)], [None; 3]);
    }
}
