//! Equality and order, as JavaScript has them.

use std::cmp::Ordering;
use std::rc::Rc;

use crate::datum::Datum;
use crate::evaluate::{Answer, Run, Trace};
use crate::rule::{Call, Operator};
use crate::scope::Scope;

pub(super) fn apply<'a, T: Trace>(run: &mut Run<'a, T>, call: &'a Call, scope: &Scope<'a>) -> Answer<'a> {
    let left = run.argument(call, 0, scope)?;
    let right = run.argument(call, 1, scope)?;
    let holds = match call.operator {
        Operator::Equal => loosely_equal(&left, &right),
        Operator::NotEqual => !loosely_equal(&left, &right),
        Operator::StrictEqual => strictly_equal(&left, &right),
        Operator::StrictNotEqual => !strictly_equal(&left, &right),
        _ => {
            // With three arguments: whether the second is between the others.
            in_order(call.operator, &left, &right)
                && match run.argument(call, 2, scope)? {
                    Datum::Undefined => true,
                    third => in_order(call.operator, &right, &third),
                }
        }
    };
    Ok(Datum::Boolean(holds))
}

/// JavaScript's `===`. Lists and objects are equal only to themselves.
pub(crate) fn strictly_equal(left: &Datum<'_>, right: &Datum<'_>) -> bool {
    if let (Some(left), Some(right)) = (left.as_text(), right.as_text()) {
        return left == right;
    }
    match (left, right) {
        (Datum::Undefined, Datum::Undefined)
        | (Datum::Null, Datum::Null)
        | (Datum::Everything, Datum::Everything)
        | (Datum::Flagd, Datum::Flagd) => true,
        (Datum::Boolean(left), Datum::Boolean(right)) => left == right,
        (Datum::Json(left), Datum::Json(right)) => std::ptr::eq(*left, *right),
        (Datum::List(left), Datum::List(right)) => Rc::ptr_eq(&left.items, &right.items),
        (Datum::Fold(left), Datum::Fold(right)) => Rc::ptr_eq(left, right),
        _ => is_number(left) && is_number(right) && equal(left.to_number(), right.to_number()),
    }
}

/// JavaScript's `==`, but null equals 0, "" and false, as it does in both official engines.
fn loosely_equal(left: &Datum<'_>, right: &Datum<'_>) -> bool {
    if left.is_nothing() && right.is_nothing() {
        return true;
    }
    if is_object(left) && is_object(right) {
        return strictly_equal(left, right);
    }
    match (left.as_text(), right.as_text()) {
        (Some(left), Some(right)) => left == right,
        (Some(left), None) if is_object(right) => left == right.to_text(),
        (None, Some(right)) if is_object(left) => left.to_text() == right,
        // A missing attribute is compared with a number as 0, and with nothing else.
        _ if left.is_nothing() || right.is_nothing() => {
            let other = if left.is_nothing() { right } else { left };
            is_number(other) && equal(other.to_number(), 0.0)
        }
        _ => equal(left.to_number(), right.to_number()),
    }
}

fn in_order(operator: Operator, left: &Datum<'_>, right: &Datum<'_>) -> bool {
    let order = match (textual(left), textual(right)) {
        // JavaScript compares UTF-16 units; UTF-8 differs from it above U+FFFF only.
        (Some(left), Some(right)) => Some(left.encode_utf16().cmp(right.encode_utf16())),
        _ => left.to_number().partial_cmp(&right.to_number()),
    };
    order.is_some_and(|order| match operator {
        Operator::Less => order == Ordering::Less,
        Operator::LessOrEqual => order != Ordering::Greater,
        Operator::Greater => order == Ordering::Greater,
        _ => order != Ordering::Less,
    })
}

/// As a string, if JavaScript's order takes it for one: lists and objects are.
fn textual<'d>(datum: &'d Datum<'_>) -> Option<std::borrow::Cow<'d, str>> {
    match datum.as_text() {
        Some(text) => Some(text.into()),
        None => is_object(datum).then(|| datum.to_text().into()),
    }
}

fn is_number(datum: &Datum<'_>) -> bool {
    matches!(datum, Datum::Number(_) | Datum::Large(_))
}

fn is_object(datum: &Datum<'_>) -> bool {
    matches!(datum, Datum::Json(_) | Datum::List(_) | Datum::Everything | Datum::Flagd | Datum::Fold(_))
}

#[expect(clippy::float_cmp, reason = "the rule asks whether two numbers are the same")]
fn equal(left: f64, right: f64) -> bool {
    left == right
}
