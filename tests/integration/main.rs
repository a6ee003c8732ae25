//! One binary with every end-to-end test: real processes, real sockets, a real Redis, a real browser.

mod admin;
mod architecture;
mod broken_input;
mod browser;
mod canary;
mod demo;
mod edge;
mod flags;
mod hostile;
mod lifecycle;
mod long;
mod reload;
mod servers;
mod uploads;
