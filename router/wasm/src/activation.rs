//! The activation: what one configuration of a plugin takes part in, checked once, when it loads.

use sluice_model::field::{Field, FieldError};
use sluice_model::key::matches_grant;
use sluice_model::plugin::Grants;

use crate::bounds::{NAME_BYTES_MAX, NAMES_MAX, PATH_PREFIXES_MAX};
use crate::field_syntax::is_method;
use crate::manifest::Needs;

/// What a plugin takes part in. The host decides by it, without a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activation {
    /// Phases it is called in.
    pub phases: Phases,
    /// Path prefixes by segment; empty = every path.
    pub path_prefixes: Vec<String>,
    /// Methods, upper case; empty = every method.
    pub methods: Vec<String>,
    /// Fields of the request phase, in the order in which they are passed.
    pub request_fields: Vec<String>,
    /// Fields of the response phase, in the order in which they are passed.
    pub response_fields: Vec<String>,
    /// State keys that it is told.
    pub state: Vec<String>,
    /// Variants that it may choose; a verdict names one by index.
    pub variants: Vec<String>,
    /// The body-size phase comes once, at the first size strictly greater. Bytes.
    pub body_size_above: u64,
    /// The body-chunk phase shows the first so many bytes; 0 = as many as the policy allows.
    pub body_chunk_bytes: u64,
}

/// Phases of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Head of the request.
    pub request: bool,
    /// Size of its body.
    pub body_size: bool,
    /// Bytes of its body.
    pub body_chunk: bool,
    /// Head of the response.
    pub response: bool,
}

/// What is wrong with an activation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActivationFault {
    /// A list is too long.
    #[error("{count} {what}, at most {max}")]
    TooMany {
        /// Which list.
        what: &'static str,
        /// Its length.
        count: usize,
        /// The longest that is allowed.
        max: usize,
    },
    /// A name is empty or too long.
    #[error("one of the {what} is empty or has more than {NAME_BYTES_MAX} bytes")]
    NameLength {
        /// Which list.
        what: &'static str,
    },
    /// A path prefix does not begin with `/`.
    #[error("the path prefix {0:?} does not begin with `/`")]
    PathPrefix(String),
    /// A method is no token in upper case.
    #[error("{0:?} is no method in upper case")]
    Method(String),
    /// A field does not exist.
    #[error("a field does not exist")]
    Field(#[source] FieldError),
    /// A field does not exist in that phase.
    #[error("the field `{field}` does not exist in the {phase} phase")]
    FieldPhase {
        /// The field.
        field: String,
        /// The phase.
        phase: &'static str,
    },
    /// A state key outside the manifest.
    #[error("the state key `{0}` lies outside the needs of the manifest")]
    StateNotNeeded(String),
    /// A state key that is not granted.
    #[error("the state key `{0}` is not granted")]
    StateNotGranted(String),
    /// The body-chunk phase, which is not granted.
    #[error("the phase `body-chunk` sees request bodies, which is not granted: write `grants = {{ body = true }}`")]
    BodyNotGranted,
}

impl Activation {
    /// Checks what a plugin returned from `init`.
    pub(crate) fn check(&self, needs: &Needs, grants: &Grants) -> Result<(), ActivationFault> {
        self.check_bounds()?;
        self.check_names()?;
        self.check_state(needs, grants)?;
        if self.phases.body_chunk && !grants.body { Err(ActivationFault::BodyNotGranted) } else { Ok(()) }
    }

    fn check_bounds(&self) -> Result<(), ActivationFault> {
        for (what, names, max) in [
            ("path prefixes", &self.path_prefixes, PATH_PREFIXES_MAX),
            ("methods", &self.methods, NAMES_MAX),
            ("request fields", &self.request_fields, NAMES_MAX),
            ("response fields", &self.response_fields, NAMES_MAX),
            ("state keys", &self.state, NAMES_MAX),
            ("variants", &self.variants, NAMES_MAX),
        ] {
            if names.len() > max {
                return Err(ActivationFault::TooMany { what, count: names.len(), max });
            }
            if names.iter().any(|name| name.is_empty() || name.len() > NAME_BYTES_MAX) {
                return Err(ActivationFault::NameLength { what });
            }
        }
        Ok(())
    }

    fn check_names(&self) -> Result<(), ActivationFault> {
        if let Some(prefix) = self.path_prefixes.iter().find(|prefix| !prefix.starts_with('/')) {
            return Err(ActivationFault::PathPrefix(prefix.clone()));
        }
        if let Some(method) = self.methods.iter().find(|method| !is_method(method)) {
            return Err(ActivationFault::Method(method.clone()));
        }
        check_fields(&self.request_fields, "request", |field| !matches!(field, Field::Status))?;
        check_fields(&self.response_fields, "response", |field| matches!(field, Field::Status | Field::Header(_)))
    }

