//! What plugins do, by digest role: `main` is the one that serves, `trial` a new one beside it. Digests themselves stand
//! in the info family only, so that a reload makes no new series but that one.

use prometheus::proto::{Metric, MetricFamily};
use sluice_control::Handle;
use sluice_model::weight::BasisPoints;
use sluice_snapshot::plugin::{BreakerState, Phase, StatsReport};
use sluice_snapshot::time::unix_ms;
use sluice_snapshot::{Plugin, Seat, Snapshot};

use super::families::{Row, call_times, counter, counters, gauge, gauges, histograms, number};

/// The digest that serves.
const MAIN: &str = "main";
/// A new digest beside it.
const TRIAL: &str = "trial";

/// What is counted of each digest since it was loaded.
const COUNTERS: [Row<StatsReport>; 7] = [
    ("sluice_plugin_requests_total", "Requests on which the plugin was called.", |stats| stats.requests),
    ("sluice_plugin_requests_5xx_total", "Those of them that ended with a 5xx, whoever's fault.", |stats| {
        stats.requests_5xx
    }),
    ("sluice_plugin_recycled_total", "Instances replaced because they were over the soft memory limit.", |stats| {
        stats.recycled
    }),
    ("sluice_plugin_effects_refused_total", "Effects and edits that were not granted.", |stats| stats.effects_refused),
    ("sluice_plugin_log_lines_dropped_total", "Log lines over the plugin's rate.", |stats| stats.lines_dropped),
    ("sluice_plugin_alerts_dropped_total", "Alerts over the plugin's rate.", |stats| stats.alerts_dropped),
    ("sluice_plugin_counters_dropped_total", "Additions to counters beyond the bound of names.", |stats| {
        stats.counters_dropped
    }),
];

/// What is shown of each digest as it stands.
const GAUGES: [Row<StatsReport>; 2] = [
    ("sluice_plugin_memory_bytes", "Linear memory of its instances.", |stats| stats.memory_bytes),
    ("sluice_plugin_instance_memory_bytes_max", "Linear memory of the largest of its instances.", |stats| {
        stats.memory_bytes_max
    }),
];

/// One digest at the time of a scrape.
struct Digest<'a> {
    plugin: &'a Plugin,
    role: &'static str,
    stats: StatsReport,
}

impl<'a> Digest<'a> {
    fn read(plugin: &'a Plugin, role: &'static str) -> Self {
        Self { plugin, role, stats: plugin.stats.report() }
    }

    fn labels(&self) -> [(&str, &str); 2] {
        [("plugin", self.plugin.name()), ("role", self.role)]
    }

    fn labels_and<'b>(&'b self, name: &'b str, value: &'b str) -> [(&'b str, &'b str); 3] {
        let [plugin, role] = self.labels();
        [plugin, role, (name, value)]
    }
}

pub(super) fn families(handle: &Handle, snapshot: &Snapshot) -> Vec<MetricFamily> {
    let digests: Vec<Digest<'_>> = snapshot.seats.iter().flat_map(digests_of).collect();
    let mut families = calls(&digests);
    families.extend(COUNTERS.map(|(name, help, of)| {
        counters(name, help, digests.iter().map(|digest| counter(&digest.labels(), of(&digest.stats))))
    }));
    families.extend(GAUGES.map(|(name, help, of)| {
        gauges(name, help, digests.iter().map(|digest| gauge(&digest.labels(), number(of(&digest.stats)))))
    }));
    families.extend(standing(&digests));
    families.extend(seats(snapshot));
    families.extend(releases(handle));
    families
}

fn digests_of(seat: &Seat) -> impl Iterator<Item = Digest<'_>> {
    let main = seat.plugin().map(|plugin| Digest::read(plugin, MAIN));
    main.into_iter().chain(seat.trial().map(|trial| Digest::read(&trial.plugin, TRIAL)))
}

