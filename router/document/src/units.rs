//! Durations and sizes as people write them: a whole number and a unit.

use std::time::Duration;

/// Unit of a duration -> milliseconds.
const DURATION_UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
/// Unit of a size -> bytes.
const SIZE_UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// A text that is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitFault {
    /// A number alone.
    #[error("a unit is missing")]
    NoUnit,
    /// A unit alone, a sign or a fraction.
    #[error("no whole number stands before the unit")]
    NoNumber,
    /// None that is known.
    #[error("unknown unit")]
    UnknownUnit,
    /// More than 64 bits hold.
    #[error("the number is too large")]
    TooLarge,
}

/// `250ms`, `1s`, `2m`, `1h`.
///
/// # Errors
/// [`UnitFault`].
pub fn duration(text: &str) -> Result<Duration, UnitFault> {
    quantity(text, &DURATION_UNITS).map(Duration::from_millis)
}

/// `50000B`, `10KB`, `16MiB`, in bytes.
///
/// # Errors
/// [`UnitFault`].
pub fn size(text: &str) -> Result<u64, UnitFault> {
    quantity(text, &SIZE_UNITS)
}

/// How a duration is written.
pub fn duration_text(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    quantity_text(millis, DURATION_UNITS.iter())
}

/// How a size is written, in binary units where it is a multiple of one.
pub fn size_text(bytes: u64) -> String {
    quantity_text(bytes, SIZE_UNITS.iter().filter(|(unit, _)| *unit == "B" || unit.contains('i')))
}

fn quantity(text: &str, units: &[(&str, u64)]) -> Result<u64, UnitFault> {
    let digits_end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, unit) = text.split_at(digits_end);
    if digits.is_empty() {
        return Err(UnitFault::NoNumber);
    }
    if unit.is_empty() {
        return Err(UnitFault::NoUnit);
    }
    let (_, factor) = units.iter().find(|(known, _)| *known == unit).ok_or(UnitFault::UnknownUnit)?;
    digits.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor)).ok_or(UnitFault::TooLarge)
}

/// `number` in the largest unit that it is a multiple of.
fn quantity_text<'u>(number: u64, units: impl DoubleEndedIterator<Item = &'u (&'u str, u64)>) -> String {
    let mut fitting = units.rev().filter(|(_, factor)| number.is_multiple_of(*factor) && number >= *factor);
    let (unit, factor) = fitting.next().copied().unwrap_or(("", 1));
    format!("{}{unit}", number / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_and_write_alike() {
        for (text, millis) in [("1s", 1_000), ("250ms", 250), ("2m", 120_000), ("1h", 3_600_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
            assert_eq!(duration_text(Duration::from_millis(millis)), text);
        }
        for (text, bytes) in [("16MiB", 16 << 20), ("50000B", 50_000), ("4GiB", 4 << 30), ("64KiB", 64 << 10)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
            assert_eq!(size_text(bytes), text);
        }
        assert_eq!(size("10KB"), Ok(10_000));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
    }

    #[test]
    fn what_is_no_quantity_says_why() {
        assert_eq!(duration("10"), Err(UnitFault::NoUnit));
        for text in ["", "s", "-1s", "+1s", " 1s", ".5s"] {
            assert_eq!(duration(text), Err(UnitFault::NoNumber), "{text}");
        }
        for text in ["1 s", "1S", "1.5s", "1sec", "1s ", "1us"] {
            assert_eq!(duration(text), Err(UnitFault::UnknownUnit), "{text}");
        }
        assert_eq!(size("16mb"), Err(UnitFault::UnknownUnit));
        assert_eq!(size("18446744073709551615B"), Ok(u64::MAX));
        assert_eq!(size("18446744073709551616B"), Err(UnitFault::TooLarge));
        assert_eq!(duration("18446744073709551615s"), Err(UnitFault::TooLarge));
    }
}
