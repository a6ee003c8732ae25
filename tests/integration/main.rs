//! One binary with every end-to-end test: real processes, real sockets, a real Redis, a real browser.

mod admin;
mod architecture;
mod broken_input;
mod browser;
mod canary;
mod demo;
mod diff;
mod edge;
mod explain;
mod file_life;
mod flags;
mod hostile;
mod hostile_files;
mod hostile_plugins;
mod init;
mod lifecycle;
mod long;
mod observe;
mod plugin_kit;
mod plugin_javascript;
mod policy_history;
mod reload;
mod servers;
mod uploads;
mod upstreams;
mod why;
