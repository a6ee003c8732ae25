//! Load over time: recorded, or made up by `generate`.

use std::ops::Range;
use std::time::Duration;

/// Most lines that are read: 20 years of minutes.
const LINES_MAX: usize = 10_512_000;
/// Time between two lines.
const MINUTE: Duration = Duration::from_secs(60);

/// Load over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Time between two values.
    pub step: Duration,
    /// Requests per second.
    pub rps: Vec<f64>,
    /// While these values pass, nothing is measured.
    pub lost: Option<Range<usize>>,
}

/// Why a trace cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TraceError {
    /// A line is not `TIME,COUNT`.
    #[error("line {line}: expected `TIME,REQUESTS`, a whole minute and a count")]
    Line {
        /// Its number, from 1.
        line: usize,
    },
    /// There is no value.
    #[error("the trace is empty: write a line `period,requests`, then one a minute")]
    Empty,
    /// It is too long.
    #[error("the trace has more than {max} lines")]
    TooLong {
        /// The bound.
        max: usize,
    },
}

impl Trace {
    /// Reads CSV with a heading and a line a minute: when, and how many requests came in that minute. The times are not
    /// looked at: a minute without a line is not known to have had no requests.
    ///
    /// # Errors
    /// If a line is not understood, there is none, or there are too many.
    pub fn parse(text: &str) -> Result<Self, TraceError> {
        let mut rps = Vec::new();
        for (index, line) in text.lines().enumerate().skip(1) {
            if index > LINES_MAX {
                return Err(TraceError::TooLong { max: LINES_MAX });
            }
            let count = line.rsplit_once(',').and_then(|(_, count)| count.trim().parse::<f64>().ok());
            let count = count.filter(|count| count.is_finite() && *count >= 0.0);
            rps.push(count.ok_or(TraceError::Line { line: index + 1 })? / 60.0);
        }
        if rps.is_empty() {
            return Err(TraceError::Empty);
        }
        Ok(Self { step: MINUTE, rps, lost: None })
    }

    /// The highest load.
    #[must_use]
    pub fn peak(&self) -> f64 {
        self.rps.iter().copied().fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_become_seconds_and_a_bad_line_is_named() {
        let trace = Trace::parse("period,requests\n1998-06-10 00:00:00,120\n1998-06-10 00:01:00,60\n").unwrap();
        assert_eq!(trace.rps, [2.0, 1.0]);
        assert_eq!(Trace::parse("period,requests\na,1\nb,-1\n"), Err(TraceError::Line { line: 3 }));
        assert_eq!(Trace::parse("period,requests\na,NaN\n"), Err(TraceError::Line { line: 2 }));
        assert_eq!(Trace::parse("period,requests\n"), Err(TraceError::Empty));
    }
}
