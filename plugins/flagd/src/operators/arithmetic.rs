//! Arithmetic on JavaScript's numbers.

use crate::datum::Datum;
use crate::evaluate::{Answer, Failure, Run, Trace};
use crate::rule::{Call, Operator};
use crate::scope::Scope;

pub(super) fn apply<'a, T: Trace>(run: &mut Run<'a, T>, call: &'a Call, scope: &Scope<'a>) -> Answer<'a> {
    let number = match call.operator {
        Operator::Add => fold(run, call, scope, 0.0, |sum, datum| sum + summand(datum))?,
        Operator::Multiply => fold(run, call, scope, 1.0, |product, datum| product * summand(datum))?,
        Operator::Min => fold(run, call, scope, f64::INFINITY, |least, datum| extreme(least, datum, f64::min))?,
        Operator::Max => fold(run, call, scope, f64::NEG_INFINITY, |most, datum| extreme(most, datum, f64::max))?,
        Operator::Subtract if call.arguments.len() < 2 => -run.argument(call, 0, scope)?.to_number(),
        Operator::Subtract => run.argument(call, 0, scope)?.to_number() - run.argument(call, 1, scope)?.to_number(),
        _ => {
            let dividend = run.argument(call, 0, scope)?.to_number();
            let divisor = run.argument(call, 1, scope)?.to_number();
            if divisor == 0.0 || call.arguments.len() < 2 {
                return Err(Failure::DivisionByZero);
            }
            if call.operator == Operator::Divide { dividend / divisor } else { dividend % divisor }
        }
    };
    Ok(Datum::Number(number))
}

fn fold<'a, T: Trace>(
    run: &mut Run<'a, T>,
    call: &'a Call,
    scope: &Scope<'a>,
    start: f64,
    join: impl Fn(f64, &Datum<'a>) -> f64,
) -> Result<f64, Failure> {
    let mut result = start;
    for index in 0..call.arguments.len() {
        result = join(result, &run.argument(call, index, scope)?);
    }
    Ok(result)
}

/// What `+` and `*` take for a number: as anywhere, but a blank string, or a list that reads so, is none.
fn summand(datum: &Datum<'_>) -> f64 {
    let blank = match datum.as_text() {
        Some(text) => text.trim().is_empty(),
        None => datum.as_list().is_some() && datum.to_text().trim().is_empty(),
    };
    if blank { f64::NAN } else { datum.to_number() }
}

/// JavaScript's `Math.min` and `Math.max` do not overlook a NaN.
fn extreme(so_far: f64, datum: &Datum<'_>, choose: fn(f64, f64) -> f64) -> f64 {
    let number = datum.to_number();
    if so_far.is_nan() || number.is_nan() { f64::NAN } else { choose(so_far, number) }
}
