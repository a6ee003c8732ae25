//! Policy files of Sluice: text -> checked types -> route table.
//!
//! Pure: no IO, no runtime, no clock. [`parse`] reads the files of `routes.d` together, [`parse_process`] reads
//! `sluice.toml`, [`parse_plugin_tests`] the cases of `sluice plugin test`; all report every fault at once, each with its place, an excerpt and, where one can be given, a hint.
//! A policy whose `[[tests]]` do not hold is faulty like any other.
//! What comes out is complete: every name is resolved to an index, every limit is checked, and [`Policy::find`] answers
//! which route a request takes without allocating.

pub mod diff;
pub mod explain;
pub mod filter;
pub mod limits;
pub mod location;
pub mod path;
pub mod pattern;
pub mod plugin;
pub mod plugin_tests;
pub mod policy;
pub mod process;
pub mod reference;
pub mod route;
pub mod schema;
pub mod upstream;

mod describe;
mod outcome;
mod query;
mod read;
mod table;

pub use diff::Diff;
pub use explain::Explanation;
pub use filter::Filters;
pub use limits::{ErrorPage, RateLimit, RouteLimits};
pub use pattern::Pattern;
pub use plugin::{
    Budget, FailurePolicy, Grants, Limits, LoadFailure, OnFailure, Plugin, PluginBreaker, Release, TrialMode, TrialSpec,
};
pub use plugin_tests::{BodyContent, CaseBody, CaseExpect, CaseRequest, CaseResponse, PluginCase, PluginTests};
pub use policy::{Policy, Rollout};
pub use process::{
    AccessLog, AdminConfig, ChainTrace, EncodedSlash, Folders, ListenerConfig, ProcessConfig, ProcessLimits, Secret,
    SinkConfig, SinkKind, SmtpConfig, SmtpEncryption, StoreConfig, StoreUrl, Underscores,
};
pub use read::{parse, parse_plugin_tests, parse_process};
pub use route::{
    Builtin, Found, HostPattern, Match, NameValue, PathPattern, RequestLine, Retries, Route, Target, Timeouts,
    ValuePattern, WeightedUpstream,
};
pub use sluice_document::{Fault, Faults, Source};
pub use upstream::{Balance, Protocol, Servers, StaticServer, Upstream};