/// Calls, verdicts, times and failures; phases in which a digest takes no part are left out.
fn calls(digests: &[Digest<'_>]) -> Vec<MetricFamily> {
    let (mut calls, mut verdicts, mut times) = (Vec::new(), Vec::new(), Vec::new());
    let (mut faults, mut own): (Vec<Metric>, Vec<Metric>) = (Vec::new(), Vec::new());
    for digest in digests {
        for phase in Phase::ALL.into_iter().filter(|phase| takes_part(digest.plugin, *phase)) {
            let labels = digest.labels_and("phase", phase.as_str());
            calls.push(counter(&labels, digest.plugin.stats.calls(phase)));
            if phase == Phase::State {
                // It is told, not asked, and on no request's time.
                continue;
            }
            times.push(call_times(&labels, &digest.plugin.stats.histogram(phase)));
            let said = digest.stats.verdicts.get(phase.as_str()).into_iter().flatten();
            let [plugin, role, phase] = labels;
            verdicts.extend(said.map(|(kind, count)| counter(&[plugin, role, phase, ("verdict", kind)], *count)));
        }
        faults.extend(
            digest.stats.failures.iter().map(|(cause, count)| counter(&digest.labels_and("cause", cause), *count)),
        );
        own.extend(digest.stats.counters.iter().map(|(name, count)| counter(&digest.labels_and("name", name), *count)));
    }
    vec![
        counters("sluice_plugin_calls_total", "Calls into plugins by phase.", calls),
        counters("sluice_plugin_verdicts_total", "What plugins said, by phase.", verdicts),
        histograms(
            "sluice_plugin_call_duration_seconds",
            "Time of a call into a plugin, wall clock, of the calls that are timed.",
            times,
        ),
        counters("sluice_plugin_faults_total", "Failed calls into plugins by cause.", faults),
        counters("sluice_plugin_counter_total", "Counters that plugins keep.", own),
    ]
}

fn takes_part(plugin: &Plugin, phase: Phase) -> bool {
    let phases = plugin.activation.phases;
    match phase {
        Phase::Request => phases.request,
        Phase::BodySize => phases.body_size,
        Phase::BodyChunk => phases.body_chunk,
        Phase::Response => phases.response,
        Phase::State => !plugin.state.is_empty(),
    }
}

/// Who each digest is, and whether it is called.
fn standing(digests: &[Digest<'_>]) -> Vec<MetricFamily> {
    let now_ms = unix_ms();
    let info = |digest: &Digest<'_>| {
        let [plugin, role] = digest.labels();
        let artifact = &digest.plugin.artifact;
        let version = ("version", artifact.manifest().version.as_str());
        let contract = artifact.contract().to_string();
        gauge(&[plugin, role, ("digest", &digest.plugin.key.digest), version, ("contract", &contract)], 1.0)
    };
    let quarantined = |digest: &Digest<'_>| {
        let is_closed = digest.plugin.breaker.state(now_ms) == BreakerState::Closed;
        gauge(&digest.labels(), f64::from(u8::from(!is_closed)))
    };
    let openings = |digest: &Digest<'_>| counter(&digest.labels(), digest.plugin.breaker.openings().into());
    vec![
        gauges("sluice_plugin_info", "1; which digest, version and contract are its labels.", digests.iter().map(info)),
        gauges(
            "sluice_plugin_quarantined",
            "1 while the plugin is not called after failures in a row.",
            digests.iter().map(quarantined),
        ),
        counters("sluice_plugin_quarantines_total", "How often it was quarantined.", digests.iter().map(openings)),
    ]
}

/// What is so of each plugin of the policy, whoever serves for it.
fn seats(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let named = || snapshot.policy.plugins.iter().map(|plugin| ("plugin", plugin.name.as_str())).zip(&snapshot.seats);
    let loaded = named().map(|(name, seat)| gauge(&[name], f64::from(u8::from(seat.plugin().is_some()))));
    let trials = || named().filter_map(|(name, seat)| Some((name, seat.trial()?)));
    let share = |points: BasisPoints| f64::from(points.get()) / f64::from(BasisPoints::FULL.get());
    let compared = trials().flat_map(|(name, trial)| {
        let report = trial.comparisons.report();
        let results = [("same", report.same), ("different", report.different)];
        results.map(|(result, count)| counter(&[name, ("result", result)], count))
    });
    vec![
        gauges("sluice_plugin_loaded", "0 while the policy goes on without the plugin.", loaded),
        gauges(
            "sluice_plugin_trial_share_ratio",
            "Share of the requests that a new digest sees, 0 to 1.",
            trials().map(|(name, trial)| gauge(&[name], share(trial.share))),
        ),
        counters("sluice_plugin_comparisons_total", "Requests on which both digests of a shadow were asked.", compared),
    ]
}

/// What control knows of the files.
fn releases(handle: &Handle) -> Vec<MetricFamily> {
    let plugins = handle.plugins();
    let loaded = || plugins.iter().filter(|plugin| plugin.generation > 0);
    vec![
        gauges(
            "sluice_plugin_generation",
            "How often the plugin was loaded since the start.",
            loaded().map(|plugin| gauge(&[("plugin", &plugin.name)], number(plugin.generation))),
        ),
        gauges(
            "sluice_plugin_held_back",
            "1 while the file in the folder does not serve, because of a rollback or a quarantine.",
            loaded().map(|plugin| gauge(&[("plugin", &plugin.name)], f64::from(u8::from(plugin.held.is_some())))),
        ),
    ]
}
