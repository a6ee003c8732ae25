//! What machines measure of themselves, and the alerts that follow from it.
//!
//! On a machine: [`Sampler`] reads `/proc`, [`exposition`] writes it down under the names of node_exporter, [`serve`] shows it.
//! Where the fleet is watched: [`Watch`] holds the figures of each droplet against the rules of `infra.toml`. No figure is a
//! state of its own, never 0 %. [`traffic`] makes rates of what routers count. Who tells people is not decided here.

pub mod alerts;
pub mod exposition;
mod local;
mod measures;
mod sampler;
mod serve;
pub mod traffic;
mod watch;

pub use alerts::alert;
pub use measures::{Counters, Disk, Measures, Net, Pressure};
pub use sampler::{SampleError, Sampler};
pub use serve::{ServeError, serve};
pub use watch::{Figure, Seen, Watch};
