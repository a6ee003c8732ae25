//! What the author of a Sluice plugin depends on.
//!
//! A plugin is a type that implements [`Plugin`] and one [`plugin!`] line:
//!
//! ```
//! use sluice_plugin::{Activation, Outcome, Phases, Plugin, Request, RequestField, Verdict};
//!
//! /// Answers 403 to a client that names itself `evil`.
//! struct Bouncer {
//!     agent: RequestField,
//! }
//!
//! impl Plugin for Bouncer {
//!     fn init(_config: &str) -> Result<(Self, Activation), String> {
//!         let mut activation = Activation::new(Phases::REQUEST);
//!         let agent = activation.request_field("header:user-agent");
//!         Ok((Self { agent }, activation))
//!     }
//!
//!     fn on_request(&mut self, request: &Request<'_>, _outcome: &mut Outcome) -> Verdict {
//!         if request.text(self.agent) == Some("evil") { Verdict::respond(403) } else { Verdict::next() }
//!     }
//! }
//!
//! sluice_plugin::plugin!(Bouncer);
//! # fn main() {}
//! ```
//!
//! The contract itself is `plugins/wit/plugin.wit`; this crate hides its packed shapes and adds nothing to it. It
//! depends on nothing of the router. In `testing`, a plugin runs natively, in plain unit tests.

mod activation;
pub mod bindings;
pub mod bounds;
pub mod bucket;
pub mod config;
mod fields;
pub mod guest;
pub mod log;
mod outcome;
pub mod path;
mod plugin;
pub mod state;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod verdict;

pub use activation::{Activation, RequestField, ResponseField, Variant};
pub use bindings::sluice::plugin::types::{
    Alert, Counter, Edit, Effect, Header, Level, LogLine, Phases, Response, SizeUnit,
};
pub use fields::Fields;
pub use outcome::Outcome;
pub use plugin::{BodyChunk, BodySize, Plugin, Request, ResponseHead};
pub use verdict::Verdict;

/// The tutorial's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Tutorial;
