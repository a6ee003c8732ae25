//! Plugins written as text, for what no compiler would write: the guest of the plugin host's own tests, made wrong.

use anyhow::{Context, Result};

/// A guest of the whole contract. Bodies stand between `(; NAME ;)` and `(; end ;)`.
const GUEST: &str = include_str!("../../router/wasm/tests/host/guest.wat");

/// The path on which a guest of [`Guest::in_request`] misbehaves; it is told by its length.
pub const PROVOKING_PATH: &str = "/version";

/// A guest to be made wrong. It asks for the field `path`.
#[derive(Clone, Debug)]
pub struct Guest(String);

impl Default for Guest {
    fn default() -> Self {
        Self(GUEST.to_owned())
    }
}

impl Guest {
    /// Replaces what stands between `(; name ;)` and `(; end ;)`.
    ///
    /// # Errors
    /// If there is no such place.
    pub fn with(self, name: &str, text: &str) -> Result<Self> {
        let marker = format!("(; {name} ;)");
        let (before, rest) = self.0.split_once(&marker).with_context(|| format!("no {marker}"))?;
        let (_, after) = rest.split_once("(; end ;)").context("it has no end")?;
        Ok(Self(format!("{before}{marker} {text} (; end ;){after}")))
    }

    /// Misbehaves in the request phase, on [`PROVOKING_PATH`] only: the smoke call of a reload must pass. `text` leaves
    /// an `i64` on the stack.
    ///
    /// # Errors
    /// If the guest has no request phase.
    pub fn in_request(self, text: &str) -> Result<Self> {
        // The blob: the length of the one field, and the field.
        let armed = 4 + PROVOKING_PATH.len();
        let condition = format!("(i32.eq (local.get $length) (i32.const {armed}))");
        self.with("on-request", &format!("(if (result i64) {condition} (then {text}) (else (i64.const 0)))"))
    }

    /// The component.
    ///
    /// # Errors
    /// If the text is no component.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        wat::parse_str(&self.0).context("the guest is a component")
    }
}
