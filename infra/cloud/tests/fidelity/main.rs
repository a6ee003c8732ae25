//! Fidelity: every request of the client and every answer of the simulator is held to DigitalOcean's official OpenAPI
//! document (`fixtures/digitalocean-openapi.json`).
//!
//! `document` is the document, `words` finds keys that it does not know, `recorder` stands between client and simulator and
//! keeps both sides of every exchange.

#![expect(clippy::unwrap_used, clippy::panic, reason = "all of this binary is tests")]

mod client;
mod document;
mod recorder;
mod samples;
mod simulator;
mod strictness;
mod words;
