//! The page of one rollout: who has which share, where it stands, why it waits, what is seen, what became of it, what next.

use super::history;
use super::told::{Analysis, Check, Entry, Judgement, PlannedStep, Stats, Told, Variant, percent};
use crate::human::{count, nanos, span};
use crate::table::{Cell, Side, table};
use crate::terminal::Paint;

/// Width of the labels on the left.
const LABEL_WIDTH: usize = 12;
/// Width of the bar of all variants together.
const BAR_WIDTH: usize = 40;
/// One character of the bar, by order of the variants: stable, canary, others.
const BAR: [char; 4] = ['░', '█', '▓', '▒'];
/// What is not there.
const NONE: &str = "-";

/// Colours a text.
type Colour = fn(Paint, &str) -> String;

/// The colour of a state.
pub(super) fn state_colour(state: &str) -> Colour {
    match state {
        "running" | "promoted" => Paint::green,
        "paused" => Paint::yellow,
        "aborted" => Paint::red,
        _ => Paint::dim,
    }
}

/// How a rollout stands after an order, and what to do next.
pub(super) fn standing(rollout: &Told, paint: Paint) -> String {
    let state = state_colour(&rollout.state)(paint, &rollout.state);
    let step = rollout.step.as_ref().map_or_else(String::new, |step| format!(", step {} of {}", step.number, step.of));
    let mut lines = vec![format!("{} {state}{step}: {}", paint.bold(&rollout.name), shares(rollout))];
    lines.extend(next(rollout).map(|next| format!("next: {next}")));
    lines.join("\n")
}

/// The whole page.
pub(super) fn text(rollout: &Told, events: &[Entry], now_ms: u64, paint: Paint) -> String {
    let mut page = Page { lines: Vec::new(), paint };
    page.head(rollout, now_ms);
    page.label("variants", &bar(&rollout.variants));
    page.block(&variants(&rollout.variants, paint));
    page.plan(rollout, now_ms);
    if let Some(waits_for) = &rollout.waits_for {
        page.label("waits for", &paint.bold(waits_for));
    }
    if let Some(analysis) = &rollout.analysis {
        page.judged(analysis, &rollout.judgements, now_ms);
    }
    if !rollout.override_fields.is_empty() {
        let key = if rollout.signs_overrides { "" } else { ", but this router has no key" };
        page.label("overrides", &format!("in {}{key}", rollout.override_fields.join(", ")));
    }
    if !events.is_empty() {
        page.label("events", "");
        page.block(&history::text(events, paint));
    }
    if let Some(next) = next(rollout) {
        page.label("next", &next);
    }
    page.lines.join("\n")
}

struct Page {
    lines: Vec<String>,
    paint: Paint,
}

impl Page {
    fn label(&mut self, label: &str, text: &str) {
        let line = format!("  {}{text}", self.paint.dim(&format!("{label:<LABEL_WIDTH$}")));
        self.lines.push(line.trim_end().to_owned());
    }

    fn block(&mut self, block: &str) {
        self.lines.extend(block.lines().map(|line| format!("    {line}")));
    }

    fn head(&mut self, rollout: &Told, now_ms: u64) {
        let state = state_colour(&rollout.state)(self.paint, &rollout.state);
        let release = if rollout.release.is_empty() { String::new() } else { format!("  {}", rollout.release) };
        self.lines.push(format!("{}  {state}{release}", self.paint.bold(&rollout.name)));
        let ago = span(now_ms.saturating_sub(rollout.changed_ms));
        self.label("because", &format!("{} (by {}, {ago} ago)", rollout.reason, rollout.by));
        if rollout.pending_aborts > 0 {
            let note = "aborted on this router; the store does not know yet";
            self.label("note", &self.paint.yellow(note));
        }
    }

    fn plan(&mut self, rollout: &Told, now_ms: u64) {
        if rollout.steps.is_empty() {
            return;
        }
        let standing = match &rollout.step {
            Some(step) => {
                let began = span(now_ms.saturating_sub(step.began_ms));
                format!("step {} of {}, begun {began} ago", step.number, step.of)
            }
            None if rollout.state == "promoted" => "gone through".to_owned(),
            None => "not followed: it has not been started, or its weight was set by hand".to_owned(),
        };
        self.label("plan", &standing);
        let at = rollout.step.as_ref().map(|step| step.number);
        self.block(&steps(&rollout.steps, at, self.paint));
    }

    fn judged(&mut self, analysis: &Analysis, judgements: &[Judgement], now_ms: u64) {
        let Analysis { interval_ms, min_samples, no_data, failures_max, on_failure } = analysis;
        self.label(
            "analysis",
            &format!(
                "every {}, from {} requests on (no data: {no_data}), {failures_max} failures in a row {on_failure} it",
                span(*interval_ms),
                count(*min_samples)
            ),
        );
        let Some(newest) = judgements.last() else { return };
        let outcomes: Vec<String> = judgements.iter().map(|judgement| mark(&judgement.outcome, self.paint)).collect();
        let ago = span(now_ms.saturating_sub(newest.at_ms));
        self.label("judged", &format!("{} {} ({ago} ago)", outcomes.join(" "), newest.summary));
        if !newest.checks.is_empty() {
            self.block(&checks(&newest.checks, self.paint));
        }
    }
}

/// What a judgement came to, as a character.
fn mark(outcome: &str, paint: Paint) -> String {
    match outcome {
        "pass" => paint.green("+"),
        "fail" => paint.red("x"),
        _ => paint.dim("?"),
    }
}

/// Who has which share, `canary 25 %`, stable last.
fn shares(rollout: &Told) -> String {
    let share = |variant: &Variant| format!("{} {}", variant.name, percent(variant.effective_weight));
    let others = rollout.variants.iter().skip(1).chain(rollout.variants.first());
    others.map(share).collect::<Vec<_>>().join(", ")
}

