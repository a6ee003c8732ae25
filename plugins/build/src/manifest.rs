//! The static manifest of a component that another language's tools made: they know nothing of it, so it is appended.

use wasm_encoder::{ComponentSection, CustomSection};
use wasmparser::{Parser, Payload};

/// Name of the custom section, see `plugins/wit/plugin.wit`.
const SECTION: &str = "sluice:plugin";

/// Why a manifest was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Cut off, or not WebAssembly.
    #[error("read the component")]
    Damaged(#[source] wasmparser::BinaryReaderError),
    /// A core module: what its tool made before the last step.
    #[error("it is a core module, not a component")]
    Module,
    /// Which one would count?
    #[error("it has a manifest already (custom section `{SECTION}`)")]
    Present,
}

/// The component with the manifest behind it. What the manifest says is not looked at.
///
/// # Errors
/// The file is no component, or has a manifest.
pub fn append_manifest(component: &[u8], manifest: &[u8]) -> Result<Vec<u8>, AppendError> {
    if Parser::is_core_wasm(component) {
        return Err(AppendError::Module);
    }
    for payload in Parser::new(0).parse_all(component) {
        if let Payload::CustomSection(section) = payload.map_err(AppendError::Damaged)?
            && section.name() == SECTION
        {
            return Err(AppendError::Present);
        }
    }
    let mut packed = component.to_vec();
    CustomSection { name: SECTION.into(), data: manifest.into() }.append_to_component(&mut packed);
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The preamble of a component, version 13, and nothing in it.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn a_manifest_is_appended_once() {
        let packed = append_manifest(EMPTY, b"{}").unwrap();
        let sections: Vec<_> = Parser::new(0).parse_all(&packed).map(Result::unwrap).collect();
        assert!(sections.iter().any(|payload| {
            matches!(payload, Payload::CustomSection(section) if section.name() == SECTION && section.data() == b"{}")
        }));
        assert!(matches!(append_manifest(&packed, b"{}"), Err(AppendError::Present)));
    }

    #[test]
    fn what_is_no_component_is_refused() {
        assert!(matches!(append_manifest(b"\0asm\x01\0\0\0", b"{}"), Err(AppendError::Module)));
        for damaged in [&b"not wasm"[..], &EMPTY[..6], b""] {
            assert!(matches!(append_manifest(damaged, b"{}"), Err(AppendError::Damaged(_))), "{damaged:?}");
        }
    }
}
