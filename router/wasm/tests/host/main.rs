//! The plugin host against real components: those of the repository, and small ones written as text.

#![expect(clippy::unwrap_used, clippy::panic, reason = "clippy knows tests by #[test], not their helpers")]

mod calls;
mod contracts;
mod first_party;
mod hostile;
mod kept;
mod limits;
mod loading;
mod support;
mod wasi;