/// All variants as one bar, canary first as in the slots; whoever has anything is seen.
fn bar(variants: &[Variant]) -> String {
    let mut bar = String::new();
    let characters = BAR.iter().skip(1).chain(std::iter::repeat(&BAR[BAR.len() - 1]));
    for (variant, character) in variants.iter().skip(1).zip(characters) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of 40 characters"
        )]
        let width = (variant.effective_weight.clamp(0.0, 100.0) / 100.0 * BAR_WIDTH as f64).round() as usize;
        let width = if variant.effective_weight > 0.0 { width.max(1) } else { 0 };
        bar.extend(std::iter::repeat_n(*character, width));
    }
    let filled = bar.chars().count().min(BAR_WIDTH);
    bar.chars().take(BAR_WIDTH).chain(std::iter::repeat_n(BAR[0], BAR_WIDTH - filled)).collect()
}

fn variants(variants: &[Variant], paint: Paint) -> String {
    let columns = [
        ("", Side::Left),
        ("VARIANT", Side::Left),
        ("SHARE", Side::Right),
        ("UPSTREAM", Side::Left),
        ("REQUESTS/MIN", Side::Right),
        ("FAILED", Side::Right),
        ("SUCCESS", Side::Right),
        ("P50", Side::Right),
        ("P99", Side::Right),
    ];
    let row = |(index, variant): (usize, &Variant)| -> [Cell; 9] {
        let none = Stats::default();
        let (stats, is_known) = (variant.stats.as_ref().unwrap_or(&none), variant.stats.is_some());
        let known = |text: String| if is_known { text } else { NONE.to_owned() };
        let micros = |micros: Option<u64>| match micros {
            None => NONE.to_owned(),
            Some(u64::MAX) => "> 10 s".to_owned(),
            Some(micros) => nanos(micros.saturating_mul(1_000)),
        };
        [
            BAR[index.min(BAR.len() - 1)].to_string().into(),
            Cell::coloured(&*variant.name, Paint::bold),
            percent(variant.effective_weight).into(),
            (&*variant.upstream).into(),
            known(count(stats.requests)).into(),
            Cell::coloured(known(count(stats.errors)), if stats.errors > 0 { Paint::red } else { Paint::dim }),
            stats.success_percent.map_or_else(|| NONE.to_owned(), percent).into(),
            micros(stats.p50_micros).into(),
            micros(stats.p99_micros).into(),
        ]
    };
    table(columns, &variants.iter().enumerate().map(row).collect::<Vec<_>>(), paint)
}

fn steps(steps: &[PlannedStep], at: Option<usize>, paint: Paint) -> String {
    let columns = ["", "STEP", "WEIGHTS", "LASTS", "DEADLINE"].map(|name| (name, Side::Left));
    let row = |(index, step): (usize, &PlannedStep)| -> [Cell; 5] {
        let number = index + 1;
        let (mark, colour): (&str, Colour) = match at {
            Some(at) if number < at => ("+", Paint::dim),
            Some(at) if number == at => ("*", Paint::bold),
            _ => ("", |_, text| text.to_owned()),
        };
        let weights = step.weights.iter().map(|(variant, weight)| format!("{variant} {}", percent(*weight)));
        let lasts = match (step.pause_ms, &*step.gate) {
            (0, "manual") => "until `advance`".to_owned(),
            (pause, "manual") => format!("{}, then until `advance`", span(pause)),
            (pause, _) => span(pause),
        };
        [
            mark.into(),
            Cell::coloured(number.to_string(), colour),
            Cell::coloured(weights.collect::<Vec<_>>().join(", "), colour),
            Cell::coloured(lasts, colour),
            step.deadline_ms.map_or_else(|| NONE.to_owned(), span).into(),
        ]
    };
    table(columns, &steps.iter().enumerate().map(row).collect::<Vec<_>>(), paint)
}

fn checks(checks: &[Check], paint: Paint) -> String {
    let columns = ["", "CHECK", "CANARY", "STABLE", "BOUND"].map(|name| (name, Side::Left));
    let row = |check: &Check| -> [Cell; 5] {
        let (mark, colour): (&str, Colour) = match &*check.outcome {
            "pass" => ("+", Paint::green),
            "fail" => ("x", Paint::red),
            _ => ("?", Paint::dim),
        };
        [
            Cell::coloured(mark, colour),
            (&*check.check).into(),
            Cell::coloured(&*check.canary, colour),
            check.stable.clone().unwrap_or_else(|| NONE.to_owned()).into(),
            (&*check.bound).into(),
        ]
    };
    table(columns, &checks.iter().map(row).collect::<Vec<_>>(), paint)
}

/// What an operator may want to do now.
fn next(rollout: &Told) -> Option<String> {
    let name = &rollout.name;
    let has_plan = !rollout.steps.is_empty();
    Some(match &*rollout.state {
        "off" => format!("`sluice rollout start {name} --release NAME`"),
        "aborted" => format!("nothing goes to the canary until `sluice rollout resume {name}`"),
        "paused" => format!("`sluice rollout resume {name}`"),
        "promoted" => format!("make it the new stable; the next release begins with `sluice rollout start {name}`"),
        "running" if rollout.step.is_some() => {
            format!("`sluice rollout advance {name}` does not wait; `pause`, `abort` end it")
        }
        "running" if has_plan => {
            format!("`sluice rollout pause {name} && sluice rollout resume {name} --from-start` begins its plan")
        }
        "running" if rollout.weight == 0.0 => format!("`sluice rollout set {name} 5`"),
        _ => return None,
    })
}
