//! A real `redis-server`, which is also the Sentinel and the Cluster node of tests. Only the program is wanted: a service
//! that runs on this machine is never touched.

use crate::program::Program;

/// Found or installed on demand.
pub(crate) const REDIS: Program = Program {
    name: "redis-server",
    variable: "SLUICE_REDIS_SERVER",
    packages: &["redis-server"],
    // The oldest that the store is built and measured on.
    major_min: 7,
    major,
};

/// Reads `Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64 build=...`.
fn major(line: &str) -> Option<u32> {
    let version = line.split_whitespace().find_map(|word| word.strip_prefix("v="))?;
    version.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_the_server_prints() {
        assert_eq!(major("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64"), Some(7));
        assert_eq!(major("Valkey server v=8.1.0 sha=0"), Some(8));
        assert_eq!(major("redis"), None);
    }
}
