//! Both rate limits, kept on our side: 250 requests in any minute, 5,000 in any hour (DigitalOcean's reference, "Rate
//! Limit").
//!
//! The minute is counted here, since no header tells of it before it is used up. The hour is taken from the headers: it is
//! shared with everyone who has a token of this account. No clock in here.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Requests in any minute. Ten of the 250 are left to others.
const REQUESTS_PER_MINUTE: usize = 240;
const MINUTE: Duration = Duration::from_secs(60);
/// The window of the other limit: nothing stays used up for longer, whatever a header says.
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// When requests may be sent.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the requests of the last minute were sent, oldest first.
    sent: VecDeque<Instant>,
    /// Requests that are left in the hour, and when the oldest one expires: as the cloud said last, less those since.
    left: Option<(u64, Instant)>,
    /// Nothing is sent before.
    shut_until: Option<Instant>,
}

impl Pace {
    /// Takes a place for a request that is sent now.
    ///
    /// # Errors
    /// How long to wait before asking again.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        while self.sent.front().is_some_and(|&sent| now.duration_since(sent) >= MINUTE) {
            self.sent.pop_front();
        }
        self.left = self.left.filter(|&(_, until)| now < until);
        self.shut_until = self.shut_until.filter(|&until| now < until);
        let minute_full =
            self.sent.front().filter(|_| self.sent.len() >= REQUESTS_PER_MINUTE).map(|&sent| sent + MINUTE);
        let hour_full = self.left.filter(|&(left, _)| left == 0).map(|(_, until)| until);
        if let Some(until) = [self.shut_until, minute_full, hour_full].into_iter().flatten().max() {
            return Err(until - now);
        }
        if let Some((left, _)) = &mut self.left {
            *left -= 1;
        }
        self.sent.push_back(now);
        Ok(())
    }

    /// The cloud says how many requests are left in the hour, and in how long the oldest expires. With requests in flight
    /// this is off by as many, which a 429 then settles.
    pub(super) fn learn(&mut self, now: Instant, left: u64, oldest_expires_in: Duration) {
        self.left = Some((left, now + oldest_expires_in.min(HOUR)));
    }

    /// The cloud refuses everything for a time.
    pub(super) fn shut(&mut self, now: Instant, time: Duration) {
        self.shut_until = self.shut_until.max(Some(now + time.min(HOUR)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_takes_240_requests() {
        let (mut pace, begin) = (Pace::default(), Instant::now());
        for number in 0..REQUESTS_PER_MINUTE {
            pace.take(begin + Duration::from_millis(number as u64)).unwrap();
        }
        let later = begin + Duration::from_secs(10);
        assert_eq!(pace.take(later), Err(Duration::from_secs(50)));
        // The first place is free again, then the second.
        pace.take(begin + MINUTE).unwrap();
        assert_eq!(pace.take(begin + MINUTE), Err(Duration::from_millis(1)));
    }

    #[test]
    fn the_hour_is_what_the_cloud_says() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.learn(now, 2, Duration::from_secs(30));
        pace.take(now).unwrap();
        pace.take(now).unwrap();
        assert_eq!(pace.take(now), Err(Duration::from_secs(30)));
        pace.take(now + Duration::from_secs(30)).unwrap();
        pace.learn(now, 0, HOUR * 9);
        assert_eq!(pace.take(now), Err(HOUR), "no header stops us for longer than the window");
    }

    #[test]
    fn a_refusal_counts_for_all() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.shut(now, Duration::from_secs(7));
        pace.shut(now, Duration::from_secs(3));
        assert_eq!(pace.take(now), Err(Duration::from_secs(7)));
        pace.take(now + Duration::from_secs(7)).unwrap();
        pace.shut(now, HOUR * 2);
        assert_eq!(pace.take(now), Err(HOUR));
    }
}
