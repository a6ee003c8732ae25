//! Who asks, as rules see it: attributes that are fields of the request.

use sluice_flagd::{Attribute, Attributes, Context};
use sluice_plugin::{Activation, Request, RequestField};

use crate::config::OneOrMore;

/// The attribute that decides splits; rules know it apart from all others.
const TARGETING_KEY: &str = "targetingKey";
const MS_PER_S: u64 = 1_000;

/// Which fields the attributes are, in the order of the configuration.
pub(crate) struct Mapping {
    targeting_key: Vec<RequestField>,
    attributes: Vec<(String, Vec<RequestField>)>,
}

impl Mapping {
    /// Asks for the fields that are configured, and no others.
    pub(crate) fn new<'c>(
        context: impl Iterator<Item = (&'c String, &'c OneOrMore)>,
        activation: &mut Activation,
    ) -> Self {
        let mut mapping = Self { targeting_key: Vec::new(), attributes: Vec::new() };
        for (name, fields) in context {
            let fields = fields.as_slice().iter().map(|field| activation.request_field(field)).collect();
            if name == TARGETING_KEY {
                mapping.targeting_key = fields;
            } else {
                mapping.attributes.push((name.clone(), fields));
            }
        }
        mapping
    }
}

/// One request, as rules see it. Nothing is read of it before a rule asks.
pub(crate) struct Caller<'a> {
    pub(crate) mapping: &'a Mapping,
    pub(crate) request: &'a Request<'a>,
}

impl Caller<'_> {
    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            targeting_key: self.first(&self.mapping.targeting_key),
            timestamp_seconds: self.request.now_ms / MS_PER_S,
            attributes: self,
        }
    }

    /// The first field that is present; what is no text is not.
    fn first(&self, fields: &[RequestField]) -> Option<&str> {
        fields.iter().find_map(|field| self.request.text(*field))
    }
}

impl Attributes for Caller<'_> {
    fn attribute(&self, wanted: &str) -> Option<Attribute<'_>> {
        let (_, fields) = self.mapping.attributes.iter().find(|(name, _)| name == wanted)?;
        self.first(fields).map(Attribute::Text)
    }
}
