//! Single values: text, names, numbers, quantities and lists, each checked against its bounds.

use std::ops::RangeInclusive;
use std::time::Duration;

use sluice_model::weight::BasisPoints;
use toml::de::DeValue;

use crate::reader::{Named, Place, Reader, Value, choice_hint, quoted};
use crate::units::{self, UnitFault};

/// Longest name of anything; names become labels of metrics and parts of store keys.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest text of any other kind.
pub const TEXT_BYTES_MAX: usize = 1024;

/// Reports a value of the wrong type.
pub fn expected<T>(reader: &mut Reader<'_>, place: &Place, what: &str, found: &DeValue<'_>) -> Option<T> {
    let found = kind(found);
    reader.fault(place, format!("expected {what}, found {found}"), format!("write {what}"));
    None
}

const fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// A string of 1 to [`TEXT_BYTES_MAX`] bytes.
pub fn text(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Named> {
    text_up_to(reader, value, TEXT_BYTES_MAX)
}

/// A string of 1 to `bytes_max` bytes.
pub fn text_up_to(reader: &mut Reader<'_>, value: &Value<'_>, bytes_max: usize) -> Option<Named> {
    let place = reader.place_of(value);
    let DeValue::String(text) = value.get_ref() else {
        return expected(reader, &place, "a string", value.get_ref());
    };
    if text.is_empty() {
        reader.fault(&place, "empty string", "write something, or leave the key out");
    } else if text.len() > bytes_max {
        reader.fault(&place, format!("longer than {bytes_max} bytes"), "shorten it");
    } else {
        return Some(Named { text: text.as_ref().to_owned(), place });
    }
    None
}

/// A string that is a name: letters, digits, `.`, `_` and `-`, the first a letter or digit.
pub fn name_text(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Named> {
    let Named { text, place } = text(reader, value)?;
    name(reader, &text, place)
}

/// Checks that `text` is a name.
pub fn name(reader: &mut Reader<'_>, text: &str, place: Place) -> Option<Named> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if begins && text.bytes().all(allowed) && text.len() <= NAME_BYTES_MAX {
        return Some(Named { text: text.to_owned(), place });
    }
    let hint = format!("letters, digits, `.`, `_` and `-`, a letter or digit first, at most {NAME_BYTES_MAX} bytes");
    reader.fault(&place, format!("{} is no name", quoted(text)), hint);
    None
}

/// `true` or `false`.
pub fn boolean(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<bool> {
    match value.get_ref() {
        DeValue::Boolean(boolean) => Some(*boolean),
        other => expected(reader, &reader.place_of(value), "`true` or `false`", other),
    }
}

/// `false`, which is nothing, or what `read` understands.
pub fn unless_false<'d, T>(
    reader: &mut Reader<'_>,
    value: &'d Value<'d>,
    read: impl FnOnce(&mut Reader<'_>, &'d Value<'d>) -> Option<T>,
) -> Option<Option<T>> {
    match value.get_ref() {
        DeValue::Boolean(false) => Some(None),
        DeValue::Boolean(true) => {
            let hint = "write what it should be, `false` for nothing, or leave the key out";
            reader.fault(&reader.place_of(value), "only `false` stands here by itself", hint);
            None
        }
        _ => read(reader, value).map(Some),
    }
}

/// One of a few words; `what` names the kind in faults.
pub fn choice<T: Copy>(reader: &mut Reader<'_>, value: &Value<'_>, what: &str, choices: &[(&str, T)]) -> Option<T> {
    let Named { text, place } = text(reader, value)?;
    let found = choices.iter().find(|(word, _)| *word == text);
    if found.is_none() {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        reader.fault(&place, format!("{} is no {what}", quoted(&text)), choice_hint(&text, &words));
    }
    found.map(|(_, chosen)| *chosen)
}

/// A whole number within `range`.
pub fn integer<T: TryFrom<u64>>(reader: &mut Reader<'_>, value: &Value<'_>, range: &RangeInclusive<u64>) -> Option<T> {
    let place = reader.place_of(value);
    let DeValue::Integer(integer) = value.get_ref() else {
        return expected(reader, &place, "an integer", value.get_ref());
    };
    let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|number| range.contains(number));
    let within = number.and_then(|number| T::try_from(number).ok());
    if within.is_none() {
        let hint = format!("from {} to {}", range.start(), range.end());
        reader.fault(&place, format!("{} is out of range", quoted(integer.as_str())), hint);
    }
    within
}

/// A percentage with at most two decimals.
pub fn percent(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<BasisPoints> {
    let place = reader.place_of(value);
    let text = match value.get_ref() {
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
        DeValue::Float(float) => float.as_str(),
        other => return expected(reader, &place, "a percentage such as 25.0", other),
    };
    match BasisPoints::from_percent(text.parse().unwrap_or(f64::NAN)) {
        Ok(weight) => Some(weight),
        Err(error) => {
            reader.fault(&place, format!("{}: {error}", quoted(text)), "write a percentage such as 25.0");
            None
        }
    }
}

/// A number with or without decimals, within `range`.
pub fn number(reader: &mut Reader<'_>, value: &Value<'_>, range: &RangeInclusive<f64>) -> Option<f64> {
    let place = reader.place_of(value);
    let text = match value.get_ref() {
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
        DeValue::Float(float) => float.as_str(),
        other => return expected(reader, &place, "a number", other),
    };
    let number = text.parse().ok().filter(|number| range.contains(number));
    if number.is_none() {
        let hint = format!("from {} to {}", range.start(), range.end());
        reader.fault(&place, format!("{} is out of range", quoted(text)), hint);
    }
    number
}

/// A duration with its unit, within `range`.
pub fn duration(reader: &mut Reader<'_>, value: &Value<'_>, range: &RangeInclusive<Duration>) -> Option<Duration> {
    let quantity = Quantity { example: "a duration such as \"250ms\", \"1s\" or \"2m\"", unit: "s" };
    quantity.read(reader, value, range, units::duration, units::duration_text)
}

/// A duration as the model has it.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A size with its unit, in bytes, within `range`.
pub fn size(reader: &mut Reader<'_>, value: &Value<'_>, range: &RangeInclusive<u64>) -> Option<u64> {
    let quantity = Quantity { example: "a size such as \"50000B\", \"10KB\" or \"16MiB\"", unit: "B" };
    quantity.read(reader, value, range, units::size, units::size_text)
}

/// What the faults of a quantity say.
struct Quantity {
    example: &'static str,
    /// Unit that a bare number most likely means.
    unit: &'static str,
}

impl Quantity {
    fn read<T: PartialOrd + Copy>(
        &self,
        reader: &mut Reader<'_>,
        value: &Value<'_>,
        range: &RangeInclusive<T>,
        parse: fn(&str) -> Result<T, UnitFault>,
        show: fn(T) -> String,
    ) -> Option<T> {
        let place = reader.place_of(value);
        let text = match value.get_ref() {
            DeValue::String(text) => text.as_ref(),
            DeValue::Integer(integer) => {
                let hint = format!("write it as \"{integer}{}\" if that is what it means", self.unit);
                reader.fault(&place, "a bare number has no unit", hint);
                return None;
            }
            other => return expected(reader, &place, self.example, other),
        };
        match parse(text) {
            Ok(quantity) if range.contains(&quantity) => return Some(quantity),
            Ok(_) => {
                let hint = format!("from {} to {}", show(*range.start()), show(*range.end()));
                reader.fault(&place, format!("{} is out of range", quoted(text)), hint);
            }
            Err(fault) => {
                reader.fault(&place, format!("{}: {fault}", quoted(text)), format!("write {}", self.example));
            }
        }
        None
    }
}

/// Each item of an array as `read` understands it; at most `max` of them. Faulty ones are left out.
pub fn list<'d, T>(
    reader: &mut Reader<'_>,
    value: &'d Value<'d>,
    max: usize,
    mut read: impl FnMut(&mut Reader<'_>, &'d Value<'d>) -> Option<T>,
) -> Option<Vec<T>> {
    let DeValue::Array(items) = value.get_ref() else {
        return expected(reader, &reader.place_of(value), "an array", value.get_ref());
    };
    if let Some(first_too_many) = items.get(max) {
        reader.fault(&reader.place_of(first_too_many), format!("more than {max} entries"), "shorten the list");
    }
    Some(items.iter().take(max).filter_map(|item| read(reader, item)).collect())
}

/// Like [`list`], but one entry is a fault at least.
pub fn filled_list<'d, T>(
    reader: &mut Reader<'_>,
    value: &'d Value<'d>,
    max: usize,
    read: impl FnMut(&mut Reader<'_>, &'d Value<'d>) -> Option<T>,
) -> Option<Vec<T>> {
    if matches!(value.get_ref(), DeValue::Array(items) if items.is_empty()) {
        reader.fault(&reader.place_of(value), "empty list", "write one entry at least, or leave the key out");
        return None;
    }
    list(reader, value, max, read)
}

/// One item, or a list of them.
pub fn one_or_more<'d, T>(
    reader: &mut Reader<'_>,
    value: &'d Value<'d>,
    max: usize,
    mut read: impl FnMut(&mut Reader<'_>, &'d Value<'d>) -> Option<T>,
) -> Option<Vec<T>> {
    match value.get_ref() {
        DeValue::Array(_) => filled_list(reader, value, max, read),
        _ => read(reader, value).map(|item| vec![item]),
    }
}

/// Reports every entry of `names` that stood there before.
pub fn unique(reader: &mut Reader<'_>, names: &[Named]) {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        if !seen.insert(&name.text) {
            reader.fault(&name.place, format!("{} is listed twice", quoted(&name.text)), "remove one of the two");
        }
    }
}
