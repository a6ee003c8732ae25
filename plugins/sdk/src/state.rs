//! State documents that the host pushes by `on-state`, as typed values.

use serde::Deserialize;

use crate::bucket::SLOTS;

/// Name of the flag behind a state key `flag:NAME`.
#[must_use]
pub fn flag_name(key: &str) -> Option<&str> {
    key.strip_prefix("flag:")
}

/// Name of the flag set behind a state key `flags:SET`, whose value is a definition in flagd's format.
#[must_use]
pub fn flag_set_name(key: &str) -> Option<&str> {
    key.strip_prefix("flags:")
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
    /// `off`, `running`, `paused`, `aborted` or `promoted`; for people, the slots already say what it means.
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
    /// Who serves which slots, from slot 0 on: variant and count, [`SLOTS`] in all.
    #[serde(default)]
    pub slots: Vec<(String, u16)>,
}

impl Rollout {
    /// Reads the document.
    ///
    /// # Errors
    /// What is wrong with it.
    #[inline] // compiled into the plugin's own crate, which then has one copy of the JSON parser: 10 KB less
    pub fn parse(value: &str) -> Result<Self, String> {
        let mut rollout: Self = serde_json::from_str(value).map_err(|error| format!("rollout: {error}"))?;
        if rollout.weight_bps > SLOTS {
            return Err(format!("rollout: weight_bps is {}, at most {SLOTS}", rollout.weight_bps));
        }
        if rollout.slots.is_empty() {
            // What a router tells that knows of two variants only.
            let weight_bps = rollout.weight_bps;
            rollout.slots = vec![(rollout.canary.clone(), weight_bps), (rollout.stable.clone(), SLOTS - weight_bps)];
        }
        let sum: u64 = rollout.slots.iter().map(|(_, count)| u64::from(*count)).sum();
        if sum != u64::from(SLOTS) {
            return Err(format!("rollout: there are {sum} slots, not {SLOTS}"));
        }
        Ok(rollout)
    }

    /// Whom each slot belongs to, with what `variant` makes of the names; the first name that it knows nothing of is the
    /// error.
    ///
    /// # Errors
    /// A name that `variant` has nothing for.
    pub fn owners<T>(&self, variant: impl Fn(&str) -> Option<T>) -> Result<Owners<T>, &str> {
        let mut end = 0_u16;
        let runs = self.slots.iter().map(|(name, count)| {
            end = end.saturating_add(*count);
            Ok((end, variant(name).ok_or(name.as_str())?))
        });
        Ok(Owners { salt: self.salt.clone(), runs: runs.collect::<Result<_, &str>>()? })
    }
}

/// Whom the users of a rollout belong to. Made once for each change; finding one costs a hash and a binary search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owners<T> {
    salt: String,
    /// Where each run of slots ends, and whose it is.
    runs: Vec<(u16, T)>,
}

impl<T: Copy> Owners<T> {
    /// Who serves the user behind `key`. Raising one variant's weight moves users to it from stable, and nobody else.
    #[must_use]
    pub fn of(&self, key: &[u8]) -> Option<T> {
        let slot = crate::bucket::slot(&self.salt, key);
        let run = self.runs.partition_point(|(end, _)| *end <= slot);
        self.runs.get(run).map(|(_, owner)| *owner)
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

    fn text(weight_bps: u32, slots: &str) -> String {
        format!(
            r#"{{"state":"running","weight_bps":{weight_bps},"salt":"s","epoch":3,"stable":"blue","canary":"green","new":1{slots}}}"#
        )
    }

    fn owner(rollout: &Rollout) -> String {
        let owners = rollout.owners(|name| Some(if name == "green" { "canary" } else { "stable" }));
        owners.expect("all names are known").of(b"anyone").expect("every slot has an owner").to_owned()
    }

    #[test]
    fn a_rollout_is_read_and_bounded() {
        let rollout = Rollout::parse(&text(10_000, "")).expect("parses");
        assert_eq!((rollout.weight_bps, rollout.epoch, rollout.canary.as_str()), (10_000, 3, "green"));
        assert_eq!(owner(&rollout), "canary", "without slots the weight is one canary's");
        assert_eq!(owner(&Rollout::parse(&text(0, "")).expect("parses")), "stable");
        assert_eq!(Rollout::parse(&text(10_001, "")), Err("rollout: weight_bps is 10001, at most 10000".to_owned()));
        assert!(Rollout::parse("{}").expect_err("has no fields").contains("missing field `state`"));
    }

    #[test]
    fn slots_are_ten_thousand_and_each_has_one_owner() {
        let parse = |slots: &str| Rollout::parse(&text(1, &format!(r#","slots":{slots}"#)));
        let fault = |count: u32| Err(format!("rollout: there are {count} slots, not 10000"));
        assert_eq!(parse(r#"[["green",9999]]"#), fault(9_999));
        assert_eq!(parse(r#"[["green",65535],["blue",65535]]"#), fault(131_070));
        let rollout = parse(r#"[["green",1],["b-e-ta",2000],["blue",7999]]"#).expect("parses");
        assert_eq!(rollout.owners(|name| (name != "b-e-ta").then_some(0)), Err("b-e-ta"));
        let owners = rollout.owners(|name| Some(name.len())).expect("all names are known");
        for user in 0..20_000 {
            let key = format!("user-{user}");
            let wanted = match crate::bucket::slot("s", key.as_bytes()) {
                0 => "green",
                1..=2_000 => "b-e-ta",
                2_001.. => "blue",
            };
            assert_eq!(owners.of(key.as_bytes()), Some(wanted.len()), "{key}");
        }
    }
}
