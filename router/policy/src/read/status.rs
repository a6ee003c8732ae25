//! Statuses of responses: single ones, and ranges such as `"500-599"`.

use std::ops::RangeInclusive;

use sluice_document::reader::{Named, Reader, Value, quoted};
use sluice_document::shape::Form;
use sluice_document::values::{expected, filled_list, integer, text};
use toml::de::DeValue;

/// Statuses as such (RFC 9110 section 15).
pub(crate) const STATUS_RANGE: RangeInclusive<u64> = 100..=599;
/// Most entries of a list of statuses.
pub(crate) const STATUSES_MAX: usize = 16;

/// A range as it is written.
pub(crate) const RANGE_TEXT: Form = Form::Text("a range such as `\"500-599\"`", "^[1-5][0-9]{2}(-[1-5][0-9]{2})?$");

/// `404` or `"500-599"`, both ends within `bounds`.
pub(crate) fn range(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
    bounds: &RangeInclusive<u64>,
) -> Option<RangeInclusive<u16>> {
    let place = reader.place_of(value);
    match value.get_ref() {
        DeValue::Integer(_) => integer(reader, value, bounds).map(|status| status..=status),
        DeValue::String(_) => {
            let Named { text, .. } = text(reader, value)?;
            let (first, last) = text.split_once('-').unwrap_or((&text, &text));
            let range = parse(first).zip(parse(last)).filter(|(first, last)| first <= last);
            let within =
                range.filter(|&(first, last)| bounds.contains(&u64::from(first)) && bounds.contains(&u64::from(last)));
            if within.is_none() {
                let hint = format!(
                    "write a status, or a range such as \"500-599\", from {} to {}",
                    bounds.start(),
                    bounds.end()
                );
                reader.fault(&place, format!("{} is no range of statuses", quoted(&text)), hint);
            }
            within.map(|(first, last)| first..=last)
        }
        other => expected(reader, &place, "a status or a range such as \"500-599\"", other),
    }
}

/// Three digits (RFC 9110 section 15).
fn parse(text: &str) -> Option<u16> {
    let is_status = text.len() == 3 && text.bytes().all(|digit| digit.is_ascii_digit());
    is_status.then(|| text.parse().ok()).flatten()
}

/// A list of ranges that do not overlap.
pub(crate) fn ranges<'d>(
    reader: &mut Reader<'_>,
    value: &'d Value<'d>,
    bounds: &RangeInclusive<u64>,
) -> Option<Vec<RangeInclusive<u16>>> {
    let mut seen: Vec<RangeInclusive<u16>> = Vec::new();
    filled_list(reader, value, STATUSES_MAX, |reader, value| {
        let range = range(reader, value, bounds)?;
        if let Some(status) = first_shared(&range, &seen) {
            reader.fault(&reader.place_of(value), format!("status {status} is listed twice"), "remove one of the two");
        }
        seen.push(range.clone());
        Some(range)
    })
}

/// The first status of `range` that lies in one of `others` too.
pub(crate) fn first_shared(range: &RangeInclusive<u16>, others: &[RangeInclusive<u16>]) -> Option<u16> {
    range.clone().find(|status| others.iter().any(|other| other.contains(status)))
}
