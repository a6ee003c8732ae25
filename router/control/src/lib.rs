//! The control plane: sources of change -> one builder -> Snapshot; rollouts, alerts and spares as tasks beside it.
//!
//! It lives on its own small runtime, never on a worker. Workers and control never wait for each other: control
//! publishes snapshots and writes live cells, workers hand over effects. Life of a reload: `watch` sees a file move,
//! `settle` waits until it stands still, `assemble` parses, compiles and probes in the `workshop`, `release` says which
//! digest of a plugin serves, `gate` admits the candidate, `last_good` and `history` keep it, `reaper` ends the old one.
//! Life of a toggle: the store's event reaches `apply`, the `gate` tries it on probes, the cell moves.

mod alert_rules;
mod alerts;
mod apply;
mod assemble;
mod board;
mod builder;
mod check;
mod clock;
mod compare;
mod effects;
mod examine;
mod explain;
mod fault;
mod files;
mod flags;
mod folder;
mod gate;
mod handle;
mod handle_alerts;
mod handle_flags;
mod handle_plugins;
mod handle_policy;
mod handle_rollouts;
mod history;
mod input;
mod last_good;
mod load;
mod notifier;
mod place;
mod plugin_info;
mod quarantine;
mod reaper;
mod references;
pub mod rehearsal;
mod release;
mod rollouts;
mod settle;
mod shared;
mod spares;
mod start;
mod status;
mod tasks;
mod upstreams;
mod watch;
mod workshop;

pub use builder::rollback::Unpinned;
pub use check::{Checked, check};
pub use compare::Comparable;
pub use explain::{
    Assumed, Explanation, HEADERS_MAX, OfflineError, Outcome, PluginSaid, Question, QuestionError, RequestSeen,
    RolloutSeen, RouteLost, RouteTaken, Said, ServerSeen, TimeLimits, UpstreamSeen, explain_folder,
};
pub use fault::{FAULTS_MAX, Fault, FaultSource, chain};
pub use files::{read_plugin_file, read_policy};
pub use flags::FlagCounts;
pub use flags::book::{Definition, FlagBook, FlagEntry};
pub use flags::changes::BY_CLIENT;
pub use flags::diff::{ChangeKind, FlagChange, flag_changes};
pub use folder::ReadError;
pub use handle::{CommandError, Handle};
pub use handle_alerts::{AlertFigures, SinkTried};
pub use handle_flags::{Expected, FlagEdit, FlagError, StoredSet, document_faults};
pub use handle_rollouts::{OVERRIDE_MAX, Override};
pub use history::{Pinned, REVISIONS_KEPT_MAX, Revision, RevisionTexts, Text};
pub use notifier::figures::{Outcome as NoticeOutcome, SinkTotals};
pub use plugin_info::{Granted, Percent, PluginHistory, PluginInfo, PluginState, QuarantineInfo, TrialInfo, WatchInfo};
pub use release::{DIGESTS_KEPT_MAX, DigestOutcome, Hold, KeptDigest};
pub use rollouts::info::{AnalysisInfo, PlannedStep, RolloutInfo, StatsInfo, StepInfo, VariantInfo};
pub use rollouts::orders::RolloutOrder;
pub use start::{Context, Settings, StartError, start};
pub use status::{Health, Reloads, Router, Status, StoreStatus};
