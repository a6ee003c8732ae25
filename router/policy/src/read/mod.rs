//! From text to checked types: documents -> drafts (each item checked by itself) -> names resolved -> [`Policy`],
//! held against its own tests.
//!
//! A fault in one item hides none in another: every stage goes on with what it understood, and only a parse without any
//! fault yields a value.

mod alert;
mod cors;
mod error_page;
mod expectation;
mod fields;
mod filter;
mod header_edits;
mod health;
mod limits;
mod listener;
mod matching;
mod path_change;
mod pattern;
mod plugin;
pub(crate) mod plugin_tests;
pub(crate) mod process;
mod process_limits;
mod reach;
mod rollout;
mod route;
mod secret;
mod servers;
mod sink;
mod status;
mod target;
mod timing;
mod upstream;

#[cfg(test)]
mod tests;

use sluice_document::keys::{Keys, entries};
use sluice_document::names::{Index, Names};
use sluice_document::reader::{Reader, Value};
use sluice_document::shape::{Form, Key, Shape};
use sluice_document::values::list;

use self::alert::AlertDraft;
use self::error_page::ErrorPageDraft;
use self::expectation::TestDraft;
use self::plugin::PluginDraft;
use self::rollout::RolloutDraft;
use self::route::RouteDraft;
use crate::plugin_tests::PluginTests;
use crate::policy::Policy;
use crate::process::ProcessConfig;
use crate::table::RouteTable;
use crate::upstream::Upstream;
use crate::{Faults, Source};

/// Most upstreams, plugins, rollouts, error pages, routes or tests in one file.
const ENTRIES_MAX: usize = 10_000;

/// A file of `routes.d`.
pub(crate) const SHAPE: Shape = Shape::new(
    "routes.d/*.toml",
    &[
        Key::default(
            "upstreams",
            Form::Map(&Form::Table(&upstream::SHAPE), ENTRIES_MAX),
            "{}",
            "Named groups of servers",
        ),
        Key::default(
            "rollouts",
            Form::Map(&Form::Table(&rollout::SHAPE), ENTRIES_MAX),
            "{}",
            "What moves weight between variants",
        ),
        Key::default(
            "plugins",
            Form::Map(&Form::Table(&plugin::SHAPE), ENTRIES_MAX),
            "{}",
            "Plugins; two configs over one file are two plugins",
        ),
        Key::default(
            "alerts",
            Form::Map(&Form::Table(&alert::SHAPE), alert::ALERT_RULES_MAX),
            "{}",
            "When someone is told, and who",
        ),
        Key::default(
            "error_pages",
            Form::Map(&Form::Table(&error_page::SHAPE), ENTRIES_MAX),
            "{}",
            "What a client reads when the router itself answers",
        ),
        Key::default(
            "routes",
            Form::List(&Form::Table(&route::SHAPE), 0, ENTRIES_MAX),
            "[]",
            "Which request goes where",
        ),
        Key::default(
            "tests",
            Form::List(&Form::Table(&expectation::SHAPE), 0, ENTRIES_MAX),
            "[]",
            "Requests, and what must become of them",
        ),
    ],
);

/// Reads the files of `routes.d` together; names are unique over all of them. No file at all is an empty policy.
///
/// # Errors
/// Everything that is wrong with the files.
pub fn parse(sources: &[Source]) -> Result<Policy, Faults> {
    let mut files: Vec<&Source> = sources.iter().collect();
    files.sort_by(|a, b| a.file.cmp(&b.file));
    let mut reader = Reader::new(files);
    let mut declared = Declared::default();
    for index in 0..sources.len() {
        declared.read_file(&mut reader, index);
    }
    let policy = declared.resolve(&mut reader);
    reader.finish(policy)
}

/// Reads `sluice.toml`. An empty text is [`ProcessConfig::default`].
///
/// # Errors
/// Everything that is wrong with the file.
pub fn parse_process(source: &Source) -> Result<ProcessConfig, Faults> {
    let mut reader = Reader::new(vec![source]);
    let document = reader.open(0);
    let config = document.as_ref().map(|table| {
        let root = Keys::root(&reader, table, &process::SHAPE);
        process::read(&mut reader, root)
    });
    reader.finish(config)
}

/// Reads the cases of `sluice plugin test`.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn parse_plugin_tests(source: &Source) -> Result<PluginTests, Faults> {
    let mut reader = Reader::new(vec![source]);
    let document = reader.open(0);
    let tests = document.as_ref().and_then(|table| {
        let root = Keys::root(&reader, table, &plugin_tests::SHAPE);
        plugin_tests::read(&mut reader, root)
    });
    reader.finish(tests)
}

