//! Canonical CBOR (RFC 8949 section 4.2.3, the length-first order of RFC 7049) of what `fractional` version 3 hashes.
//!
//! A number without a fraction is an integer if 64 bits hold it, as the version asks, so that `1.0` and `1` are one caller.

use serde_json::Value;

use crate::datum::Datum;

/// Values within values. What is deeper is not hashed: the context's parser and the rules stop earlier.
const DEPTH_MAX: usize = 200;

const MAJOR_UNSIGNED: u8 = 0;
const MAJOR_NEGATIVE: u8 = 1;
const MAJOR_TEXT: u8 = 3;
const MAJOR_ARRAY: u8 = 4;
const MAJOR_MAP: u8 = 5;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;
const HALF: u8 = 0xf9;
const SINGLE: u8 = 0xfa;
const DOUBLE: u8 = 0xfb;
/// The one NaN of canonical CBOR.
const NAN: [u8; 3] = [HALF, 0x7e, 0x00];
/// 2^64: the first number that an unsigned integer does not hold.
const UNSIGNED_END: f64 = 18_446_744_073_709_551_616.0;
/// -2^63: the last number below zero that is an integer to flagd.
const NEGATIVE_LAST: f64 = -9_223_372_036_854_775_808.0;

/// The array of two strings.
pub(crate) fn pair(left: &str, right: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(left.len() + right.len() + 8);
    head(&mut bytes, MAJOR_ARRAY, 2);
    text(&mut bytes, left);
    text(&mut bytes, right);
    bytes
}

/// `datum`, or `None` if it is no plain value.
pub(crate) fn encode(datum: &Datum<'_>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    value(&mut bytes, &datum_to_json(datum)?, DEPTH_MAX)?;
    Some(bytes)
}

/// A NaN or an infinity is not JSON, but a rule can come to one: it is encoded apart.
fn datum_to_json(datum: &Datum<'_>) -> Option<Encoded> {
    match datum {
        Datum::Number(number) => Some(Encoded::Number(*number)),
        Datum::Everything | Datum::Flagd | Datum::Undefined => None,
        other => Some(Encoded::Json(other.to_json())),
    }
}

enum Encoded {
    Number(f64),
    Json(Value),
}

fn value(bytes: &mut Vec<u8>, encoded: &Encoded, depth: usize) -> Option<()> {
    match encoded {
        Encoded::Number(number) => {
            float(bytes, *number);
            Some(())
        }
        Encoded::Json(value) => json(bytes, value, depth),
    }
}

fn json(bytes: &mut Vec<u8>, value: &Value, depth: usize) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    match value {
        Value::Null => bytes.push(NULL),
        Value::Bool(flag) => bytes.push(if *flag { TRUE } else { FALSE }),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => head(bytes, MAJOR_UNSIGNED, number),
            (None, Some(number)) => head(bytes, MAJOR_NEGATIVE, !number.cast_unsigned()),
            (None, None) => float(bytes, number.as_f64()?),
        },
        Value::String(string) => text(bytes, string),
        Value::Array(items) => {
            head(bytes, MAJOR_ARRAY, items.len() as u64);
            for item in items {
                json(bytes, item, depth)?;
            }
        }
        Value::Object(members) => {
            head(bytes, MAJOR_MAP, members.len() as u64);
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|(left, _), (right, _)| left.len().cmp(&right.len()).then_with(|| left.cmp(right)));
            for (name, member) in sorted {
                text(bytes, name);
                json(bytes, member, depth)?;
            }
        }
    }
    Some(())
}

/// Major type and argument, in the fewest bytes.
fn head(bytes: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    let wide = argument.to_be_bytes();
    match argument {
        0..24 => bytes.push(major | wide[7]),
        24..0x100 => bytes.extend([major | 24, wide[7]]),
        0x100..0x1_0000 => {
            bytes.push(major | 25);
            bytes.extend(&wide[6..]);
        }
        0x1_0000..0x1_0000_0000 => {
            bytes.push(major | 26);
            bytes.extend(&wide[4..]);
        }
        _ => {
            bytes.push(major | 27);
            bytes.extend(wide);
        }
    }
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    head(bytes, MAJOR_TEXT, text.len() as u64);
    bytes.extend(text.as_bytes());
}

