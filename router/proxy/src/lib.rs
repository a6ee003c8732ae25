//! The data plane of Sluice: one file per step of the request path.
//!
//! listener -> connection -> exchange (the spine) -> head -> matching -> chain (request, body size) -> pick -> forward
//! -> body -> chain (response) -> respond -> record. Around the path: `worker` (one thread with everything a request may
//! touch), `upstream`, `pool` and `client` (servers and the connections to them), `codec` (what both protocols have
//! in common).
//!
//! A request never leaves its worker. It takes no lock that another worker holds, waits for no store, and reads one
//! snapshot from its first byte to its last. Nothing here compiles, parses policy or talks to a store.

mod access_log;
mod acquire;
mod answer;
mod body;
mod chain;
mod client;
mod codec;
mod connection;
mod date;
mod drain;
mod edits;
mod effects;
mod error;
mod error_page;
mod exchange;
mod expect;
mod fields;
mod filters;
mod forward;
mod forwarded;
mod framing;
mod gate;
mod head;
mod headers;
mod host;
mod instance;
mod limits;
mod linger;
mod list_servers;
mod listener;
mod lock;
mod matching;
mod meter;
mod mirror;
mod multipart;
mod panics;
mod peer;
mod pick;
mod pool;
mod proxy;
mod reaper;
mod record;
mod request_id;
mod respond;
mod retry;
mod seat;
mod server_body;
mod server_timing;
mod signed_override;
mod stall;
mod stream;
mod trace;
mod trail;
mod upstream;
mod via;
mod worker;

pub use listener::BindError;
pub use proxy::{PING_INTERVAL, PING_TIMEOUT, Proxy, Settings, Shared, StartError, start};
