//! Numbers as JavaScript reads and writes them, which is what JsonLogic means by a number.

/// From here on JavaScript writes an exponent (ECMA-262, Number::toString).
const EXPONENT_FROM: f64 = 1e21;
/// Below this, too.
const EXPONENT_BELOW: f64 = 1e-6;

/// JavaScript's `String(number)`.
pub(crate) fn to_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if number == 0.0 {
        return "0".to_owned();
    }
    if (EXPONENT_BELOW..EXPONENT_FROM).contains(&number.abs()) {
        return number.to_string();
    }
    let shown = format!("{number:e}");
    match shown.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => shown,
    }
}

/// JavaScript's `Number(text)`: blank is 0, and what is not wholly a number is NaN.
pub(crate) fn from_text(text: &str) -> f64 {
    let trimmed = text.trim_matches(is_blank);
    let unsigned = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    match unsigned.as_bytes() {
        [] if trimmed.is_empty() => 0.0,
        [b'0', b'x' | b'X', ..] => in_radix(trimmed, 16),
        [b'0', b'o' | b'O', ..] => in_radix(trimmed, 8),
        [b'0', b'b' | b'B', ..] => in_radix(trimmed, 2),
        // Rust would read "inf", "infinity" and "nan" in any case.
        [b'0'..=b'9' | b'.', ..] => trimmed.parse().unwrap_or(f64::NAN),
        _ if unsigned == "Infinity" => trimmed.parse().unwrap_or(f64::NAN),
        _ => f64::NAN,
    }
}

/// What JavaScript leaves off around numbers.
fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || letter == '\u{feff}'
}

/// A count as a number. Exact up to 2^53, which no count of ours reaches.
#[expect(clippy::cast_precision_loss, reason = "a count of items, letters or seconds")]
pub(crate) fn of_count(count: u64) -> f64 {
    count as f64
}

/// `0x1f` and its like, which have no sign.
fn in_radix(text: &str, radix: u32) -> f64 {
    let Some(digits) = text.strip_prefix('0').map(|rest| &rest[1..]).filter(|digits| !digits.is_empty()) else {
        return f64::NAN;
    };
    digits
        .chars()
        .map(|digit| digit.to_digit(radix))
        .try_fold(0.0, |sum, digit| digit.map(|digit| sum * f64::from(radix) + f64::from(digit)))
        .unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_javascript_does() {
        let cases: [(f64, &str); 11] = [
            (1.0, "1"),
            (-0.0, "0"),
            (0.1, "0.1"),
            (1e21, "1e+21"),
            (1e20, "100000000000000000000"),
            (1.5e-7, "1.5e-7"),
            (1e-6, "0.000001"),
            (-12.5, "-12.5"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
            (5e-324, "5e-324"),
        ];
        for (number, shown) in cases {
            assert_eq!(to_text(number), shown);
        }
    }

    #[test]
    fn numbers_are_read_as_javascript_does() {
        for (text, number) in
            [("", 0.0), (" \n12 ", 12.0), ("-1.5e2", -150.0), ("0x1F", 31.0), (".5", 0.5), ("5.", 5.0)]
        {
            assert_eq!(from_text(text), number, "{text}");
        }
        assert!(from_text("-Infinity").is_infinite());
        for text in ["abc", "12a", "inf", "nan", "infinity", "-0x1", "0x", "1_0", "+", "--1", "."] {
            assert!(from_text(text).is_nan(), "{text}");
        }
    }
}
