//! The data plane over real sockets: real clients on one side, real origins on the other, nothing in between but us.

mod bodies;
mod client;
mod connections;
mod heads;
mod lifetime;
mod origin;
mod plugins;
mod router;
mod servers;
