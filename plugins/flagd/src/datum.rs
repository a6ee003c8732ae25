//! What a rule works on: JSON borrowed from the definition or the context where that can be, and JavaScript's conversions.

use std::rc::Rc;

use serde_json::{Number, Value};

use crate::context::Attribute;
use crate::number;

/// The largest integer up to which a double holds each one.
const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;

/// A value in an evaluation.
#[derive(Clone, Debug)]
pub(crate) enum Datum<'a> {
    /// An argument that was not given.
    Undefined,
    Null,
    Boolean(bool),
    Number(f64),
    /// An integer that a double would round: `fractional` hashes it exactly, all else takes the double.
    Large(&'a Number),
    Text(&'a str),
    /// A string that a rule made.
    Built(Rc<str>),
    /// An array or object of the definition or the context.
    Json(&'a Value),
    /// A list that a rule made.
    List(List<'a>),
    /// All data in scope, an object: `{"var": ""}` outside of iterations.
    Everything,
    /// The object `$flagd`.
    Flagd,
    /// All data in scope of a `reduce`.
    Fold(Rc<Fold<'a>>),
}

/// A list that a rule made.
#[derive(Clone, Debug)]
pub(crate) struct List<'a> {
    pub(crate) items: Rc<[Datum<'a>]>,
    /// Lists within lists, this one included.
    pub(crate) depth: u8,
}

/// What the rule of a `reduce` sees.
#[derive(Clone, Debug)]
pub(crate) struct Fold<'a> {
    pub(crate) current: Datum<'a>,
    pub(crate) accumulator: Datum<'a>,
}

impl<'a> From<&'a Value> for Datum<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Boolean(*flag),
            Value::Number(number) if is_large(number) => Self::Large(number),
            Value::Number(number) => Self::Number(number.as_f64().unwrap_or(f64::NAN)),
            Value::String(text) => Self::Text(text),
            Value::Array(_) | Value::Object(_) => Self::Json(value),
        }
    }
}

impl<'a> From<Attribute<'a>> for Datum<'a> {
    fn from(attribute: Attribute<'a>) -> Self {
        match attribute {
            Attribute::Text(text) => Self::Text(text),
            Attribute::Number(number) => Self::Number(number),
            Attribute::Boolean(flag) => Self::Boolean(flag),
            Attribute::Json(value) => Self::from(value),
        }
    }
}

fn is_large(number: &Number) -> bool {
    number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs)).is_some_and(|size| size > SAFE_INTEGER_MAX)
}

impl<'a> Datum<'a> {
    /// As a string, if it is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Built(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Self::Undefined | Self::Null)
    }

    /// As a list, if it is one.
    pub(crate) fn as_list(&self) -> Option<Items<'_, 'a>> {
        match self {
            Self::Json(Value::Array(items)) => Some(Items::Json(items)),
            Self::List(list) => Some(Items::Made(&list.items)),
            _ => None,
        }
    }

    /// JsonLogic's truth: JavaScript's, but an empty list is false.
    pub(crate) fn is_truthy(&self) -> bool {
        match self {
            Self::Undefined | Self::Null => false,
            Self::Boolean(flag) => *flag,
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::Text(text) => !text.is_empty(),
            Self::Built(text) => !text.is_empty(),
            Self::Json(Value::Array(items)) => !items.is_empty(),
            Self::List(list) => !list.items.is_empty(),
            Self::Large(_) | Self::Json(_) | Self::Everything | Self::Flagd | Self::Fold(_) => true,
        }
    }

    /// JavaScript's `Number(datum)`.
    pub(crate) fn to_number(&self) -> f64 {
        match self {
            Self::Null => 0.0,
            Self::Boolean(flag) => f64::from(u8::from(*flag)),
            Self::Number(number) => *number,
            Self::Large(number) => number.as_f64().unwrap_or(f64::NAN),
            Self::Text(text) => number::from_text(text),
            Self::Built(text) => number::from_text(text),
            Self::Json(Value::Array(_)) | Self::List(_) => number::from_text(&self.to_text()),
            Self::Undefined | Self::Json(_) | Self::Everything | Self::Flagd | Self::Fold(_) => f64::NAN,
        }
    }

    /// JavaScript's `String(datum)`.
    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Undefined => "undefined".to_owned(),
            Self::Null => "null".to_owned(),
            Self::Boolean(flag) => flag.to_string(),
            Self::Number(number) => number::to_text(*number),
            Self::Large(number) => number::to_text(number.as_f64().unwrap_or(f64::NAN)),
            Self::Text(text) => (*text).to_owned(),
            Self::Built(text) => text.to_string(),
            Self::Json(Value::Array(_)) | Self::List(_) => {
                let items = self.as_list().into_iter().flatten();
                let shown: Vec<String> =
                    items.map(|item| if item.is_nothing() { String::new() } else { item.to_text() }).collect();
                shown.join(",")
            }
            Self::Json(_) | Self::Everything | Self::Flagd | Self::Fold(_) => "[object Object]".to_owned(),
        }
    }

    /// As JSON, for people; what is all data is named, not shown.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Undefined | Self::Null => Value::Null,
            Self::Boolean(flag) => Value::Bool(*flag),
            Self::Number(number) => Number::from_f64(*number).map_or_else(|| self.to_text().into(), integer_if_whole),
            Self::Large(number) => Value::Number((*number).clone()),
            Self::Text(text) => (*text).into(),
            Self::Built(text) => (&**text).into(),
            Self::Json(value) => (*value).clone(),
            Self::List(list) => list.items.iter().map(Self::to_json).collect(),
            Self::Everything => "(all attributes)".into(),
            Self::Flagd => "($flagd)".into(),
            Self::Fold(fold) => {
                serde_json::json!({"current": fold.current.to_json(), "accumulator": fold.accumulator.to_json()})
            }
        }
    }
}

