//! `cat`, `substr`, and flagd's own `starts_with` and `ends_with`.

use crate::datum::Datum;
use crate::evaluate::{Answer, Run, Trace};
use crate::limits::TEXT_BYTES_MAX;
use crate::rule::{Call, Operator};
use crate::scope::Scope;
use crate::text;

pub(super) fn apply<'a, T: Trace>(run: &mut Run<'a, T>, call: &'a Call, scope: &Scope<'a>) -> Answer<'a> {
    match call.operator {
        Operator::Cat => cat(run, call, scope),
        Operator::Substr => {
            let source = run.argument(call, 0, scope)?;
            let start = run.argument(call, 1, scope)?.to_number();
            let length = match run.argument(call, 2, scope)? {
                Datum::Undefined => None,
                length => Some(length.to_number()),
            };
            text::built(match source.as_text() {
                Some(source) => text::part(source, start, length),
                None => text::part(&source.to_text(), start, length),
            })
        }
        // Exactly two strings, else null.
        _ if call.arguments.len() != 2 => Ok(Datum::Null),
        _ => {
            let whole = run.argument(call, 0, scope)?;
            let part = run.argument(call, 1, scope)?;
            Ok(match (whole.as_text(), part.as_text()) {
                (Some(whole), Some(part)) if call.operator == Operator::StartsWith => {
                    Datum::Boolean(whole.starts_with(part))
                }
                (Some(whole), Some(part)) => Datum::Boolean(whole.ends_with(part)),
                _ => Datum::Null,
            })
        }
    }
}

/// Joins strings. A missing attribute becomes "null", as it does in both official engines.
fn cat<'a, T: Trace>(run: &mut Run<'a, T>, call: &'a Call, scope: &Scope<'a>) -> Answer<'a> {
    let mut joined = String::new();
    for index in 0..call.arguments.len() {
        let part = run.argument(call, index, scope)?;
        match part.as_text() {
            Some(text) => joined.push_str(text),
            None => joined.push_str(&part.to_text()),
        }
        if joined.len() > TEXT_BYTES_MAX {
            break;
        }
    }
    text::built(joined)
}
