//! Gates paths behind flags, and tells servers the variants of flags by a header.
//!
//! While a flag is off, or missing, the paths behind it answer with a status, 404 by default. A flag is a raw switch, or
//! one of a set in flagd's format, whose rules see the attributes of the caller that the configuration maps to fields.
//! Flags are pushed when they change, and what needs no rule is found then; the host calls only for paths and methods that
//! some gate names, unless there are headers to set. With a single gate of a switch the request phase therefore needs
//! nothing of the request: it reads one boolean.

use sluice_plugin::{Activation, Outcome, Phases, Plugin, Request, RequestField, Verdict, path, state};

use crate::caller::{Caller, Mapping};
use crate::config::Config;
use crate::flags::{Said, SetFlag, Sets};

mod caller;
mod config;
mod flags;

/// The plugin; see the module.
pub struct FeatureFlags {
    gates: Vec<Gate>,
    headers: Vec<Header>,
    sets: Sets,
    mapping: Mapping,
    /// Method and path, needed to tell gates apart.
    line: Option<(RequestField, RequestField)>,
}

struct Gate {
    config: config::Gate,
    /// The flag, if it is one of a set.
    flag: Option<SetFlag>,
    open: Said<bool>,
}

struct Header {
    name: String,
    flag: SetFlag,
    variant: Said<Option<String>>,
}

impl Plugin for FeatureFlags {
    fn init(config: &str) -> Result<(Self, Activation), String> {
        let Config { gates, headers, context } = Config::parse(config)?;
        let gates = gates.unwrap_or_default();
        let is_idle = gates.is_empty() && headers.is_empty();
        let mut activation = Activation::new(if is_idle { Phases::empty() } else { Phases::REQUEST });
        if headers.is_empty() {
            gates.iter().flat_map(|gate| &gate.paths).for_each(|path| activation.path_prefix(path));
            if gates.iter().all(|gate| !gate.methods.is_empty()) {
                gates.iter().flat_map(|gate| &gate.methods).for_each(|method| activation.method(method));
            }
        }
        // The host alone tells whether a request is one of a single gate's, if it calls for no other reason.
        let is_told_apart = gates.len() > 1 || !(gates.is_empty() || headers.is_empty());
        let line = is_told_apart.then(|| (activation.request_field("method"), activation.request_field("path")));
        let mapping = Mapping::new(context.iter(), &mut activation);
        let mut sets = Sets::default();
        let gates = gates.into_iter().map(|config| Gate::new(config, &mut sets, &mut activation)).collect();
        let header = |config::Header { flag, set, name }| Header {
            name,
            flag: sets.flag(&set, flag, &mut activation),
            variant: Said::Settled(None),
        };
        let headers = headers.into_iter().map(header).collect();
        Ok((Self { gates, headers, sets, mapping, line }, activation))
    }

    fn on_state(&mut self, key: &str, value: Option<&str>) -> Result<(), String> {
        let Some(set) = state::flag_set_name(key) else {
            let is_on = state::flag_is_on(value)?;
            let gates = self.gates.iter_mut().filter(|gate| gate.flag.is_none());
            gates.filter(|gate| state::flag_name(key) == Some(&gate.config.flag)).for_each(|gate| {
                gate.open = Said::Settled(is_on);
            });
            return Ok(());
        };
        self.sets.define(set, value)?;
        let Self { gates, headers, sets, .. } = self;
        for gate in gates {
            if let Some(flag) = &gate.flag {
                gate.open = sets.settle(flag, |sets, context| sets.is_on(flag, context));
            }
        }
        for Header { flag, variant, .. } in headers {
            *variant = sets.settle(flag, |sets, context| sets.variant(flag, context).map(ToOwned::to_owned));
        }
        Ok(())
    }

    fn on_request(&mut self, request: &Request<'_>, outcome: &mut Outcome) -> Verdict {
        let caller = Caller { mapping: &self.mapping, request };
        if let Some(gate) = self.shut_gate(&caller) {
            return Verdict::respond(gate.config.status);
        }
        for Header { name, flag, variant } in &self.headers {
            let variant = match variant {
                Said::Settled(variant) => variant.as_deref(),
                Said::Asked => self.sets.variant(flag, &caller.context()),
            };
            // What the client sent under this name goes either way.
            match variant {
                Some(variant) => outcome.set_header(name, variant),
                None => outcome.remove_header(name),
            }
        }
        Verdict::next()
    }
}

impl FeatureFlags {
    /// The first gate that stands before the request and is shut.
    fn shut_gate(&self, caller: &Caller<'_>) -> Option<&Gate> {
        let mut shut = self.gates.iter().filter(|gate| !matches!(gate.open, Said::Settled(true)));
        match self.line {
            // The host already matched the one gate's paths and methods.
            None => shut.find(|gate| self.is_shut(gate, caller)),
            Some((method, path)) => {
                let method = caller.request.bytes(method).unwrap_or_default();
                let path = caller.request.bytes(path).unwrap_or_default();
                shut.find(|gate| gate.covers(method, path) && self.is_shut(gate, caller))
            }
        }
    }

    fn is_shut(&self, gate: &Gate, caller: &Caller<'_>) -> bool {
        match (&gate.open, &gate.flag) {
            (Said::Asked, Some(flag)) => !self.sets.is_on(flag, &caller.context()),
            (Said::Settled(is_open), _) => !is_open,
            (Said::Asked, None) => true,
        }
    }
}

impl Gate {
    fn new(config: config::Gate, sets: &mut Sets, activation: &mut Activation) -> Self {
        let flag = config.set.as_deref().map(|set| sets.flag(set, config.flag.clone(), activation));
        if flag.is_none() {
            activation.state(format!("flag:{}", config.flag));
        }
        Self { config, flag, open: Said::Settled(false) }
    }

    fn covers(&self, method: &[u8], path: &[u8]) -> bool {
        let config::Gate { methods, paths, .. } = &self.config;
        (methods.is_empty() || methods.iter().any(|known| known.as_bytes() == method))
            && paths.iter().any(|prefix| path::covers(prefix, path))
    }
}

// `flag:*` and `flags:*` in one need: either kind of grant meets it.
sluice_plugin::plugin!(FeatureFlags, state = ["flag*"]);

#[cfg(test)]
mod tests;