/// An integer if it is one, else the shortest of the three widths that keeps its value.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "integers within 64 bits; a tried narrowing"
)]
fn float(bytes: &mut Vec<u8>, number: f64) {
    let whole = number.fract() == 0.0;
    if whole && (0.0..UNSIGNED_END).contains(&number) {
        return head(bytes, MAJOR_UNSIGNED, number as u64);
    }
    if whole && (NEGATIVE_LAST..0.0).contains(&number) {
        return head(bytes, MAJOR_NEGATIVE, !(number as i64).cast_unsigned());
    }
    let single = number as f32;
    if number.is_nan() {
        bytes.extend(NAN);
    } else if f64::from(single).to_bits() != number.to_bits() {
        bytes.push(DOUBLE);
        bytes.extend(number.to_be_bytes());
    } else if let Some(half) = half(single) {
        bytes.push(HALF);
        bytes.extend(half.to_be_bytes());
    } else {
        bytes.push(SINGLE);
        bytes.extend(single.to_be_bytes());
    }
}

/// IEEE 754 binary16 of `number`, if that loses nothing.
#[expect(clippy::cast_possible_truncation, reason = "the parts of a binary32, shifted into those of a binary16")]
fn half(number: f32) -> Option<u16> {
    let bits = number.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let exponent = ((bits >> 23) & 0xff).cast_signed() - 127;
    let mantissa = bits & 0x007f_ffff;
    match exponent {
        128 if mantissa == 0 => Some(sign | 0x7c00),
        -127 if mantissa == 0 => Some(sign),
        -14..=15 if mantissa.trailing_zeros() >= 13 => {
            Some(sign | ((exponent + 15).cast_unsigned() as u16) << 10 | (mantissa >> 13) as u16)
        }
        // Subnormal: the leading one becomes a bit of the mantissa.
        -24..=-15 => {
            let shift = (-1 - exponent).cast_unsigned();
            let full = mantissa | 0x0080_0000;
            (full.trailing_zeros() >= shift).then(|| sign | (full >> shift) as u16)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hex(datum: &Datum<'_>) -> String {
        encode(datum).unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// RFC 8949, appendix A, but that whole floats are integers.
    #[test]
    fn values_are_encoded_as_the_rfc_shows() {
        for (value, expected) in [
            (json!(0), "00"),
            (json!(23), "17"),
            (json!(24), "1818"),
            (json!(1000), "1903e8"),
            (json!(1_000_000), "1a000f4240"),
            (json!(1_000_000_000_000_u64), "1b000000e8d4a51000"),
            (json!(u64::MAX), "1bffffffffffffffff"),
            (json!(-1), "20"),
            (json!(-100), "3863"),
            (json!(i64::MIN), "3b7fffffffffffffff"),
            (json!(1.0), "01"),
            (json!(1.5), "f93e00"),
            (json!(100_000.5), "fa47c35040"),
            (json!(1.1), "fb3ff199999999999a"),
            (json!(5.960_464_477_539_063e-8), "f90001"),
            (json!(0.000_061_035_156_25), "f90400"),
            (json!(-4.1), "fbc010666666666666"),
            (json!(1e300), "fb7e37e43c8800759c"),
            (json!(""), "60"),
            (json!("ü"), "62c3bc"),
            (json!([1, [2, 3]]), "8201820203"),
            (json!({"b": 1, "a": [true], "aa": null}), "a3616181f5616201626161f6"),
        ] {
            assert_eq!(hex(&Datum::from(&value)), expected, "{value}");
        }
        assert_eq!(hex(&Datum::Number(f64::NAN)), "f97e00");
        assert_eq!(hex(&Datum::Number(f64::NEG_INFINITY)), "f9fc00");
        assert_eq!(hex(&Datum::Number(-0.0)), "00");
    }

    #[test]
    fn a_pair_is_an_array_of_two_strings() {
        assert_eq!(pair("a", "bc"), [0x82, 0x61, b'a', 0x62, b'b', b'c']);
    }
}
