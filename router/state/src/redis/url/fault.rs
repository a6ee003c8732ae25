//! Why a URL is not one of a store. No fault repeats a part that may be a password.

use super::{DATABASE_MAX, HOSTS_MAX};

/// What every fault of the form ends in.
const FORMS: &str = "write redis://HOST:PORT, redis+sentinel://HOST,HOST/NAME or redis-cluster://HOST,HOST, \
                     with rediss for TLS";

/// Why a URL is not one of a store.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlFault {
    /// Neither of the known schemes.
    #[error("it has no known scheme: {FORMS}")]
    Scheme,
    /// No host, an empty one, or one that cannot be.
    #[error("host {number} is empty or not a host: {FORMS}")]
    Host {
        /// Its place, from 1.
        number: usize,
    },
    /// Several hosts where only one can be.
    #[error("one server has one host: for several write redis+sentinel:// or redis-cluster://")]
    Hosts,
    /// More hosts than can be asked in time.
    #[error("more than {HOSTS_MAX} hosts")]
    TooManyHosts,
    /// Not a port.
    #[error("the port of host {number} is not a number from 1 to 65535")]
    Port {
        /// The place of its host, from 1.
        number: usize,
    },
    /// Not a database.
    #[error("the database is not a number from 0 to {DATABASE_MAX}")]
    Database,
    /// A Cluster has one database.
    #[error("a Cluster has only database 0: leave out the path")]
    ClusterDatabase,
    /// Sentinel watches several masters; which one is meant?
    #[error("the name of the master is missing: write redis+sentinel://HOST,HOST/NAME")]
    MasterName,
    /// User or password holds something that is not text.
    #[error("user or password is not UTF-8 after percent decoding")]
    Credentials,
    /// A part that store URLs do not have.
    #[error("a store URL has no fragment: write # in a password as %23")]
    Fragment,
    /// An option that does not exist.
    #[error(
        "option {number} is unknown: there are user, password_env, password_file, sentinel_user, \
             sentinel_password_env, sentinel_password_file, ca, cert and key"
    )]
    Option {
        /// Its place, from 1. Its name may be the rest of a password with an unescaped `?`.
        number: usize,
    },
    /// An option without a value, or there twice.
    #[error("option `{0}` needs one value")]
    OptionValue(&'static str),
    /// Two options, or an option and a part of the URL, say the same thing.
    #[error("`{0}` is said twice")]
    Twice(&'static str),
    /// An option of TLS without TLS.
    #[error("option `{0}` needs TLS: write rediss")]
    NeedsTls(&'static str),
    /// An option of Sentinel without Sentinel.
    #[error("option `{0}` needs redis+sentinel://")]
    NeedsSentinel(&'static str),
    /// A client certificate is a pair of files.
    #[error("`cert` and `key` go together")]
    HalfPair,
}
