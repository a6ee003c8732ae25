//! An outcome held against what its case expects.

use serde::Serialize;
use sluice_policy::CaseExpect;

use super::outcome::CaseOutcome;

/// Verdicts that a case must expect to hold.
const UNWANTED: [&str; 2] = ["failed", "refused"];
/// What is not there.
const NOTHING: &str = "none";

/// One thing that did not come as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `verdict`, `status`, `body`, `header NAME`, `edits`, `effects`, `log` or `called`.
    pub what: String,
    /// What the case expects; lists one entry a line.
    pub expected: String,
    /// What came.
    pub came: String,
}

/// Everything in which `outcome` is not what was expected. A failure is never expected unless it is said.
#[must_use]
pub fn differences(outcome: &CaseOutcome, expect: &CaseExpect) -> Vec<Difference> {
    let CaseExpect { verdict, status, body, headers, edits, effects, log, is_called, .. } = expect;
    let mut found = Vec::new();
    let mut compare = |what: &str, expected: Option<String>, came: String| {
        if let Some(expected) = expected.filter(|expected| *expected != came) {
            found.push(Difference { what: what.to_owned(), expected, came });
        }
    };
    let unwanted = UNWANTED.contains(&outcome.verdict.as_str()) && verdict.is_none();
    compare("verdict", if unwanted { Some("no failure".to_owned()) } else { verdict.clone() }, outcome.verdict.clone());
    let own = outcome.response.as_ref();
    let nothing = || NOTHING.to_owned();
    compare("status", status.map(|status| status.to_string()), own.map_or_else(nothing, |own| own.status.to_string()));
    compare("body", body.clone(), own.map_or_else(nothing, |own| own.body.clone()));
    for (name, value) in headers {
        let lines =
            own.map_or(&[][..], |own| &own.headers).iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let lines: Vec<&str> = lines.map(|(_, value)| value.as_str()).collect();
        let came = if lines.is_empty() { nothing() } else { lines.join(", ") };
        compare(&format!("header {name}"), Some(value.clone()), came);
    }
    for (what, expected, came) in
        [("edits", edits, outcome.edits()), ("effects", effects, outcome.effects()), ("log", log, outcome.lines())]
    {
        let text = |entries: &[String]| if entries.is_empty() { nothing() } else { entries.join("\n") };
        compare(what, expected.as_deref().map(text), text(&came));
    }
    compare("called", is_called.map(|is_called| is_called.to_string()), outcome.called.to_string());
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::{EffectSeen, PhaseOutcome, ResponseSeen};

    fn outcome() -> CaseOutcome {
        let effects = vec![EffectSeen { effect: "add seen 1".to_owned(), detail: None }];
        let edits = vec!["set x-a: 1".to_owned()];
        let response = ResponseSeen { status: 404, headers: vec![("X-A".into(), "1".into())], body: "gone".into() };
        CaseOutcome {
            verdict: "respond".to_owned(),
            called: true,
            phases: vec![PhaseOutcome { effects, edits, ..PhaseOutcome::default() }],
            response: Some(response),
            log: vec!["hello".to_owned()],
            ..CaseOutcome::default()
        }
    }

    fn told(change: impl FnOnce(&mut CaseExpect)) -> Vec<String> {
        let mut expect = CaseExpect::default();
        change(&mut expect);
        let lines = differences(&outcome(), &expect).into_iter();
        lines.map(|difference| format!("{}: {} / {}", difference.what, difference.expected, difference.came)).collect()
    }

    #[test]
    fn what_is_not_said_may_be_anything() {
        assert_eq!(told(|_| ()), Vec::<String>::new());
        let all = told(|expect| {
            expect.verdict = Some("respond".into());
            expect.status = Some(404);
            expect.body = Some("gone".into());
            expect.headers = vec![("x-a".into(), "1".into())];
            expect.edits = Some(vec!["set x-a: 1".into()]);
            expect.effects = Some(vec!["add seen 1".into()]);
            expect.log = Some(vec!["hello".into()]);
            expect.is_called = Some(true);
        });
        assert_eq!(all, Vec::<String>::new());
    }

    #[test]
    fn each_difference_says_what_came() {
        let all = told(|expect| {
            expect.verdict = Some("next".into());
            expect.status = Some(200);
            expect.headers = vec![("x-a".into(), "2".into()), ("x-b".into(), "3".into())];
            expect.edits = Some(Vec::new());
            expect.log = Some(vec!["a".into(), "b".into()]);
            expect.is_called = Some(false);
        });
        let expected = [
            "verdict: next / respond",
            "status: 200 / 404",
            "header x-a: 2 / 1",
            "header x-b: 3 / none",
            "edits: none / set x-a: 1",
            "log: a\nb / hello",
            "called: false / true",
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn a_failure_is_a_difference_unless_it_is_expected() {
        let failed = CaseOutcome::failed("`on-request` trapped".to_owned(), None);
        assert_eq!(differences(&failed, &CaseExpect::default())[0].expected, "no failure");
        let mut expect = CaseExpect::default();
        expect.verdict = Some("failed".to_owned());
        assert_eq!(differences(&failed, &expect), []);
    }
}
