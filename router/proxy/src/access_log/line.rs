//! One line of the access log; `docs/schema/access-log.schema.json` says what it looks like.

use serde::{Serialize, Serializer};
use sluice_snapshot::decisions::{Attempt, Facts, Step, Verdict};

use crate::trail::Told;

/// Longest text in a line, bytes before escaping; a longer one is cut and ends with an ellipsis. Hosts are shorter
/// (RFC 1035 section 2.3.4), and longer paths are no different to whoever reads logs.
const TEXT_BYTES_MAX: usize = 1_024;
/// What a cut text ends with.
const ELLIPSIS: &str = "…";

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    facts: Facts<Bounded<'a>>,
    /// The server that was tried last.
    server: Option<Bounded<'a>>,
    attempts: usize,
    #[serde(serialize_with = "retries")]
    retries: &'a [Attempt<&'a str>],
    #[serde(serialize_with = "verdicts")]
    plugins: &'a [Step<&'a str>],
}

/// Appends the line of a request.
pub(super) fn write(buffer: &mut Vec<u8>, facts: &Facts<&str>, told: &Told<'_>) {
    let attempts = told.attempts();
    let line = Line {
        facts: facts.map(|text| Bounded(text)),
        server: attempts.last().map(|attempt| Bounded(attempt.server)),
        attempts: told.attempts_made,
        retries: &attempts[..attempts.len().saturating_sub(1)],
        plugins: told.steps(),
    };
    let begin = buffer.len();
    match serde_json::to_writer(&mut *buffer, &line) {
        Ok(()) => buffer.push(b'\n'),
        Err(error) => {
            buffer.truncate(begin);
            tracing::error!(%error, "a line of the access log could not be made");
        }
    }
}

/// A text as long as a line may hold it.
#[derive(Clone, Copy)]
struct Bounded<'a>(&'a str);

impl Serialize for Bounded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.len() <= TEXT_BYTES_MAX {
            return serializer.serialize_str(self.0);
        }
        let end = self.0.floor_char_boundary(TEXT_BYTES_MAX - ELLIPSIS.len());
        serializer.collect_str(&format_args!("{}{ELLIPSIS}", &self.0[..end]))
    }
}

/// Why each attempt but the last one was not enough: a reason code, or `status_503`.
fn retries<S: Serializer>(before: &[Attempt<&str>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(before.iter().map(Why))
}

struct Why<'a>(&'a Attempt<&'a str>);

impl Serialize for Why<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.0.reason, self.0.status) {
            (Some(reason), _) => serializer.serialize_str(reason),
            (None, Some(status)) => serializer.collect_str(&format_args!("status_{status}")),
            (None, None) => serializer.serialize_str("unfinished"),
        }
    }
}

/// What plugins said, but for those that let the request pass as it is.
fn verdicts<S: Serializer>(steps: &[Step<&str>], serializer: S) -> Result<S::Ok, S::Error> {
    let spoke = steps.iter().filter(|step| step.verdict != Verdict::Next || step.edits > 0);
    serializer.collect_seq(spoke.map(|step| step.map(|text| Bounded(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> String {
        serde_json::from_str(&serde_json::to_string(&Bounded(text)).unwrap()).unwrap()
    }

    #[test]
    fn hostile_texts_are_escaped_and_cut_at_a_character() {
        for hostile in ["\"}\n{\"a\":\"", "\u{0}\u{1b}[2J\u{7f}", "\\\r\n\u{2028}", ""] {
            let json = serde_json::to_string(&Bounded(hostile)).unwrap();
            assert!(json.bytes().all(|byte| byte >= b' '), "{json}");
            assert_eq!(text(hostile), hostile);
        }
        let fits = "x".repeat(TEXT_BYTES_MAX);
        assert_eq!(text(&fits), fits);
        let cut = text(&"é".repeat(TEXT_BYTES_MAX));
        assert!(cut.ends_with("é…") && cut.len() <= TEXT_BYTES_MAX);
    }

    #[test]
    fn a_retry_says_why() {
        let why = |attempt: Attempt<&str>| serde_json::to_value(Why(&attempt)).unwrap();
        assert_eq!(why(Attempt { reason: Some("connection_refused"), ..Attempt::default() }), "connection_refused");
        assert_eq!(why(Attempt { status: Some(503), ..Attempt::default() }), "status_503");
        assert_eq!(why(Attempt::default()), "unfinished");
    }
}
