//! Alert rules (when is something worth a notice, when is it over) and sinks (mail, webhook, chat) that notices go to.
//!
//! Rules are pure, with time as an argument. Sinks deliver one notice once per call; who tries again is the notifier's
//! matter. Used by control and by infra; it knows neither store nor snapshot.

pub mod notice;
pub mod rules;
mod secret;
pub mod sinks;
mod text;

pub use notice::Notice;
pub use secret::Secret;
pub use sinks::{Channel, SendError, SettingsError, Sink, SmtpEncryption, SmtpSettings};
pub use text::one_line;
