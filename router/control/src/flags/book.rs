//! The flag book: every flag that this router knows at one moment, in one view. A switch is a boolean flag like any other.
//!
//! Immutable: each change makes a new one. The same key in several places counts once: a switch wins, then the set that
//! comes first by name. Reading it costs no lock and no copy.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use sha2::{Digest, Sha256};
use sluice_flagd::{Context, Evaluation, Explanation, FlagSet, FlagSummary};

/// Bytes of a digest that tell two contents apart.
const DIGEST_BYTES: usize = 8;

/// A set of flag definitions as it serves.
#[derive(Debug)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// The document.
    pub text: Arc<str>,
    /// Raised by each write through a router.
    pub version: u64,
    /// Tells its text from any other.
    pub digest: String,
    /// Compiled.
    pub flags: Arc<FlagSet>,
}

/// See the module.
#[derive(Debug)]
pub struct FlagBook {
    generation: u64,
    etag: String,
    sets: Vec<Arc<Definition>>,
    switches: BTreeMap<String, Option<bool>>,
    /// The switches, compiled as flags.
    raw: FlagSet,
    index: Arc<Index>,
}

/// Whose word counts, by key.
type Index = BTreeMap<String, Origin>;

/// Where a flag is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Switch,
    /// Index into the sets.
    Set(usize),
}

/// One flag of the book.
#[derive(Debug)]
pub struct FlagEntry<'b> {
    /// The set that defines it; `None` = it is a switch.
    pub set: Option<&'b Definition>,
    /// What the switch holds; `None` = it is no switch, or its key does not exist.
    pub switch: Option<bool>,
    /// What it is.
    pub summary: FlagSummary<'b>,
}

impl FlagBook {
    /// No flags.
    pub(super) fn empty() -> Self {
        let (sets, switches) = (Vec::new(), BTreeMap::new());
        let etag = etag(&sets, &switches);
        Self { generation: 0, etag, raw: as_flags(&switches), sets, switches, index: Arc::default() }
    }

    /// The book that follows this one. `keys_moved` = which flags there are may have changed, not only what they hold.
    pub(super) fn next(
        &self,
        sets: Vec<Arc<Definition>>,
        switches: BTreeMap<String, Option<bool>>,
        keys_moved: bool,
    ) -> Self {
        let index = if keys_moved { Arc::new(index(&sets, &switches)) } else { Arc::clone(&self.index) };
        let etag = etag(&sets, &switches);
        let generation = self.generation + u64::from(etag != self.etag);
        Self { generation, etag, sets, raw: as_flags(&switches), switches, index }
    }

    /// Rises with each change, in this process.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Tells this content from any other: the same on every router that knows the same.
    #[must_use]
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// What the flag `key` is for the caller that `context` describes.
    #[must_use]
    pub fn evaluate(&self, key: &str, context: &Context<'_>) -> Evaluation<'_> {
        // A key that nobody defines is told by the set of switches as well as by any other.
        self.flags_of(key).unwrap_or(&self.raw).evaluate(key, context)
    }

    /// Every flag for the caller that `context` describes, by key.
    pub fn evaluate_all(&self, context: &Context<'_>) -> impl Iterator<Item = (&str, Evaluation<'_>)> {
        self.index.keys().map(|key| (key.as_str(), self.evaluate(key, context)))
    }

    /// Why the flag `key` is what it is for the caller that `context` describes; `None` = there is no such flag.
    #[must_use]
    pub fn explain(&self, key: &str, context: &Context<'_>) -> Option<Explanation> {
        self.flags_of(key).map(|flags| flags.explain(key, context))
    }

    /// One flag.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<FlagEntry<'_>> {
        self.index.get(key).and_then(|origin| self.entry(key, *origin))
    }

    /// All flags, by key.
    pub fn flags(&self) -> impl Iterator<Item = FlagEntry<'_>> {
        self.index.iter().filter_map(|(key, origin)| self.entry(key, *origin))
    }

    /// The sets, by name.
    #[must_use]
    pub fn sets(&self) -> &[Arc<Definition>] {
        &self.sets
    }

    /// The set of this name.
    #[must_use]
    pub fn set(&self, name: &str) -> Option<&Arc<Definition>> {
        self.sets.iter().find(|set| set.name == name)
    }

    /// The switches that are followed, by name; `None` = there is no such key, which counts as off.
    #[must_use]
    pub const fn switches(&self) -> &BTreeMap<String, Option<bool>> {
        &self.switches
    }

    /// The key that someone who wrote `key` may have meant.
    #[must_use]
    pub fn nearest(&self, key: &str) -> Option<&str> {
        let known: Vec<&str> = self.index.keys().map(String::as_str).collect();
        sluice_document::nearest(key, &known)
    }

    fn flags_of(&self, key: &str) -> Option<&FlagSet> {
        Some(match self.index.get(key)? {
            Origin::Switch => &self.raw,
            Origin::Set(index) => &self.sets.get(*index)?.flags,
        })
    }

    fn entry(&self, key: &str, origin: Origin) -> Option<FlagEntry<'_>> {
        Some(match origin {
            Origin::Switch => FlagEntry {
                set: None,
                switch: self.switches.get(key).copied().flatten(),
                summary: self.raw.flag_summary(key)?,
            },
            Origin::Set(index) => {
                let set = self.sets.get(index)?;
                FlagEntry { set: Some(set), switch: None, summary: set.flags.flag_summary(key)? }
            }
        })
    }
}

