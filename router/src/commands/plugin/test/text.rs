//! What `sluice plugin test` prints: a line per case, what differs below it, a summary.

use sluice_control::rehearsal::Difference;

use super::Ran;
use crate::terminal::Paint;

/// Lines around a difference that stay the same and are shown.
const CONTEXT_LINES: usize = 2;

pub(super) fn text(ran: &[Ran], stray: &[String], paint: Paint) -> String {
    let mut lines = Vec::new();
    for case in ran {
        if case.ok {
            lines.push(format!("{}      {}", paint.green("ok"), case.name));
            continue;
        }
        lines.push(format!("{}  {}", paint.red("FAILED"), paint.bold(&case.name)));
        for difference in &case.differences {
            lines.extend(difference_lines(difference, paint));
        }
        if let Some(failure) = &case.outcome.failure {
            lines.push(format!("    {failure}"));
        }
        if case.outcome.refused_effects > 0 {
            let refused = case.outcome.refused_effects;
            lines.push(format!(
                "    {}: {refused} edits or effects were taken out, not being granted",
                paint.yellow("note")
            ));
        }
        let frames = case.outcome.backtrace.as_deref().unwrap_or_default();
        lines.extend(frames.lines().map(|frame| format!("      {}", paint.dim(frame))));
    }
    for file in stray {
        lines.push(format!("{}: {file} belongs to no case", paint.yellow("note")));
    }
    let failed = ran.iter().filter(|case| !case.ok).count();
    let passed = ran.len() - failed;
    lines.push(match failed {
        0 => paint.green(&format!("ok: {passed} of {} cases", ran.len())),
        _ => paint.red(&format!("FAILED: {failed} of {} cases", ran.len())),
    });
    lines.join("\n")
}

/// What was expected and what came, line by line; what both have at their ends is cut.
fn difference_lines(difference: &Difference, paint: Paint) -> Vec<String> {
    let expected: Vec<&str> = difference.expected.lines().collect();
    let came: Vec<&str> = difference.came.lines().collect();
    let same = |a: &mut dyn Iterator<Item = (&&str, &&str)>| a.take_while(|(a, b)| a == b).count();
    let head = same(&mut expected.iter().zip(&came));
    let rest = expected.len().min(came.len()) - head;
    let tail = same(&mut expected.iter().rev().zip(came.iter().rev())).min(rest);
    let mut lines = vec![format!("    {}", difference.what)];
    let before = head.saturating_sub(CONTEXT_LINES);
    lines.extend(expected[before..head].iter().map(|line| format!("        {line}")));
    let changed = |all: &[&str]| all[head..all.len() - tail].iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    let or_empty = |all: &[&str]| if all.is_empty() { vec!["(empty)".to_owned()] } else { changed(all) };
    lines.extend(or_empty(&expected).iter().map(|line| format!("      {}", paint.red(&format!("- {line}")))));
    lines.extend(or_empty(&came).iter().map(|line| format!("      {}", paint.green(&format!("+ {line}")))));
    let after = expected.len() - tail;
    lines.extend(expected[after..].iter().take(CONTEXT_LINES).map(|line| format!("        {line}")));
    lines
}

#[cfg(test)]
mod tests {
    use sluice_control::rehearsal::CaseOutcome;

    use super::*;

    fn difference(expected: &str, came: &str) -> String {
        let difference = Difference { what: "log".into(), expected: expected.into(), came: came.into() };
        difference_lines(&difference, Paint::none()).join("\n")
    }

    #[test]
    fn only_what_differs_is_shown_with_a_little_around() {
        assert_eq!(difference("next", "respond"), "    log\n      - next\n      + respond");
        let (expected, came) = ("a\nb\nc\nd\ne\nf\ng", "a\nb\nc\nX\ne\nf\ng");
        let shown = "    log\n        b\n        c\n      - d\n      + X\n        e\n        f";
        assert_eq!(difference(expected, came), shown);
        assert_eq!(difference("a\na", "a\na\na"), "    log\n        a\n        a\n      + a");
        assert_eq!(difference("", "x"), "    log\n      - (empty)\n      + x");
    }

    #[test]
    fn each_case_has_a_line_and_all_have_one() {
        let case = |name: &str, differences: Vec<Difference>| Ran {
            name: name.to_owned(),
            ok: differences.is_empty(),
            differences,
            outcome: CaseOutcome::default(),
        };
        let differs = Difference { what: "status".into(), expected: "404".into(), came: "200".into() };
        let shown = text(&[case("a", Vec::new()), case("b", vec![differs])], &["g/c.json".to_owned()], Paint::none());
        let expected = "\
ok      a
FAILED  b
    status
      - 404
      + 200
note: g/c.json belongs to no case
FAILED: 1 of 2 cases";
        assert_eq!(shown, expected);
        assert!(text(&[case("a", Vec::new())], &[], Paint::none()).ends_with("ok: 1 of 1 cases"));
    }
}
