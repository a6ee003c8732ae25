//! The offline check behind `sluice check`: the same reading, compiling and probing as a reload, without a router.

use std::sync::Arc;

use serde::Serialize;
use sluice_policy::Folders;
use sluice_snapshot::Cells;
use sluice_wasm::Engine;

use crate::assemble::{Assembler, Ground};
use crate::fault::Fault;
use crate::input::Input;
use crate::plugin_info::PluginInfo;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Everything that is wrong. Empty = a router would publish this.
    pub faults: Vec<Fault>,
    /// Routes of the policy; 0 if it is at fault.
    pub routes: usize,
    /// Plugins of the policy; 0 if it is at fault.
    pub plugins: usize,
    /// `[[tests]]` of the policy that hold; 0 if anything is at fault.
    pub tests: usize,
    /// Plugins and files that are refused or unused.
    pub others: Vec<PluginInfo>,
}

/// Reads both folders and tries everything in them, without a router. Blocking.
#[must_use]
pub fn check(engine: &Engine, folders: &Folders) -> Checked {
    let mut assembler = Assembler::new(engine.clone(), Arc::new(Cells::new()), 0, None);
    let assembly = assembler.assemble(&Input::read(folders), &Ground::default());
    let candidate = assembly.candidate.as_ref();
    Checked {
        routes: candidate.map_or(0, |candidate| candidate.policy.routes.len()),
        plugins: candidate.map_or(0, |candidate| candidate.places.len()),
        tests: candidate.map_or(0, |candidate| candidate.policy.tests),
        faults: assembly.faults,
        others: assembly.plugins,
    }
}
