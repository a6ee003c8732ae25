//! The offline check behind `sluice check`: the same reading, compiling and probing as a reload, without a router.

use std::sync::Arc;

use serde::Serialize;
use sluice_policy::Folders;
use sluice_snapshot::Cells;
use sluice_wasm::Engine;

use crate::assemble::{Assembler, Ground};
use crate::fault::Fault;
use crate::input::Input;
use crate::place::Place;
use crate::plugin_info::PluginInfo;
use crate::references;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Everything that is wrong. Empty = a router would publish this.
    pub faults: Vec<Fault>,
    /// What a router would publish and then show as a fault: flags that plugins read and nobody watches.
    pub warnings: Vec<Fault>,
    /// Routes of the policy; 0 if it is at fault.
    pub routes: usize,
    /// Plugins of the policy; 0 if it is at fault.
    pub plugins: usize,
    /// `[[tests]]` of the policy that hold; 0 if anything is at fault.
    pub tests: usize,
    /// Plugins and files that are refused or unused.
    pub others: Vec<PluginInfo>,
}

/// Reads both folders and tries everything in them, for a router that watches the flags `switches`. Blocking.
#[must_use]
pub fn check(engine: &Engine, folders: &Folders, switches: &[String]) -> Checked {
    let mut assembler = Assembler::new(engine.clone(), Arc::new(Cells::new()), 0, None);
    let assembly = assembler.assemble(&Input::read(folders), &Ground::default());
    let candidate = assembly.candidate.as_ref();
    let members = candidate.iter().flat_map(|candidate| &candidate.places).flat_map(Place::members);
    Checked {
        routes: candidate.map_or(0, |candidate| candidate.policy.routes.len()),
        plugins: candidate.map_or(0, |candidate| candidate.places.len()),
        tests: candidate.map_or(0, |candidate| candidate.policy.tests),
        warnings: references::unwatched(members.map(|member| member.plugin().as_ref()), switches),
        faults: assembly.faults,
        others: assembly.plugins,
    }
}
