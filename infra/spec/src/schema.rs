//! The JSON Schema and the reference of `infra.toml`.
