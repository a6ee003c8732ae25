//! State documents that the host pushes by `on-state`, as typed values.

use serde::Deserialize;

use crate::bucket::SLOTS;

/// Name of the flag behind a state key `flag:NAME`.
#[must_use]
pub fn flag_name(key: &str) -> Option<&str> {
    key.strip_prefix("flag:")
}

/// The value of a flag that is on or off; a missing flag is off.
///
/// # Errors
/// It is not a boolean.
pub fn flag_is_on(value: Option<&str>) -> Result<bool, String> {
    value.map_or(Ok(false), |value| match value.trim() {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("a flag is true or false, not {other}")),
    })
}

/// A rollout as plugins see it: the document behind a state key `rollout:NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Rollout {
    /// `off`, `running`, `paused`, `aborted` or `promoted`; for people, the weight already says what it means.
    pub state: String,
    /// Share of the canary in force, in 0.01 %: 0 while off or aborted, 10,000 once promoted.
    pub weight_bps: u16,
    /// Goes into the bucket hash.
    pub salt: String,
    /// Raised by each change.
    pub epoch: u64,
    /// Name of the stable variant.
    pub stable: String,
    /// Name of the canary variant.
    pub canary: String,
}

impl Rollout {
    /// Reads the document.
    ///
    /// # Errors
    /// What is wrong with it.
    #[inline] // compiled into the plugin's own crate, which then has one copy of the JSON parser: 10 KB less
    pub fn parse(value: &str) -> Result<Self, String> {
        let rollout: Self = serde_json::from_str(value).map_err(|error| format!("rollout: {error}"))?;
        if rollout.weight_bps > SLOTS {
            return Err(format!("rollout: weight_bps is {}, at most {SLOTS}", rollout.weight_bps));
        }
        Ok(rollout)
    }

    /// Whether the canary serves the user behind `key`. Raising the weight takes nobody out.
    #[must_use]
    pub fn picks_canary(&self, key: &[u8]) -> bool {
        crate::bucket::slot(&self.salt, key) < self.weight_bps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_booleans_and_off_when_missing() {
        assert_eq!(flag_name("flag:featureFlags"), Some("featureFlags"));
        assert_eq!(flag_name("rollout:demo"), None);
        assert_eq!(flag_is_on(Some("true")), Ok(true));
        assert_eq!(flag_is_on(Some(" false\n")), Ok(false));
        assert_eq!(flag_is_on(None), Ok(false));
        assert!(flag_is_on(Some("\"true\"")).is_err());
        assert!(flag_is_on(Some("1")).is_err());
    }

    #[test]
    fn a_rollout_is_read_and_bounded() {
        let text = |weight: u32| {
            format!(
                r#"{{"state":"running","weight_bps":{weight},"salt":"s","epoch":3,"stable":"blue","canary":"green","new":1}}"#
            )
        };
        let rollout = Rollout::parse(&text(10_000)).expect("parses");
        assert_eq!((rollout.weight_bps, rollout.epoch, rollout.canary.as_str()), (10_000, 3, "green"));
        assert!(rollout.picks_canary(b"anyone"));
        assert!(!Rollout::parse(&text(0)).expect("parses").picks_canary(b"anyone"));
        assert_eq!(Rollout::parse(&text(10_001)), Err("rollout: weight_bps is 10001, at most 10000".to_owned()));
        assert!(Rollout::parse("{}").expect_err("has no fields").contains("missing field `state`"));
    }
}
