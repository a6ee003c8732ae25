//! Operators that carry out a rule for each item of a list. The rule sees the item in place of the data.

use std::rc::Rc;

use crate::datum::{Datum, Fold, Items};
use crate::evaluate::{self, Answer, Failure, Run, Trace};
use crate::rule::{Call, Operator};
use crate::scope::Scope;

pub(super) fn apply<'a, T: Trace>(run: &mut Run<'a, T>, call: &'a Call, scope: &Scope<'a>) -> Answer<'a> {
    let source = run.argument(call, 0, scope)?;
    let items = source.as_list();
    match call.operator {
        Operator::Map => {
            let Some(items) = items else { return evaluate::list(Vec::new()) };
            let mapped = items.into_iter().map(|item| for_item(run, call, item)).collect::<Result<Vec<_>, _>>()?;
            evaluate::list(mapped)
        }
        Operator::Filter => {
            let Some(items) = items else { return evaluate::list(Vec::new()) };
            let mut kept = Vec::new();
            for item in items {
                if for_item(run, call, item.clone())?.is_truthy() {
                    kept.push(item);
                }
            }
            evaluate::list(kept)
        }
        Operator::Reduce => {
            let initial = match run.argument(call, 2, scope)? {
                Datum::Undefined => Datum::Null,
                initial => initial,
            };
            items.into_iter().flatten().try_fold(initial, |accumulator, current| {
                for_item(run, call, Datum::Fold(Rc::new(Fold { current, accumulator })))
            })
        }
        // Of an empty list all is false: JsonLogic says so.
        Operator::All => {
            let some = items.is_some_and(|items| items.len() > 0);
            Ok(Datum::Boolean(some && !any(run, call, items, false)?))
        }
        Operator::Some => any(run, call, items, true).map(Datum::Boolean),
        _ => Ok(Datum::Boolean(!any(run, call, items, true)?)),
    }
}

/// Whether the rule is true (or `wanted` is false: false) for any of `items`.
fn any<'a, T: Trace>(
    run: &mut Run<'a, T>,
    call: &'a Call,
    items: Option<Items<'_, 'a>>,
    wanted: bool,
) -> Result<bool, Failure> {
    for item in items.into_iter().flatten() {
        if for_item(run, call, item)?.is_truthy() == wanted {
            return Ok(true);
        }
    }
    Ok(false)
}

fn for_item<'a, T: Trace>(run: &mut Run<'a, T>, call: &'a Call, item: Datum<'a>) -> Answer<'a> {
    run.step()?;
    run.argument(call, 1, &Scope::Item(item))
}
