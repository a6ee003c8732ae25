//! Where a secret is found. Never the secret itself.

use serde::{Deserialize, Serialize};

/// Where a secret is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Secret {
    /// In an environment variable of this name.
    Env(String),
    /// Under this name in the age-encrypted file of the fleet.
    Age(String),
}
