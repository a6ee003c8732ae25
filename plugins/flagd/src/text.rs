//! Strings as JavaScript counts them, in UTF-16 units, and the bound on those that a rule makes.

use std::rc::Rc;

use crate::datum::Datum;
use crate::evaluate::Failure;
use crate::limits::TEXT_BYTES_MAX;

/// A string that a rule made.
///
/// # Errors
/// It is longer than [`TEXT_BYTES_MAX`].
pub(crate) fn built<'a>(text: impl Into<Rc<str>>) -> Result<Datum<'a>, Failure> {
    let text = text.into();
    if text.len() > TEXT_BYTES_MAX { Err(Failure::TextTooLong) } else { Ok(Datum::Built(text)) }
}

/// The unit `index` of `text`; half a surrogate pair is shown as U+FFFD, for our strings are UTF-8.
pub(crate) fn unit_at<'a>(text: &str, index: usize) -> Option<Datum<'a>> {
    text.encode_utf16().nth(index).map(|unit| Datum::Built(String::from_utf16_lossy(&[unit]).into()))
}

/// JavaScript's `substr`: `start` counts from the end if negative; with JsonLogic's reading of a negative `length`, which
/// leaves off as many at the end.
pub(crate) fn part(text: &str, start: f64, length: Option<f64>) -> String {
    let count = crate::number::of_count(text.encode_utf16().count() as u64);
    let start = match start {
        start if start.is_nan() => 0.0,
        start if start < 0.0 => (count + start.trunc()).max(0.0),
        start => start.trunc().min(count),
    };
    let rest = count - start;
    let taken = match length {
        None => rest,
        Some(length) if length < 0.0 => (rest + length.trunc()).max(0.0),
        Some(length) if length.is_nan() => 0.0,
        Some(length) => length.trunc().min(rest),
    };
    if text.is_ascii() {
        let (start, taken) = (to_index(start), to_index(taken));
        return text[start..start + taken].to_owned();
    }
    let units: Vec<u16> = text.encode_utf16().skip(to_index(start)).take(to_index(taken)).collect();
    String::from_utf16_lossy(&units)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the length of a string")]
fn to_index(count: f64) -> usize {
    count as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_those_of_json_logic() {
        assert_eq!(part("jsonlogic", 4.0, None), "logic");
        assert_eq!(part("jsonlogic", -5.0, None), "logic");
        assert_eq!(part("jsonlogic", 1.0, Some(3.0)), "son");
        assert_eq!(part("jsonlogic", 4.0, Some(-2.0)), "log");
        assert_eq!(part("jsonlogic", -50.0, Some(99.0)), "jsonlogic");
        assert_eq!(part("jsonlogic", 50.0, Some(1.0)), "");
        assert_eq!(part("jsonlogic", f64::NAN, None), "jsonlogic");
        assert_eq!(part("jsonlogic", 0.0, Some(f64::NAN)), "");
        assert_eq!(part("jsonlogic", 8.0, Some(-9.0)), "");
    }

    #[test]
    fn units_are_those_of_utf16() {
        assert_eq!(part("a😀b", 1.0, Some(2.0)), "😀");
        assert_eq!(part("a😀b", 3.0, None), "b");
        assert_eq!(part("a😀b", 1.0, Some(1.0)), "\u{fffd}");
        assert_eq!(unit_at("aé", 1).and_then(|datum| datum.as_text().map(str::to_owned)), Some("é".to_owned()));
    }

    #[test]
    fn strings_that_rules_make_are_bounded() {
        assert!(built("x".repeat(TEXT_BYTES_MAX)).is_ok());
        assert!(matches!(built("x".repeat(TEXT_BYTES_MAX + 1)), Err(Failure::TextTooLong)));
    }
}