impl Definition {
    pub(crate) fn digest(text: &str) -> String {
        hex(Sha256::digest(text.as_bytes()).as_slice())
    }
}

/// Switches in the format of every other flag, so that there is one way to evaluate.
fn as_flags(switches: &BTreeMap<String, Option<bool>>) -> FlagSet {
    let flag = |on: Option<bool>| {
        let variant = if on == Some(true) { "on" } else { "off" };
        json!({"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": variant})
    };
    let flags: serde_json::Map<String, serde_json::Value> =
        switches.iter().map(|(name, on)| (name.clone(), flag(*on))).collect();
    let text = json!({ "flags": flags }).to_string();
    FlagSet::compile(&text).expect("invariant: switches are fewer than flags may be, and each is written here")
}

/// The first set by name wins, and a switch before all sets.
fn index(sets: &[Arc<Definition>], switches: &BTreeMap<String, Option<bool>>) -> Index {
    let mut index: Index = switches.keys().map(|name| (name.clone(), Origin::Switch)).collect();
    for (number, set) in sets.iter().enumerate() {
        for flag in set.flags.flags() {
            index.entry(flag.key.to_owned()).or_insert(Origin::Set(number));
        }
    }
    index
}

fn etag(sets: &[Arc<Definition>], switches: &BTreeMap<String, Option<bool>>) -> String {
    let mut hash = Sha256::new();
    let mut part = |text: &str| {
        hash.update(text.len().to_le_bytes());
        hash.update(text.as_bytes());
    };
    for set in sets {
        part(&set.name);
        part(&set.digest);
    }
    for (name, on) in switches {
        part(name);
        part(on.map_or("none", sluice_model::flag::switch_text));
    }
    hex(hash.finalize().as_slice())
}

fn hex(digest: &[u8]) -> String {
    digest.iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, flags: &serde_json::Value) -> Arc<Definition> {
        let text: Arc<str> = json!({ "flags": flags }).to_string().into();
        let flags = Arc::new(FlagSet::compile(&text).unwrap());
        Arc::new(Definition { name: name.to_owned(), digest: Definition::digest(&text), text, version: 1, flags })
    }

    fn flag(variant: &str) -> serde_json::Value {
        json!({"state": "ENABLED", "variants": {"a": "in a", "b": "in b"}, "defaultVariant": variant})
    }

    fn switches(pairs: &[(&str, Option<bool>)]) -> BTreeMap<String, Option<bool>> {
        pairs.iter().map(|(name, on)| ((*name).to_owned(), *on)).collect()
    }

    #[test]
    fn a_switch_wins_and_then_the_first_set() {
        let sets = vec![
            set("a", &json!({"both": flag("a"), "featureFlags": flag("a")})),
            set("b", &json!({"both": flag("b"), "own": flag("b")})),
        ];
        let book = FlagBook::empty().next(sets, switches(&[("featureFlags", Some(true)), ("none", None)]), true);
        let nobody = Context::new(None, 0);
        let value = |key: &str| book.evaluate(key, &nobody).value.cloned();
        assert_eq!(value("both"), Some(json!("in a")));
        assert_eq!(value("own"), Some(json!("in b")));
        assert_eq!(value("featureFlags"), Some(json!(true)));
        assert_eq!(value("none"), Some(json!(false)));
        let keys: Vec<&str> = book.evaluate_all(&nobody).map(|(key, _)| key).collect();
        assert_eq!(keys, ["both", "featureFlags", "none", "own"]);
        assert_eq!(book.find("featureFlags").unwrap().set.map(|set| &*set.name), None);
        assert_eq!(book.find("both").unwrap().set.map(|set| &*set.name), Some("a"));
        assert_eq!(book.evaluate("nowhere", &nobody).error.unwrap().code.as_str(), "FLAG_NOT_FOUND");
        assert_eq!(book.nearest("featureflag"), Some("featureFlags"));
    }

    #[test]
    fn the_generation_moves_with_the_content_only() {
        let first = FlagBook::empty().next(vec![set("a", &json!({"x": flag("a")}))], switches(&[]), true);
        let same = first.next(vec![set("a", &json!({"x": flag("a")}))], switches(&[]), true);
        assert_eq!((first.generation(), same.generation()), (1, 1));
        assert_eq!(first.etag(), same.etag());
        let other = same.next(vec![set("a", &json!({"x": flag("b")}))], switches(&[]), true);
        let toggled = other.next(other.sets().to_vec(), switches(&[("s", Some(true))]), true);
        assert_eq!((other.generation(), toggled.generation()), (2, 3));
        assert_ne!(other.etag(), toggled.etag());
    }
}
