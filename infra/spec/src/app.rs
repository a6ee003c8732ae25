//! Apps: how a commit becomes a release, and how a release runs.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An application. Also sent to its machines, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Its name: the `app` of its leases.
    pub name: String,
    /// What starts a release, in its folder. Templates, see [`crate::template`].
    pub run: Vec<String>,
    /// Environment of a release beside what the machine gives. Templates.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// When a release is fit to serve.
    pub health: Health,
    /// First port of releases; each new one takes the next free of [`App::PORTS`].
    pub port: u16,
    /// How long requests in flight may take once a release is asked to end.
    pub drain: Duration,
    /// Releases kept on each machine, the running one among them.
    pub keep_releases: u32,
    /// What a commit goes through.
    pub pipeline: Pipeline,
}

impl App {
    /// Ports that releases of one app take turns in.
    pub const PORTS: u16 = 16;
}

/// When a release is fit to serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Path that must answer with 2xx.
    pub path: String,
    /// Time between two looks.
    pub interval: Duration,
    /// Longest wait for one answer.
    pub timeout: Duration,
    /// Looks in a row that must go well before it serves.
    pub healthy: u32,
    /// A new release that is not fit by then is rolled back.
    pub deadline: Duration,
}

/// What a commit goes through before it is pushed to any machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pipeline {
    /// Gates in order: build, unit tests, static analysis.
    pub steps: Vec<Step>,
    /// Files and folders that the steps make and a release needs beside the sources, e.g. `target/release/meow`.
    #[serde(default)]
    pub artifacts: Vec<String>,
    /// Branch whose commits are deployed.
    pub branch: String,
}

/// One gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Shown name: `build`, `test`, `lint`.
    pub name: String,
    /// Run by `sh -c` in a clean checkout of the commit.
    pub run: String,
    /// It is ended after this.
    pub timeout: Duration,
}
