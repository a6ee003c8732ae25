//! What a user sees while a plan is carried out: a bar per droplet on a terminal, plain lines otherwise, JSON lines
//! for scripts.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use sluice_infra_plan::{Event, Events, Happening, Subject};

use crate::context::Context;
use crate::print;

/// How often a bar moves: often enough to look alive, seldom enough to cost nothing.
const TICK: Duration = Duration::from_millis(120);
/// Frames of the spinner; the last one stays, when it went well or when it did not.
const FRAMES: &str = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";
const WELL: &str = "✓";
const BADLY: &str = "✗";
/// Names are at most 30 characters longer than their fleet's.
const TEMPLATE: &str = "{spinner} {prefix:<40} {elapsed:>4} {wide_msg}";

/// Who shows the events of this command.
pub(crate) fn of(context: &Context) -> Arc<dyn Events> {
    if context.json() {
        Arc::new(Json)
    } else if std::io::stderr().is_terminal() {
        Arc::new(Bars::default())
    } else {
        Arc::new(Lines)
    }
}

struct Json;

impl Events for Json {
    fn event(&self, event: &Event) {
        // A reader that went away must not end an apply half-way.
        if let Err(error) = print::line(event) {
            tracing::debug!(%error, "an event was not printed");
        }
    }
}

struct Lines;

impl Events for Lines {
    #[expect(clippy::print_stderr, reason = "progress is for people, the result goes to stdout")]
    fn event(&self, event: &Event) {
        eprintln!("{}: {}", title(&event.subject), text(&event.happening));
    }
}

#[derive(Default)]
struct Bars {
    all: MultiProgress,
    open: Mutex<BTreeMap<Subject, ProgressBar>>,
}

impl Events for Bars {
    fn event(&self, event: &Event) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = open.entry(event.subject.clone()).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new_spinner().with_style(style(WELL)));
            bar.set_prefix(title(&event.subject));
            bar.enable_steady_tick(TICK);
            bar
        });
        match &event.happening {
            Happening::Done | Happening::Failed { .. } => {
                if matches!(event.happening, Happening::Failed { .. }) {
                    bar.set_style(style(BADLY));
                }
                bar.finish_with_message(text(&event.happening));
                open.remove(&event.subject);
            }
            Happening::Sent
            | Happening::Accepted { .. }
            | Happening::Adopted { .. }
            | Happening::Looking { .. }
            | Happening::Again { .. }
            | Happening::Anew { .. } => bar.set_message(text(&event.happening)),
        }
    }
}

fn style(last: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_spinner());
    style.tick_chars(&format!("{FRAMES}{last}"))
}

fn title(subject: &Subject) -> String {
    format!("{} {}", subject.kind, subject.name)
}

fn text(happening: &Happening) -> String {
    match happening {
        Happening::Sent => "sent".to_owned(),
        Happening::Accepted { droplet } => format!("accepted as {droplet}, waits until it is active"),
        Happening::Adopted { droplet } => format!("found as {droplet}, waits until it is active"),
        Happening::Looking { reason } => format!("looks for it by its tag: {reason}"),
        Happening::Again { reason, after } => format!("again in {after:.1?}: {reason}"),
        Happening::Anew { reason } => format!("made anew: {reason}"),
        Happening::Done => "done".to_owned(),
        Happening::Failed { reason } => format!("failed: {reason}"),
    }
}
