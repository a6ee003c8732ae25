//! What all of control works on: one of each, for as long as the process lives.

use std::fmt;
use std::sync::Arc;

use sluice_model::override_token::OverrideKey;
use sluice_snapshot::{Cells, EffectQueue, Published, Traffic};
use sluice_state::Store;

use crate::alerts::Alerting;
use crate::alerts::aborts::Aborts;
use crate::board::Board;
use crate::flags::Flags;
use crate::flags::changes::Changes;
use crate::history::History;
use crate::release::ledgers::Ledgers;
use crate::rollouts::standings::Standings;
use crate::status::Router;
use crate::upstreams::Resolver;

/// See the module.
pub(crate) struct Shared {
    pub(crate) published: Arc<Published>,
    pub(crate) cells: Arc<Cells>,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) effects: Arc<EffectQueue>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) board: Arc<Board>,
    pub(crate) history: History,
    pub(crate) ledgers: Ledgers,
    /// How rollouts go on.
    pub(crate) standings: Standings,
    /// What overrides of rollouts are signed with.
    pub(crate) override_key: Option<OverrideKey>,
    pub(crate) router: Router,
    pub(crate) resolver: Resolver,
    /// Switches that `sluice.toml` has followed.
    pub(crate) switches: Vec<String>,
    pub(crate) flags: Flags,
    pub(crate) changes: Arc<Changes>,
    pub(crate) alerting: Alerting,
    pub(crate) aborts: Aborts,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("board", &self.board).field("router", &self.router).finish_non_exhaustive()
    }
}
