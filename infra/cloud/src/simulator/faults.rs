//! Faults on purpose: which calls they meet, and what they do to them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::random::Random;

/// Most rules of one plan.
pub const FAULTS_MAX: usize = 256;
/// How long an answer that never comes is held.
const HOLD_SECONDS: u64 = 30;

/// A plan of faults: `[[fault]]` tables of a TOML file, or `{"fault": [..]}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultPlan {
    /// Looked at in this order; all that fit take effect.
    #[serde(default)]
    pub fault: Vec<Fault>,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// Which calls: `POST /v2/droplets`; `*` stands for one segment, a last `**` for any number. Absent = where the kind belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Only the n-th of these calls, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// In this share of these calls, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// At most so many times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Status of `error-before` and `error-after`: 500 to 599; 503 unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long `timeout-after` holds the answer (30), how old a `stale-list` is (30), `retry-after` of `too-many-requests` (1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// Calls that it met so far.
    #[serde(skip)]
    calls: u64,
    /// Calls that it spoilt.
    #[serde(skip)]
    hits: u64,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// 5xx, and nothing was done.
    ErrorBefore,
    /// It is done, and the answer is 5xx.
    ErrorAfter,
    /// It is done, and no answer comes.
    TimeoutAfter,
    /// It is done, and the connection is reset in the middle of the answer.
    ResetMidBody,
    /// 429 with `retry-after`.
    TooManyRequests,
    /// 422: the account's limit of droplets.
    Quota,
    /// 422: "please try again".
    TryAgain,
    /// The action ends `errored`; a droplet that it should make is gone.
    ActionErrored,
    /// The droplet stays `new`.
    NeverActive,
    /// The droplet is `active`, and nothing on it ever answers.
    Unhealthy,
    /// The droplet is accepted, and turns 404.
    Vanish,
    /// A listing shows what was some time ago.
    StaleList,
    /// Of several `names` only the first half is made.
    PartialCreate,
}

impl FaultKind {
    /// Each, as it is written, with where it belongs.
    pub const ALL: [(Self, &'static str, &'static str); 13] = [
        (Self::ErrorBefore, "error-before", "* /v2/**"),
        (Self::ErrorAfter, "error-after", "* /v2/**"),
        (Self::TimeoutAfter, "timeout-after", "* /v2/**"),
        (Self::ResetMidBody, "reset-mid-body", "* /v2/**"),
        (Self::TooManyRequests, "too-many-requests", "* /v2/**"),
        (Self::Quota, "quota", "POST /v2/droplets"),
        (Self::TryAgain, "try-again", "POST /v2/**"),
        (Self::ActionErrored, "action-errored", "POST /v2/droplets/**"),
        (Self::NeverActive, "never-active", "POST /v2/droplets"),
        (Self::Unhealthy, "unhealthy", "POST /v2/droplets"),
        (Self::Vanish, "vanish", "POST /v2/droplets"),
        (Self::StaleList, "stale-list", "GET /v2/droplets"),
        (Self::PartialCreate, "partial-create", "POST /v2/droplets"),
    ];

    fn route(self) -> &'static str {
        Self::ALL.iter().find(|(kind, ..)| *kind == self).map_or("* /v2/**", |(_, _, route)| route)
    }
}

/// What a fault does to the call at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    ErrorBefore(u16),
    ErrorAfter(u16),
    Hold(Duration),
    Cut,
    TooMany { seconds: u64 },
    Quota,
    TryAgain,
    ActionErrored,
    NeverActive,
    Unhealthy,
    Vanish,
    StaleList { seconds: u64 },
    PartialCreate,
}

/// Why a plan of faults is not taken.
#[derive(Debug, thiserror::Error)]
pub enum FaultPlanError {
    /// It is no such document.
    #[error("the faults are not readable: {0}")]
    Document(String),
    /// A value is out of bounds.
    #[error("fault {number}: {what}")]
    Value {
        /// Which one, from 1.
        number: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// There are too many.
    #[error("there are {0} faults, and may be {FAULTS_MAX}")]
    TooMany(usize),
}

impl FaultPlan {
    /// Reads TOML, or JSON if it begins with a brace.
    ///
    /// # Errors
    /// With the place or the number of what is wrong.
    pub fn parse(text: &str) -> Result<Self, FaultPlanError> {
        let plan: Self = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| FaultPlanError::Document(error.to_string()))?
        } else {
            toml::from_str(text).map_err(|error| FaultPlanError::Document(error.to_string()))?
        };
        if plan.fault.len() > FAULTS_MAX {
            return Err(FaultPlanError::TooMany(plan.fault.len()));
        }
        for (place, fault) in plan.fault.iter().enumerate() {
            let wrong = |what| Err(FaultPlanError::Value { number: place + 1, what });
            if fault.probability.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
                return wrong("probability is from 0 to 1");
            }
            if fault.status.is_some_and(|status| !(500..=599).contains(&status)) {
                return wrong("status is from 500 to 599");
            }
            if fault.nth == Some(0) {
                return wrong("nth counts from 1");
            }
            if fault.route.as_ref().is_some_and(|route| route.split(' ').count() != 2) {
                return wrong("route is METHOD /PATH");
            }
        }
        Ok(plan)
    }

    /// A plan of one fault that meets the first call it can.
    #[must_use]
    pub fn once(kind: FaultKind) -> Self {
        let fault = Fault {
            kind,
            route: None,
            nth: None,
            probability: None,
            times: Some(1),
            status: None,
            seconds: None,
            calls: 0,
            hits: 0,
        };
        Self { fault: vec![fault] }
    }

    /// What happens to this call.
    pub(super) fn effects(&mut self, method: &str, path: &str, random: &mut Random) -> Vec<Effect> {
        self.fault.iter_mut().filter_map(|fault| fault.meet(method, path, random)).collect()
    }

    /// Calls that each fault spoilt so far, in order.
    #[must_use]
    pub fn hits(&self) -> Vec<u64> {
        self.fault.iter().map(|fault| fault.hits).collect()
    }
}