/// What the files declare, before names are resolved.
#[derive(Default)]
struct Declared {
    upstreams: Vec<Upstream>,
    upstream_names: Names,
    plugins: Vec<PluginDraft>,
    plugin_names: Names,
    rollouts: Vec<RolloutDraft>,
    rollout_names: Names,
    alerts: Vec<AlertDraft>,
    alert_names: Names,
    error_pages: Vec<ErrorPageDraft>,
    error_page_names: Names,
    routes: Vec<RouteDraft>,
    route_names: Names,
    tests: Vec<TestDraft>,
    test_names: Names,
}

/// The names that others may refer to, each with its index in the policy.
struct Scope {
    upstreams: Index,
    plugins: Index,
    rollouts: Index,
    error_pages: Index,
    routes: Index,
}

impl Declared {
    fn read_file(&mut self, reader: &mut Reader<'_>, index: usize) {
        let Some(document) = reader.open(index) else { return };
        let mut root = Keys::root(reader, &document, &SHAPE);
        if let Some(table) = root.find("upstreams") {
            entries(reader, table, ENTRIES_MAX, |reader, name, value| {
                self.upstream_names.declare(reader, "upstream", &name);
                self.upstreams.extend(upstream::read(reader, name, value));
            });
        }
        if let Some(table) = root.find("rollouts") {
            entries(reader, table, ENTRIES_MAX, |reader, name, value| {
                self.rollout_names.declare(reader, "rollout", &name);
                self.rollouts.extend(rollout::read(reader, name, value));
            });
        }
        if let Some(table) = root.find("plugins") {
            entries(reader, table, ENTRIES_MAX, |reader, name, value| {
                self.plugin_names.declare(reader, "plugin", &name);
                self.plugins.extend(plugin::read(reader, name, value));
            });
        }
        if let Some(table) = root.find("alerts") {
            entries(reader, table, alert::ALERT_RULES_MAX, |reader, name, value| {
                self.alert_names.declare(reader, "alert rule", &name);
                self.alerts.extend(alert::read(reader, name, value));
            });
        }
        if let Some(table) = root.find("error_pages") {
            entries(reader, table, ENTRIES_MAX, |reader, name, value| {
                self.error_page_names.declare(reader, "error page", &name);
                self.error_pages.extend(error_page::read(reader, name, value));
            });
        }
        if let Some(array) = root.find("routes") {
            self.read_routes(reader, array);
        }
        if let Some(array) = root.find("tests") {
            let names = &mut self.test_names;
            let tests = list(reader, array, ENTRIES_MAX, |reader, value| expectation::read(reader, names, value));
            self.tests.extend(tests.into_iter().flatten());
        }
        root.finish(reader);
    }

    fn read_routes<'d>(&mut self, reader: &mut Reader<'_>, array: &'d Value<'d>) {
        let names = &mut self.route_names;
        let routes = list(reader, array, ENTRIES_MAX, |reader, value| route::read(reader, names, value));
        self.routes.extend(routes.into_iter().flatten());
    }

    /// Indexes hold because each list is sorted by name like its index, and a list that lacks a faulty item is thrown
    /// away with the whole parse.
    fn resolve(mut self, reader: &mut Reader<'_>) -> Option<Policy> {
        self.upstreams.sort_by(|a, b| a.name.cmp(&b.name));
        self.plugins.sort_by(|a, b| a.plugin.name.cmp(&b.plugin.name));
        self.rollouts.sort_by(|a, b| a.name.cmp(&b.name));
        self.alerts.sort_by(|a, b| a.rule.name.cmp(&b.rule.name));
        error_page::check_defaults(reader, &self.error_pages);
        self.error_pages.sort_by(|a, b| a.page.name.cmp(&b.page.name));
        reach::check(reader, &self.routes);
        let scope = Scope {
            upstreams: self.upstream_names.into_index(),
            plugins: self.plugin_names.into_index(),
            rollouts: self.rollout_names.into_index(),
            error_pages: self.error_page_names.into_index(),
            routes: self.route_names.into_index(),
        };
        let plugins: Vec<_> = self.plugins.into_iter().map(|draft| draft.resolve(reader, &scope)).collect();
        let rollouts: Vec<_> = self.rollouts.into_iter().map(|draft| draft.resolve(reader, &scope, &plugins)).collect();
        let alerts = self.alerts.into_iter().map(|draft| draft.resolve(reader, &scope)).collect();
        let routes: Vec<_> = self.routes.into_iter().map(|draft| draft.resolve(reader, &scope)).collect();
        self.tests.iter().for_each(|test| test.resolve(reader, &scope));
        let routes = routes.into_iter().collect::<Option<Vec<_>>>()?;
        let rollouts = rollouts.into_iter().collect::<Option<Vec<_>>>()?;
        let table = RouteTable::new(&routes);
        let error_pages = self.error_pages.into_iter().map(|draft| draft.page).collect();
        let (upstreams, tests) = (self.upstreams, self.tests.len());
        let policy = Policy { routes, upstreams, plugins, rollouts, alerts, error_pages, tests, table };
        if reader.is_faultless() {
            self.tests.iter().for_each(|test| test.check(reader, &policy));
        }
        Some(policy)
    }
}
