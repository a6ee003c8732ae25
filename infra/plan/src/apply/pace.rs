//! How long things may take at a cloud, and how often it is asked.

use std::time::Duration;

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between two looks at one droplet.
    pub poll: Duration,
    /// A droplet that is not active by then is given up.
    pub active_deadline: Duration,
    /// A deletion that does not show by then is left to the next run.
    pub gone_deadline: Duration,
    /// How long a listing may lag behind: after an unclear answer it is looked at for so long before asking again.
    pub settle: Duration,
    /// First pause before asking again; it doubles.
    pub pause: Duration,
    /// Droplets in the making at a time.
    pub parallel: usize,
}

/// The longest that a rate limit is waited for; beyond it, the run ends and says when to come back.
pub(super) const RATE_WAIT_MAX: Duration = Duration::from_mins(2);
/// How often one call is sent.
pub(super) const SENDS_MAX: u32 = 6;
/// How often a droplet that does not get ready is made anew.
pub(super) const ATTEMPTS_MAX: u32 = 2;
/// Longest pause before asking again.
const PAUSE_MAX: Duration = Duration::from_secs(30);

impl Pace {
    /// `DigitalOcean`: 250 requests in a minute are allowed, droplets boot in about a minute, deletions show after
    /// another one. Eight droplets, looked at every three seconds, take 160 of the 250.
    pub const DIGITALOCEAN: Self = Self {
        poll: Duration::from_secs(3),
        active_deadline: Duration::from_mins(6),
        gone_deadline: Duration::from_mins(4),
        settle: Duration::from_secs(30),
        pause: Duration::from_secs(2),
        parallel: 8,
    };
    /// A rehearsal: the same limits, but nothing lags for long.
    pub const SIMULATOR: Self = Self {
        poll: Duration::from_millis(500),
        active_deadline: Duration::from_mins(3),
        gone_deadline: Duration::from_mins(2),
        settle: Duration::from_secs(5),
        pause: Duration::from_millis(500),
        parallel: 8,
    };
    /// Processes of this machine: no listing lags, and two cores start four sshd at a time.
    pub const LOCAL: Self = Self {
        poll: Duration::from_millis(50),
        active_deadline: Duration::from_mins(1),
        gone_deadline: Duration::from_mins(1),
        settle: Duration::from_millis(200),
        pause: Duration::from_millis(200),
        parallel: 4,
    };

    /// Of the cloud with this name.
    #[must_use]
    pub fn of(cloud: &str) -> Self {
        match cloud {
            "local" => Self::LOCAL,
            "simulator" => Self::SIMULATOR,
            _ => Self::DIGITALOCEAN,
        }
    }

    /// Pause before the call is sent again, after so many times.
    pub(super) fn pause_after(&self, sends: u32) -> Duration {
        self.pause.saturating_mul(2_u32.saturating_pow(sends.saturating_sub(1))).min(PAUSE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        let pace = Pace::DIGITALOCEAN;
        assert_eq!(pace.pause_after(1), Duration::from_secs(2));
        assert_eq!(pace.pause_after(2), Duration::from_secs(4));
        assert_eq!(pace.pause_after(40), PAUSE_MAX);
    }
}
