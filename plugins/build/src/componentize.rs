//! Core module -> component: the last step of building a plugin.

use std::error::Error;

use wit_component::ComponentEncoder;

/// Why a module is no plugin.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// It does not use the SDK's macro, mostly.
    #[error("read the world that the module was built for")]
    World(#[source] Box<dyn Error + Send + Sync>),
    /// It imports something that the contract does not offer.
    #[error("encode the component")]
    Encode(#[source] Box<dyn Error + Send + Sync>),
}

/// Wraps what rustc made into a component of the world that the SDK wrote into it.
///
/// # Errors
/// The module has no world, or imports something that the contract does not offer.
pub fn componentize(module: &[u8]) -> Result<Vec<u8>, ComponentError> {
    let encoder = ComponentEncoder::default().validate(true);
    let mut encoder = encoder.module(module).map_err(|error| ComponentError::World(error.into()))?;
    encoder.encode().map_err(|error| ComponentError::Encode(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_module_is_refused_with_a_reason() {
        let error = componentize(b"not wasm").unwrap_err();
        assert!(error.to_string().contains("world"), "{error:?}");
    }
}
