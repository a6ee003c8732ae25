//! The configuration: gates, headers, and where the attributes of the caller stand.

use std::collections::BTreeMap;

use serde::Deserialize;
use sluice_plugin::config;

/// `config = { gates = [{ flag = "featureFlags", paths = ["/set"] }], headers = [{ flag = "theme", set = "shop",
/// name = "x-flag-theme" }], context = { targetingKey = ["cookie:uid", "client-address"], email = "header:x-email" } }`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) gates: Option<Vec<Gate>>,
    #[serde(default)]
    pub(crate) headers: Vec<Header>,
    /// What rules know of the caller: attribute -> field of the request, or fields, of which the first present counts.
    #[serde(default)]
    pub(crate) context: BTreeMap<String, OneOrMore>,
}

/// Paths that are there while a flag is on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gate {
    /// The flag that opens it.
    pub(crate) flag: String,
    /// The set that defines the flag; without one it is a raw switch.
    pub(crate) set: Option<String>,
    /// Path prefixes behind it, by segment.
    pub(crate) paths: Vec<String>,
    /// Methods behind it; empty = all.
    #[serde(default)]
    pub(crate) methods: Vec<String>,
    /// Answer while it is shut.
    #[serde(default = "not_found")]
    pub(crate) status: u16,
}

/// A header of the request that tells the server the variant of a flag.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) flag: String,
    pub(crate) set: String,
    /// Its name. What a client sends under it never reaches the server.
    pub(crate) name: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

const fn not_found() -> u16 {
    404
}

impl Config {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let config: Self = config::parse(text)?;
        if config.gates.is_none() && config.headers.is_empty() {
            return Err("config: missing field `gates`, or `headers`".to_owned());
        }
        config.gates.iter().flatten().try_for_each(Gate::check)?;
        if let Some(name) = config.context.keys().find(|name| name.contains('.') || name.starts_with('$')) {
            return Err(format!(
                "config: the attribute {name:?} is none that a rule can name: without `.`, not after `$`"
            ));
        }
        Ok(config)
    }
}

impl Gate {
    fn check(&self) -> Result<(), String> {
        config::check_status(self.status)?;
        if self.paths.is_empty() {
            return Err(format!("config: the gate of flag {:?} names no paths", self.flag));
        }
        self.paths.iter().try_for_each(|path| config::check_path(path))
    }
}

impl OneOrMore {
    pub(crate) fn as_slice(&self) -> &[String] {
        match self {
            Self::One(field) => std::slice::from_ref(field),
            Self::More(fields) => fields,
        }
    }
}
