//! What an evaluation knows of the caller. Attributes are looked up one by one, so that nobody has to build JSON first.

use serde_json::{Map, Value};

/// Who asks, and when.
#[derive(Clone, Copy)]
pub struct Context<'c> {
    /// The identity that decides splits; `var` `targetingKey`.
    pub targeting_key: Option<&'c str>,
    /// Unix time in seconds; `var` `$flagd.timestamp`.
    pub timestamp_seconds: u64,
    /// All else.
    pub attributes: &'c dyn Attributes,
}

impl<'c> Context<'c> {
    /// A context without attributes.
    pub fn new(targeting_key: Option<&'c str>, timestamp_seconds: u64) -> Self {
        Self { targeting_key, timestamp_seconds, attributes: &() }
    }
}

/// The value of an attribute.
#[derive(Clone, Copy, Debug)]
pub enum Attribute<'c> {
    /// A string.
    Text(&'c str),
    /// A number.
    Number(f64),
    /// A boolean.
    Boolean(bool),
    /// Any JSON value.
    Json(&'c Value),
}

/// Attributes by name.
pub trait Attributes {
    /// The attribute `name`, the part of a path before its first dot; `None` if there is none. Never asked for
    /// `targetingKey` or `$flagd`.
    fn attribute(&self, name: &str) -> Option<Attribute<'_>>;
}

impl Attributes for () {
    fn attribute(&self, _name: &str) -> Option<Attribute<'_>> {
        None
    }
}

impl Attributes for [(&str, Attribute<'_>)] {
    fn attribute(&self, name: &str) -> Option<Attribute<'_>> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }
}

impl<const N: usize> Attributes for [(&str, Attribute<'_>); N] {
    fn attribute(&self, name: &str) -> Option<Attribute<'_>> {
        self.as_slice().attribute(name)
    }
}

impl Attributes for Map<String, Value> {
    fn attribute(&self, name: &str) -> Option<Attribute<'_>> {
        self.get(name).map(Attribute::Json)
    }
}