impl Fault {
    fn meet(&mut self, method: &str, path: &str, random: &mut Random) -> Option<Effect> {
        let route = self.route.as_deref().unwrap_or_else(|| self.kind.route());
        if !fits(route, method, path) {
            return None;
        }
        self.calls += 1;
        let is_now = self.nth.is_none_or(|nth| nth == self.calls)
            && self.times.is_none_or(|times| self.hits < times)
            && self.probability.is_none_or(|share| random.happens(share));
        if !is_now {
            return None;
        }
        self.hits += 1;
        let status = self.status.unwrap_or(503);
        let seconds = self.seconds.unwrap_or(HOLD_SECONDS);
        Some(match self.kind {
            FaultKind::ErrorBefore => Effect::ErrorBefore(status),
            FaultKind::ErrorAfter => Effect::ErrorAfter(status),
            FaultKind::TimeoutAfter => Effect::Hold(Duration::from_secs(seconds)),
            FaultKind::ResetMidBody => Effect::Cut,
            FaultKind::TooManyRequests => Effect::TooMany { seconds: self.seconds.unwrap_or(1) },
            FaultKind::Quota => Effect::Quota,
            FaultKind::TryAgain => Effect::TryAgain,
            FaultKind::ActionErrored => Effect::ActionErrored,
            FaultKind::NeverActive => Effect::NeverActive,
            FaultKind::Unhealthy => Effect::Unhealthy,
            FaultKind::Vanish => Effect::Vanish,
            FaultKind::StaleList => Effect::StaleList { seconds },
            FaultKind::PartialCreate => Effect::PartialCreate,
        })
    }
}

fn fits(route: &str, method: &str, path: &str) -> bool {
    let Some((wanted, pattern)) = route.split_once(' ') else { return false };
    if wanted != "*" && wanted != method {
        return false;
    }
    let (mut parts, mut asked) = (pattern.split('/'), path.split('/'));
    loop {
        match (parts.next(), asked.next()) {
            (Some("**"), _) | (None, None) => return true,
            (Some(part), Some(segment)) if part == "*" || part == segment => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_matched_by_segment() {
        assert!(fits("POST /v2/droplets", "POST", "/v2/droplets"));
        assert!(!fits("POST /v2/droplets", "GET", "/v2/droplets"));
        assert!(!fits("POST /v2/droplets", "POST", "/v2/droplets/1"));
        assert!(fits("* /v2/droplets/*/actions", "GET", "/v2/droplets/1/actions"));
        assert!(fits("* /v2/**", "DELETE", "/v2/tags/a"));
    }

    #[test]
    fn the_kinds_are_written_as_the_table_says() {
        for (kind, word, _) in FaultKind::ALL {
            let plan = FaultPlan::parse(&format!("[[fault]]\nkind = \"{word}\"\n")).unwrap();
            assert_eq!(plan.fault[0].kind, kind);
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        for text in ["probability = 1.1", "status = 404", "nth = 0", "route = \"x\"", "colour = 1"] {
            FaultPlan::parse(&format!("[[fault]]\nkind = \"quota\"\n{text}\n")).unwrap_err();
        }
        let many = |count: usize| FaultPlan::parse(&"[[fault]]\nkind = \"quota\"\n".repeat(count));
        many(FAULTS_MAX).unwrap();
        many(FAULTS_MAX + 1).unwrap_err();
    }

    #[test]
    fn the_nth_call_is_met_and_no_other() {
        let mut plan = FaultPlan::parse("[[fault]]\nkind = \"quota\"\nnth = 2\n").unwrap();
        let mut random = Random::new(1);
        let mut met = || plan.effects("POST", "/v2/droplets", &mut random).len();
        assert_eq!([met(), met(), met()], [0, 1, 0]);
    }
}
