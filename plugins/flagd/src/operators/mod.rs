//! What each operator means. Where JsonLogic's engines differ: what both of flagd's official engines do; if they differ
//! from one another, what json-logic-js does, the reference. `docs/flag-definitions.md` lists every such case.

mod arithmetic;
mod compare;
mod iterate;
mod lists;
mod strings;

use crate::datum::Datum;
use crate::evaluate::{Answer, Failure, Run, Trace};
use crate::fractional;
use crate::rule::{Call, Operator};
use crate::scope::Scope;
use crate::sem_ver;

/// What `call` comes to in `scope`.
pub(crate) fn apply<'a, T: Trace>(run: &mut Run<'a, T>, call: &'a Call, scope: &Scope<'a>) -> Answer<'a> {
    match call.operator {
        Operator::If => choose(run, call, scope),
        Operator::And => first(run, call, scope, false),
        Operator::Or => first(run, call, scope, true),
        Operator::Not => Ok(Datum::Boolean(!run.argument(call, 0, scope)?.is_truthy())),
        Operator::Truth => Ok(Datum::Boolean(run.argument(call, 0, scope)?.is_truthy())),
        Operator::Equal
        | Operator::NotEqual
        | Operator::StrictEqual
        | Operator::StrictNotEqual
        | Operator::Less
        | Operator::LessOrEqual
        | Operator::Greater
        | Operator::GreaterOrEqual => compare::apply(run, call, scope),
        Operator::Add
        | Operator::Subtract
        | Operator::Multiply
        | Operator::Divide
        | Operator::Remainder
        | Operator::Min
        | Operator::Max => arithmetic::apply(run, call, scope),
        Operator::Var | Operator::Missing | Operator::MissingSome | Operator::In | Operator::Merge => {
            lists::apply(run, call, scope)
        }
        Operator::Map | Operator::Filter | Operator::Reduce | Operator::All | Operator::Some | Operator::None => {
            iterate::apply(run, call, scope)
        }
        Operator::Cat | Operator::Substr | Operator::StartsWith | Operator::EndsWith => {
            strings::apply(run, call, scope)
        }
        Operator::SemVer => sem_ver::apply(run, call, scope),
        Operator::Fractional => fractional::apply(run, call, scope),
    }
}

/// `if`: pairs of condition and outcome, then perhaps an outcome for the rest.
fn choose<'a, T: Trace>(run: &mut Run<'a, T>, call: &'a Call, scope: &Scope<'a>) -> Answer<'a> {
    let count = call.arguments.len();
    let mut at = 0;
    while at + 1 < count {
        if run.argument(call, at, scope)?.is_truthy() {
            run.trace.took(call.place, at + 1);
            return run.argument(call, at + 1, scope);
        }
        at += 2;
    }
    if at < count {
        run.trace.took(call.place, at);
        return run.argument(call, at, scope);
    }
    Ok(Datum::Null)
}

/// `and`, `or`: the first argument that is (not) true, or the last.
fn first<'a, T: Trace>(run: &mut Run<'a, T>, call: &'a Call, scope: &Scope<'a>, wanted: bool) -> Answer<'a> {
    let mut last = Datum::Null;
    for index in 0..call.arguments.len() {
        last = run.argument(call, index, scope)?;
        if last.is_truthy() == wanted {
            run.trace.took(call.place, index);
            break;
        }
    }
    Ok(last)
}

/// All arguments of `call`.
pub(crate) fn all<'a, T: Trace>(
    run: &mut Run<'a, T>,
    call: &'a Call,
    scope: &Scope<'a>,
) -> Result<Vec<Datum<'a>>, Failure> {
    (0..call.arguments.len()).map(|index| run.argument(call, index, scope)).collect()
}
