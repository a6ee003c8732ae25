//! Clouds with the real program. A module each, so that the names of tests say what they need: `cargo xtask test` leaves
//! out those of `infra_*` where there is no sshd, and those that end in `_in_namespaces` where there is no right to them.

mod infra_local;
