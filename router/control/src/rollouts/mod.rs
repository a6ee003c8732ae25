//! Rollouts, as tasks beside the builder: declared ones come to be in the store and local aborts get there (`declared`), what
//! each variant did is added up there for the whole fleet (`figures`), and every router judges the canaries by it
//! (`analysis`, with `course` as its memory); only the one that leads (`lease`) acts on it.
//!
//! Nothing here is on the path of a request, and no abort waits for any of it: the data path aborts by itself.

mod analysis;
mod course;
mod declared;
mod figures;
pub(crate) mod info;
mod lease;
pub(crate) mod orders;
pub(crate) mod standings;

pub(crate) use analysis::Analyst;
pub(crate) use declared::Declared;
pub(crate) use figures::Figures;

/// Separates the buckets of one release of a rollout from those of any other.
pub(crate) fn random_salt() -> String {
    format!("{:016x}", rand::random::<u64>())
}