    fn check_state(&self, needs: &Needs, grants: &Grants) -> Result<(), ActivationFault> {
        let covers = |patterns: &[String], key: &str| patterns.iter().any(|pattern| matches_grant(pattern, key));
        for key in &self.state {
            if !covers(&needs.state, key) {
                return Err(ActivationFault::StateNotNeeded(key.clone()));
            }
            if !covers(&grants.state, key) {
                return Err(ActivationFault::StateNotGranted(key.clone()));
            }
        }
        Ok(())
    }
}

fn check_fields(
    fields: &[String],
    phase: &'static str,
    exists: impl Fn(&Field) -> bool,
) -> Result<(), ActivationFault> {
    for text in fields {
        let field = text.parse().map_err(ActivationFault::Field)?;
        if !exists(&field) {
            return Err(ActivationFault::FieldPhase { field: text.clone(), phase });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut Activation)) -> Result<(), ActivationFault> {
        let mut activation = Activation::default();
        change(&mut activation);
        let needs = Needs { state: vec!["flag:*".to_owned()], ..Needs::default() };
        let grants = Grants { state: vec!["flag:a*".to_owned()], ..Grants::default() };
        activation.check(&needs, &grants)
    }

    fn names(count: usize) -> Vec<String> {
        vec!["flag:a".to_owned(); count]
    }

    #[test]
    fn the_bytes_of_bodies_want_a_grant() {
        let activation =
            Activation { phases: Phases { body_chunk: true, ..Phases::default() }, ..Activation::default() };
        let granted = Grants { body: true, ..Grants::default() };
        assert_eq!(activation.check(&Needs::default(), &granted), Ok(()));
        let fault = activation.check(&Needs::default(), &Grants::default()).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "the phase `body-chunk` sees request bodies, which is not granted: write `grants = { body = true }`"
        );
    }

    #[test]
    fn lists_hold_at_their_bounds_and_not_past_them() {
        assert!(check(|activation| activation.state = names(NAMES_MAX)).is_ok());
        let fault = ActivationFault::TooMany { what: "state keys", count: NAMES_MAX + 1, max: NAMES_MAX };
        assert_eq!(check(|activation| activation.state = names(NAMES_MAX + 1)), Err(fault));
        assert!(check(|activation| activation.variants = names(NAMES_MAX)).is_ok());
        assert!(check(|activation| activation.variants = names(NAMES_MAX + 1)).is_err());
        assert!(check(|activation| activation.path_prefixes = vec!["/".to_owned(); PATH_PREFIXES_MAX]).is_ok());
        assert!(check(|activation| activation.path_prefixes = vec!["/".to_owned(); PATH_PREFIXES_MAX + 1]).is_err());
        assert!(check(|activation| activation.variants = vec!["v".repeat(NAME_BYTES_MAX)]).is_ok());
        for length in [0, NAME_BYTES_MAX + 1] {
            let result = check(|activation| activation.variants = vec!["v".repeat(length)]);
            assert_eq!(result, Err(ActivationFault::NameLength { what: "variants" }));
        }
    }

    #[test]
    fn fields_exist_in_their_phase() {
        let fields = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert!(
            check(|activation| activation.request_fields = fields(&["path", "header:x", "rollout-key:demo"])).is_ok()
        );
        assert!(check(|activation| activation.response_fields = fields(&["status", "header:x"])).is_ok());
        assert!(check(|activation| activation.request_fields = fields(&["status"])).is_err());
        assert!(check(|activation| activation.response_fields = fields(&["path"])).is_err());
        assert!(matches!(
            check(|activation| activation.request_fields = fields(&["password"])),
            Err(ActivationFault::Field(_))
        ));
    }

    #[test]
    fn state_stays_within_needs_and_grants() {
        let state = |key: &str| check(|activation| activation.state = vec![key.to_owned()]);
        assert!(state("flag:ab").is_ok());
        assert_eq!(state("rollout:a"), Err(ActivationFault::StateNotNeeded("rollout:a".to_owned())));
        assert_eq!(state("flag:b"), Err(ActivationFault::StateNotGranted("flag:b".to_owned())));
    }

    #[test]
    fn methods_and_prefixes_have_their_form() {
        assert!(check(|activation| activation.methods = vec!["get".to_owned()]).is_err());
        assert!(check(|activation| activation.path_prefixes = vec!["set".to_owned()]).is_err());
    }
}
