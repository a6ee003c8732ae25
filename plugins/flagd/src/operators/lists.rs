//! `var` with a path that a rule makes, what is missing, membership, and lists made of lists.

use crate::datum::Datum;
use crate::evaluate::{self, Answer, Failure, Run, Trace};
use crate::limits::LIST_ITEMS_MAX;
use crate::operators::{all, compare::strictly_equal};
use crate::rule::{Call, Operator};
use crate::scope::Scope;

pub(super) fn apply<'a, T: Trace>(run: &mut Run<'a, T>, call: &'a Call, scope: &Scope<'a>) -> Answer<'a> {
    match call.operator {
        Operator::Var => {
            let path = run.argument(call, 0, scope)?;
            match look_up(run, scope, &path) {
                Datum::Undefined | Datum::Null => match run.argument(call, 1, scope)? {
                    Datum::Undefined => Ok(Datum::Null),
                    default => Ok(default),
                },
                found => Ok(found),
            }
        }
        Operator::Missing => {
            let names = all(run, call, scope)?;
            evaluate::list(match names.first().and_then(Datum::as_list) {
                Some(names) => missing(run, scope, names)?,
                None => missing(run, scope, names)?,
            })
        }
        Operator::MissingSome => {
            let needed = run.argument(call, 0, scope)?.to_number();
            let names = run.argument(call, 1, scope)?;
            let Some(names) = names.as_list() else { return evaluate::list(Vec::new()) };
            let missing = missing(run, scope, names)?;
            let there = crate::number::of_count((names.len() - missing.len()) as u64);
            evaluate::list(if there >= needed { Vec::new() } else { missing })
        }
        Operator::In => {
            let needle = run.argument(call, 0, scope)?;
            let haystack = run.argument(call, 1, scope)?;
            is_in(run, &needle, &haystack).map(Datum::Boolean)
        }
        _ => {
            let mut merged = Vec::new();
            for part in all(run, call, scope)? {
                match part.as_list() {
                    Some(items) => merged.extend(items),
                    None => merged.push(part),
                }
                if merged.len() > LIST_ITEMS_MAX {
                    return Err(Failure::ListTooLong);
                }
            }
            evaluate::list(merged)
        }
    }
}

fn look_up<'a, T: Trace>(run: &Run<'a, T>, scope: &Scope<'a>, path: &Datum<'a>) -> Datum<'a> {
    if path.is_nothing() {
        return run.subject.look_up(scope, []);
    }
    match path.as_text() {
        Some("") => run.subject.look_up(scope, []),
        Some(path) => run.subject.look_up(scope, path.split('.')),
        None => run.subject.look_up(scope, path.to_text().split('.')),
    }
}

/// Those of `names` that lead to nothing, or to an empty string.
fn missing<'a, T: Trace>(
    run: &mut Run<'a, T>,
    scope: &Scope<'a>,
    names: impl IntoIterator<Item = Datum<'a>>,
) -> Result<Vec<Datum<'a>>, Failure> {
    let mut missing = Vec::new();
    for name in names {
        run.step()?;
        let found = look_up(run, scope, &name);
        if found.is_nothing() || found.as_text() == Some("") {
            missing.push(name);
        }
    }
    Ok(missing)
}

/// Whether `haystack` is a string that holds `needle`, or a list that has it as an item.
fn is_in<'a, T: Trace>(run: &mut Run<'a, T>, needle: &Datum<'a>, haystack: &Datum<'a>) -> Result<bool, Failure> {
    if let Some(haystack) = haystack.as_text() {
        // JavaScript takes an empty string for "no haystack".
        let within = match needle.as_text() {
            Some(needle) => haystack.contains(needle),
            None => haystack.contains(&needle.to_text()),
        };
        return Ok(!haystack.is_empty() && within);
    }
    let Some(items) = haystack.as_list() else { return Ok(false) };
    for item in items {
        run.step()?;
        if strictly_equal(needle, &item) {
            return Ok(true);
        }
    }
    Ok(false)
}
