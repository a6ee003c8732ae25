//! Gates paths behind flags: while a flag is off, or missing, its paths answer with a status, 404 by default.
//!
//! Flags are pushed when they change, and the host calls only for paths and methods that some gate names. With a
//! single gate the request phase therefore needs nothing of the request: it reads one boolean.

use serde::Deserialize;
use sluice_plugin::{Activation, Outcome, Phases, Plugin, Request, RequestField, Verdict, config, path, state};

/// `config = { gates = [{ flag = "featureFlags", paths = ["/set"] }] }`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    gates: Vec<Gate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Gate {
    /// The flag that opens it.
    flag: String,
    /// Path prefixes behind it, by segment.
    paths: Vec<String>,
    /// Methods behind it; empty = all.
    #[serde(default)]
    methods: Vec<String>,
    /// Answer while it is shut.
    #[serde(default = "not_found")]
    status: u16,
    #[serde(skip)]
    open: bool,
}

const fn not_found() -> u16 {
    404
}

impl Gate {
    fn check(&self) -> Result<(), String> {
        config::check_status(self.status)?;
        if self.paths.is_empty() {
            return Err(format!("config: the gate of flag {:?} names no paths", self.flag));
        }
        self.paths.iter().try_for_each(|path| config::check_path(path))
    }

    fn covers(&self, method: &[u8], path: &[u8]) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|known| known.as_bytes() == method))
            && self.paths.iter().any(|prefix| path::covers(prefix, path))
    }
}

/// The plugin; see the module.
pub struct FeatureFlags {
    gates: Vec<Gate>,
    /// Method and path, needed to tell several gates apart.
    line: Option<(RequestField, RequestField)>,
}

impl Plugin for FeatureFlags {
    fn init(config: &str) -> Result<(Self, Activation), String> {
        let Config { gates } = config::parse(config)?;
        gates.iter().try_for_each(Gate::check)?;
        let phases = if gates.is_empty() { Phases::empty() } else { Phases::REQUEST };
        let mut activation = Activation::new(phases);
        for gate in &gates {
            activation.state(format!("flag:{}", gate.flag));
            gate.paths.iter().for_each(|path| activation.path_prefix(path));
        }
        if gates.iter().all(|gate| !gate.methods.is_empty()) {
            gates.iter().flat_map(|gate| &gate.methods).for_each(|method| activation.method(method));
        }
        let line = (gates.len() > 1).then(|| (activation.request_field("method"), activation.request_field("path")));
        Ok((Self { gates, line }, activation))
    }

    fn on_state(&mut self, key: &str, value: Option<&str>) -> Result<(), String> {
        let open = state::flag_is_on(value)?;
        for gate in &mut self.gates {
            if state::flag_name(key) == Some(&gate.flag) {
                gate.open = open;
            }
        }
        Ok(())
    }

    fn on_request(&mut self, request: &Request<'_>, _outcome: &mut Outcome) -> Verdict {
        let mut shut = self.gates.iter().filter(|gate| !gate.open);
        let gate = match self.line {
            // The host already matched the one gate's paths and methods.
            None => shut.next(),
            Some((method, path)) => {
                let method = request.bytes(method).unwrap_or_default();
                let path = request.bytes(path).unwrap_or_default();
                shut.find(|gate| gate.covers(method, path))
            }
        };
        gate.map_or(Verdict::next(), |gate| Verdict::respond(gate.status))
    }
}

sluice_plugin::plugin!(FeatureFlags, state = ["flag:*"]);

#[cfg(test)]
mod tests;