/// `1`, not `1.0`: rules know only one kind of number.
fn integer_if_whole(number: Number) -> Value {
    let shown = number::to_text(number.as_f64().unwrap_or(f64::NAN));
    shown.parse::<i64>().map_or(Value::Number(number), Value::from)
}

/// The items of a list, wherever it comes from.
#[derive(Clone, Copy)]
pub(crate) enum Items<'d, 'a> {
    Json(&'a [Value]),
    Made(&'d [Datum<'a>]),
}

impl<'a> Items<'_, 'a> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Json(items) => items.len(),
            Self::Made(items) => items.len(),
        }
    }

    pub(crate) fn at(&self, index: usize) -> Option<Datum<'a>> {
        match self {
            Self::Json(items) => items.get(index).map(Datum::from),
            Self::Made(items) => items.get(index).cloned(),
        }
    }
}

impl<'d, 'a> IntoIterator for Items<'d, 'a> {
    type Item = Datum<'a>;
    type IntoIter = ItemsIterator<'d, 'a>;

    fn into_iter(self) -> Self::IntoIter {
        ItemsIterator { items: self, next: 0 }
    }
}

/// Goes through [`Items`].
pub(crate) struct ItemsIterator<'d, 'a> {
    items: Items<'d, 'a>,
    next: usize,
}

impl<'a> Iterator for ItemsIterator<'_, 'a> {
    type Item = Datum<'a>;

    fn next(&mut self) -> Option<Datum<'a>> {
        let item = self.items.at(self.next);
        self.next += 1;
        item
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn truth_is_that_of_json_logic() {
        for (value, truthy) in [
            (json!([]), false),
            (json!({}), true),
            (json!("0"), true),
            (json!(""), false),
            (json!(0.0), false),
            (json!(null), false),
            (json!([0]), true),
            (json!(-1), true),
        ] {
            assert_eq!(Datum::from(&value).is_truthy(), truthy, "{value}");
        }
        assert!(!Datum::Number(f64::NAN).is_truthy());
    }

    #[test]
    fn conversions_are_those_of_javascript() {
        let nested = json!([1, [null, "b"], {}, true]);
        assert_eq!(Datum::from(&nested).to_text(), "1,,b,[object Object],true");
        assert_eq!(Datum::from(&json!([])).to_number(), 0.0);
        assert_eq!(Datum::from(&json!([[" 7 "]])).to_number(), 7.0);
        assert!(Datum::from(&json!({})).to_number().is_nan());
        assert!(Datum::Undefined.to_number().is_nan());
    }

    #[test]
    fn integers_that_a_double_rounds_are_kept() {
        let snowflake = json!(1_234_567_890_123_456_789_u64);
        assert!(matches!(Datum::from(&snowflake), Datum::Large(_)));
        assert!(matches!(Datum::from(&json!(-9_007_199_254_740_991_i64)), Datum::Number(_)));
        assert_eq!(Datum::from(&snowflake).to_text(), "1234567890123456800");
    }
}
