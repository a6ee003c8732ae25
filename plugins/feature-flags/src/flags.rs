//! Where a flag stands and what it says: a raw switch, or a flag of a set whose definition is pushed when it changes.
//!
//! What is the same for everyone is found once for each change, so that a request only reads it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use sluice_flagd::{Context, FlagSet, FlagState};
use sluice_plugin::Activation;

/// The sets that the configuration names.
#[derive(Default)]
pub(crate) struct Sets(Vec<Set>);

struct Set {
    name: String,
    /// `None` = there is no such set.
    flags: Option<FlagSet>,
    /// Hash of the document that it was made from. The same one again would for a moment take twice the memory.
    hash: u64,
}

/// A flag of a set.
pub(crate) struct SetFlag {
    set: usize,
    key: String,
}

/// What a flag says.
pub(crate) enum Said<T> {
    /// The same to everyone.
    Settled(T),
    /// Its rule has to be asked.
    Asked,
}

/// Longest value of a header that a variant becomes, bytes.
const HEADER_VALUE_BYTES_MAX: usize = 256;

impl Sets {
    /// Finds the set `name`, or begins to follow it.
    pub(crate) fn flag(&mut self, name: &str, key: String, activation: &mut Activation) -> SetFlag {
        let known = self.0.iter().position(|set| set.name == name);
        let set = known.unwrap_or_else(|| {
            activation.state(format!("flags:{name}"));
            self.0.push(Set { name: name.to_owned(), flags: None, hash: 0 });
            self.0.len() - 1
        });
        SetFlag { set, key }
    }

    /// Takes in a definition; one that is none changes nothing.
    pub(crate) fn define(&mut self, name: &str, document: Option<&str>) -> Result<(), String> {
        let Some(set) = self.0.iter_mut().find(|set| set.name == name) else { return Ok(()) };
        let hash = hash_of(document);
        if set.flags.is_some() && set.hash == hash {
            return Ok(());
        }
        let compile = |text| FlagSet::compile(text).map_err(|fault| format!("flags of set {name}: {fault}"));
        set.flags = document.map(compile).transpose()?;
        set.hash = hash;
        Ok(())
    }

    /// What `flag` says to everyone, if it has no rule: `read` makes of its value or variant what its user needs.
    pub(crate) fn settle<T>(&self, flag: &SetFlag, read: impl FnOnce(&Self, &Context<'_>) -> T) -> Said<T> {
        let summary = self.0[flag.set].flags.as_ref().and_then(|flags| flags.flag_summary(&flag.key));
        let is_asked = summary.is_some_and(|flag| flag.has_targeting && flag.state == FlagState::Enabled);
        if is_asked { Said::Asked } else { Said::Settled(read(self, &Context::new(None, 0))) }
    }

    /// True if `flag` is on for the caller. One that is missing, disabled, at fault or no boolean is off.
    pub(crate) fn is_on(&self, flag: &SetFlag, context: &Context<'_>) -> bool {
        let flags = self.0[flag.set].flags.as_ref();
        flags.and_then(|flags| flags.evaluate(&flag.key, context).value?.as_bool()).unwrap_or(false)
    }

    /// The variant of `flag` for the caller, if it has one that can stand in a header.
    pub(crate) fn variant(&self, flag: &SetFlag, context: &Context<'_>) -> Option<&str> {
        let variant = self.0[flag.set].flags.as_ref()?.evaluate(&flag.key, context).variant?;
        is_header_value(variant).then_some(variant)
    }
}

/// Equal for equal documents; of those that operators write, for no others.
fn hash_of(document: Option<&str>) -> u64 {
    let mut hasher = DefaultHasher::new();
    document.hash(&mut hasher);
    hasher.finish()
}

/// Visible ASCII with spaces between (RFC 9110 section 5.5): what every server reads alike.
fn is_header_value(text: &str) -> bool {
    (1..=HEADER_VALUE_BYTES_MAX).contains(&text.len())
        && text.trim() == text
        && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_that_is_no_header_value_is_none() {
        for (text, good) in [("dark", true), ("dark mode", true), ("", false), (" dark", false), ("a\nb", false)] {
            assert_eq!(is_header_value(text), good, "{text:?}");
        }
        assert!(!is_header_value("é"));
        assert!(is_header_value(&"v".repeat(HEADER_VALUE_BYTES_MAX)));
        assert!(!is_header_value(&"v".repeat(HEADER_VALUE_BYTES_MAX + 1)));
    }
}
