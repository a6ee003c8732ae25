//! Arithmetic on JavaScript's numbers.

use crate::datum::Datum;
use crate::evaluate::{Answer, Failure, Run, Trace};
use crate::rule::{Call, Operator};
use crate::scope::Scope;

pub(super) fn apply<'a, T: Trace>(run: &mut Run<'a, T>, call: &'a Call, scope: &Scope<'a>) -> Answer<'a> {
    let number = match call.operator {
        Operator::Add => fold(run, call, scope, 0.0, |sum, number| sum + number)?,
        Operator::Multiply => fold(run, call, scope, 1.0, |product, number| product * number)?,
        Operator::Min => fold(run, call, scope, f64::INFINITY, |least, number| extreme(least, number, f64::min))?,
        Operator::Max => fold(run, call, scope, f64::NEG_INFINITY, |most, number| extreme(most, number, f64::max))?,
        Operator::Subtract if call.arguments.len() < 2 => -run.argument(call, 0, scope)?.to_number(),
        Operator::Subtract => run.argument(call, 0, scope)?.to_number() - run.argument(call, 1, scope)?.to_number(),
        _ => {
            let dividend = run.argument(call, 0, scope)?.to_number();
            let divisor = run.argument(call, 1, scope)?.to_number();
            if divisor == 0.0 {
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
    join: impl Fn(f64, f64) -> f64,
) -> Result<f64, Failure> {
    let mut result = start;
    for index in 0..call.arguments.len() {
        result = join(result, run.argument(call, index, scope)?.to_number());
    }
    Ok(result)
}

/// JavaScript's `Math.min` and `Math.max` do not overlook a NaN.
fn extreme(left: f64, right: f64, choose: fn(f64, f64) -> f64) -> f64 {
    if left.is_nan() || right.is_nan() { f64::NAN } else { choose(left, right) }
}
