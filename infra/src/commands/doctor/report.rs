//! What was looked at and how it is.

use serde::Serialize;

use crate::print::Paint;

/// What was looked at, in order.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    checks: Vec<Check>,
}

#[derive(Debug, Serialize)]
struct Check {
    /// What was looked at, one word.
    name: &'static str,
    state: State,
    /// What was found.
    text: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    /// It works, but not all of it, or not for long.
    Warn,
    /// `up` would fail.
    Fail,
}

impl Report {
    pub(super) fn ok(&mut self, name: &'static str, text: impl Into<String>) {
        self.checks.push(Check { name, state: State::Ok, text: text.into(), hint: None });
    }

    pub(super) fn warn(&mut self, name: &'static str, text: impl Into<String>, hint: impl Into<String>) {
        self.checks.push(Check { name, state: State::Warn, text: text.into(), hint: Some(hint.into()) });
    }

    pub(super) fn fail(&mut self, name: &'static str, text: impl Into<String>, hint: impl Into<String>) {
        self.checks.push(Check { name, state: State::Fail, text: text.into(), hint: Some(hint.into()) });
    }

    pub(super) fn has_failed(&self) -> bool {
        self.count(State::Fail) > 0
    }

    fn count(&self, state: State) -> usize {
        self.checks.iter().filter(|check| check.state == state).count()
    }

    /// For people: a line each, hints below.
    pub(super) fn lines(&self, paint: Paint) -> String {
        let mut lines = Vec::new();
        for Check { name, state, text, hint } in &self.checks {
            let word = match state {
                State::Ok => paint.green("ok  "),
                State::Warn => paint.yellow("warn"),
                State::Fail => paint.red("fail"),
            };
            lines.push(format!("{word}  {name:<9} {text}"));
            lines.extend(hint.iter().map(|hint| format!("                {}", paint.faint(hint))));
        }
        let (failed, warned) = (self.count(State::Fail), self.count(State::Warn));
        lines.push(match (failed, warned) {
            (0, 0) => "\nAll is well: `sluice-infra up`.".to_owned(),
            (0, _) => format!("\n{warned} to look at; nothing is in the way of `sluice-infra up`."),
            _ => format!("\n{failed} to put right first, {warned} to look at."),
        });
        lines.join("\n")
    }
}

#[cfg(test)]
impl Report {
    /// State and name of each check.
    pub(super) fn states(&self) -> Vec<(String, &'static str)> {
        self.checks.iter().map(|check| (format!("{:?}", check.state).to_lowercase(), check.name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_ends_with_what_to_do() {
        let mut report = Report::default();
        report.ok("ssh", "found");
        assert_eq!(report.lines(Paint::none()), "ok    ssh       found\n\nAll is well: `sluice-infra up`.");
        report.warn("quota", "tight", "ask for more");
        assert!(report.lines(Paint::none()).ends_with("1 to look at; nothing is in the way of `sluice-infra up`."));
        assert!(!report.has_failed());
        report.fail("git", "missing", "install it");
        assert!(report.has_failed());
        assert!(report.lines(Paint::none()).ends_with("1 to put right first, 1 to look at."));
    }
}
