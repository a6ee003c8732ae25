//! Builder of the activation: what one configuration of a plugin takes part in.
//!
//! Names are given once, here; the calls then use the small handles that come back, so that no name is looked up and
//! no index is counted by hand on the request path.

use crate::Phases;
use crate::bindings;

/// A field that the activation asked for in the request phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestField(pub(crate) usize);

/// A field that the activation asked for in the response phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseField(pub(crate) usize);

/// A variant that the plugin may route to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant(pub(crate) u8);

/// What the host decides without a call: phases, paths, methods, fields, state keys, variants.
#[derive(Clone, Debug)]
pub struct Activation {
    pub(crate) document: bindings::Activation,
}

impl Activation {
    /// Takes part in these phases, for every path and method, with no fields. `Phases::empty()` = is never called.
    #[must_use]
    pub fn new(phases: Phases) -> Self {
        Self {
            document: bindings::Activation {
                phases,
                path_prefixes: Vec::new(),
                methods: Vec::new(),
                request_fields: Vec::new(),
                response_fields: Vec::new(),
                state: Vec::new(),
                variants: Vec::new(),
                body_size_above: 0,
                body_chunk_bytes: 0,
            },
        }
    }

    /// Only paths under this prefix (and those named before): `/set` covers `/set` and `/set/x`, not `/settle`.
    /// At most [`crate::bounds::PATH_PREFIXES_MAX`].
    pub fn path_prefix(&mut self, prefix: impl Into<String>) {
        push_once(&mut self.document.path_prefixes, prefix.into());
    }

    /// Only this method (and those named before), in upper case.
    pub fn method(&mut self, method: impl Into<String>) {
        push_once(&mut self.document.methods, method.into());
    }

    /// Asks for a field of the request: `method`, `path`, `host`, `query`, `client-address`, `content-length`,
    /// `header:NAME`, `cookie:NAME`, `query:NAME`, or `rollout-key:NAME`, the sticky key of a rollout.
    /// At most [`crate::bounds::NAMES_MAX`].
    #[must_use]
    pub fn request_field(&mut self, name: impl Into<String>) -> RequestField {
        RequestField(push_once(&mut self.document.request_fields, name.into()))
    }

    /// Asks for a field of the response: `status` or `header:NAME`. At most [`crate::bounds::NAMES_MAX`].
    #[must_use]
    pub fn response_field(&mut self, name: impl Into<String>) -> ResponseField {
        ResponseField(push_once(&mut self.document.response_fields, name.into()))
    }

    /// Asks to be told of a state key: `flag:NAME`, `flags:SET` or `rollout:NAME`. At most [`crate::bounds::NAMES_MAX`].
    pub fn state(&mut self, key: impl Into<String>) {
        push_once(&mut self.document.state, key.into());
    }

    /// Names a variant that the request phase may route to. At most [`crate::bounds::NAMES_MAX`].
    #[must_use]
    pub fn variant(&mut self, name: impl Into<String>) -> Variant {
        let index = push_once(&mut self.document.variants, name.into());
        // An index that does not fit is far past the bound: the host refuses the activation before it is ever used.
        Variant(u8::try_from(index).unwrap_or(u8::MAX))
    }

    /// The body-size phase runs at the first size strictly greater than this.
    pub fn body_size_above(&mut self, bytes: u64) {
        self.document.body_size_above = bytes;
    }

    /// The body-chunk phase shows the first so many bytes of a body, or fewer where the policy's limit is lower; as many
    /// as the policy allows, unless this is said.
    pub fn body_chunk_bytes(&mut self, bytes: u64) {
        self.document.body_chunk_bytes = bytes;
    }
}

/// Appends `name` unless it is there; its index either way.
fn push_once(names: &mut Vec<String>, name: String) -> usize {
    names.iter().position(|known| *known == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_asked_for_twice_is_one_field() {
        let mut activation = Activation::new(Phases::REQUEST);
        let path = activation.request_field("path");
        let method = activation.request_field("method");
        assert_eq!(activation.request_field("path"), path);
        assert_ne!(path, method);
        assert_eq!(activation.document.request_fields, ["path", "method"]);
    }

    #[test]
    fn variants_count_from_zero() {
        let mut activation = Activation::new(Phases::REQUEST);
        assert_eq!(activation.variant("stable"), Variant(0));
        assert_eq!(activation.variant("canary"), Variant(1));
    }
}
