//! The same manifests for other tools.
