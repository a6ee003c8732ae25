//! The data that a rule sees: the caller's, or an item of the list that is gone through.

use serde_json::Value;

use crate::context::Context;
use crate::datum::{Datum, Fold};
use crate::number;
use crate::text;

/// Where `var` begins.
#[derive(Clone, Debug)]
pub(crate) enum Scope<'a> {
    Everything,
    Item(Datum<'a>),
}

/// What an evaluation is about.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) flag_key: &'a str,
    pub(crate) context: Context<'a>,
}

impl<'a> Subject<'a> {
    /// What is at the end of `path` in `scope`; undefined if a part of it is not there.
    pub(crate) fn look_up<'p>(&self, scope: &Scope<'a>, path: impl IntoIterator<Item = &'p str>) -> Datum<'a> {
        let mut datum = match scope {
            Scope::Everything => Datum::Everything,
            Scope::Item(item) => item.clone(),
        };
        for name in path {
            datum = self.member(&datum, name);
            if matches!(datum, Datum::Undefined) {
                break;
            }
        }
        datum
    }

    fn member(&self, datum: &Datum<'a>, name: &str) -> Datum<'a> {
        match datum {
            Datum::Everything => self.attribute(name),
            Datum::Flagd => match name {
                "flagKey" => Datum::Text(self.flag_key),
                "timestamp" => whole(self.context.timestamp_seconds),
                _ => Datum::Undefined,
            },
            Datum::Json(Value::Object(members)) => members.get(name).map_or(Datum::Undefined, Datum::from),
            Datum::Json(_) | Datum::List(_) => {
                let Some(items) = datum.as_list() else { return Datum::Undefined };
                match name {
                    "length" => length(items.len()),
                    _ => index(name).and_then(|index| items.at(index)).unwrap_or(Datum::Undefined),
                }
            }
            Datum::Text(_) | Datum::Built(_) => {
                let whole = datum.as_text().unwrap_or_default();
                match name {
                    "length" => length(whole.encode_utf16().count()),
                    _ => index(name).and_then(|index| text::unit_at(whole, index)).unwrap_or(Datum::Undefined),
                }
            }
            Datum::Fold(fold) => {
                let Fold { current, accumulator } = &**fold;
                match name {
                    "current" => current.clone(),
                    "accumulator" => accumulator.clone(),
                    _ => Datum::Undefined,
                }
            }
            Datum::Undefined | Datum::Null | Datum::Boolean(_) | Datum::Number(_) | Datum::Large(_) => Datum::Undefined,
        }
    }

    fn attribute(&self, name: &str) -> Datum<'a> {
        match name {
            "$flagd" => Datum::Flagd,
            "targetingKey" => self.context.targeting_key.map_or(Datum::Undefined, Datum::Text),
            _ => self.context.attributes.attribute(name).map_or(Datum::Undefined, Datum::from),
        }
    }
}

/// An index as JavaScript takes one: digits, in their shortest form.
fn index(name: &str) -> Option<usize> {
    let canonical = name == "0" || !name.starts_with(['0', '+']);
    name.parse().ok().filter(|_| canonical)
}

fn length(count: usize) -> Datum<'static> {
    whole(count as u64)
}

fn whole<'a>(count: u64) -> Datum<'a> {
    Datum::Number(number::of_count(count))
}
