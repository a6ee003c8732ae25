//! Core module -> component: the last step of building a plugin.

use anyhow::{Context, Result};
use wit_component::ComponentEncoder;

/// Wraps what rustc made into a component of the world that the SDK wrote into it.
///
/// # Errors
/// The module has no world (it does not use the SDK's macro), or imports something that the contract does not offer.
pub(crate) fn componentize(module: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default()
        .validate(true)
        .module(module)
        .context("read the world that the module was built for")?
        .encode()
        .context("encode the component")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_module_is_refused_with_a_reason() {
        let error = componentize(b"not wasm").unwrap_err();
        assert!(error.to_string().contains("world"), "{error:#}");
    }
}
