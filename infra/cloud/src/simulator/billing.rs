//! What droplets cost: by the second since 2026, at least 60 s and $0.01, at most the price of a month for each 672 hours.
//! A droplet that is off costs the same.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::{Answer, Outcome};
use super::catalogue::size_of;
use super::clock::written;
use super::droplets::Droplet;
use super::routes::Call;
use super::world::World;

/// Least time that is billed.
const SECONDS_MIN: u64 = 60;
/// Least amount that is billed, US dollars.
const USD_MIN: f64 = 0.01;
/// Hours after which a month is paid.
const MONTH_SECONDS: u64 = 672 * 3_600;
const HOUR_SECONDS: f64 = 3_600.0;

/// What one droplet cost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Charge {
    droplet: u64,
    name: String,
    size: String,
    from_ms: u64,
    until_ms: u64,
    seconds: u64,
    pub(super) usd: f64,
}

impl Charge {
    /// Until then.
    pub(super) fn of(droplet: &Droplet, until_ms: u64) -> Self {
        let seconds = until_ms.saturating_sub(droplet.created_ms).div_ceil(1_000);
        let (name, size, from_ms) = (droplet.name.clone(), droplet.size.clone(), droplet.created_ms);
        Self { droplet: droplet.id, name, usd: usd(&size, seconds), size, from_ms, until_ms, seconds }
    }
}

/// The price of so many seconds.
fn usd(size: &str, seconds: u64) -> f64 {
    let Some(size) = size_of(size) else { return 0.0 };
    let monthly = f64::from(size.monthly_cents) / 100.0;
    let billed = seconds.max(SECONDS_MIN);
    let (months, rest) = (billed / MONTH_SECONDS, billed % MONTH_SECONDS);
    let whole = f64::from(u32::try_from(months).unwrap_or(u32::MAX)) * monthly;
    let part = size.hourly_usd * f64::from(u32::try_from(rest).unwrap_or(u32::MAX)) / HOUR_SECONDS;
    (whole + part.min(monthly)).max(USD_MIN)
}

impl World {
    /// All charges so far, those of running droplets among them.
    pub(super) fn bill(&self) -> Value {
        let running = self.droplets.values().map(|droplet| Charge::of(droplet, self.now_ms));
        let charges: Vec<Charge> = self.charges.iter().cloned().chain(running).collect();
        let total = self.earlier_usd + charges.iter().map(|charge| charge.usd).sum::<f64>();
        json!({ "at": written(self.now_ms), "total_usd": total, "charges": charges })
    }
}

/// `GET /v2/customers/my/balance`
pub(super) fn balance(call: &Call<'_>) -> Outcome {
    let total = call.world.bill().get("total_usd").and_then(Value::as_f64).unwrap_or_default();
    let usage = format!("{total:.2}");
    let body = json!({
        "month_to_date_balance": usage, "account_balance": "0.00", "month_to_date_usage": usage,
        "generated_at": written(call.world.now_ms),
    });
    Ok(Answer::json(200, &body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_and_a_cent_are_the_least_and_a_month_the_most() {
        let size = "s-1vcpu-1gb";
        assert!((usd(size, 1) - USD_MIN).abs() < 1e-9);
        assert!((usd("c-16", 1) - usd("c-16", SECONDS_MIN)).abs() < 1e-9);
        assert!(usd("c-16", SECONDS_MIN + 60) > usd("c-16", SECONDS_MIN));
        assert!((usd(size, 3_600 * 10) - 0.0893).abs() < 1e-6);
        assert!((usd(size, MONTH_SECONDS) - 6.0).abs() < 1e-9);
    }
}
