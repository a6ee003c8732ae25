//! `sem_ver`: compares two versions by the rules of Semantic Versioning 2.0, read a little more leniently.
//!
//! One leading v or V is left off, `1` and `1.2` are padded, numbers are taken for their text, build metadata is ignored.

use std::cmp::Ordering;

use crate::datum::Datum;
use crate::evaluate::{Answer, Run, Trace};
use crate::number;
use crate::rule::Call;
use crate::scope::Scope;

/// Longest version, and largest number in one, that the official JavaScript engine (npm's semver) takes.
const VERSION_BYTES_MAX: usize = 256;
const VERSION_NUMBER_MAX: u64 = (1 << 53) - 1;

pub(crate) fn apply<'a, T: Trace>(run: &mut Run<'a, T>, call: &'a Call, scope: &Scope<'a>) -> Answer<'a> {
    if call.arguments.len() != 3 {
        return Ok(Datum::Null);
    }
    let left = run.argument(call, 0, scope)?;
    let operator = run.argument(call, 1, scope)?;
    let right = run.argument(call, 2, scope)?;
    Ok(operator.as_text().and_then(|operator| compare(&left, operator, &right)).map_or(Datum::Null, Datum::Boolean))
}

fn compare(left: &Datum<'_>, operator: &str, right: &Datum<'_>) -> Option<bool> {
    let (left, right) = (shown(left)?, shown(right)?);
    let (left, right) = (Version::read(&left)?, Version::read(&right)?);
    let order = left.cmp(&right);
    Some(match operator {
        "=" => order == Ordering::Equal,
        "!=" => order != Ordering::Equal,
        "<" => order == Ordering::Less,
        "<=" => order != Ordering::Greater,
        ">" => order == Ordering::Greater,
        ">=" => order != Ordering::Less,
        "^" => left.core[0] == right.core[0],
        "~" => left.core[..2] == right.core[..2],
        _ => return None,
    })
}

fn shown<'d>(datum: &'d Datum<'_>) -> Option<std::borrow::Cow<'d, str>> {
    match datum {
        Datum::Number(value) => Some(number::to_text(*value).into()),
        _ => datum.as_text().map(Into::into),
    }
}

/// A version: three numbers and the identifiers of a pre-release.
#[derive(PartialEq, Eq)]
struct Version<'t> {
    core: [u64; 3],
    pre_release: &'t str,
}

impl<'t> Version<'t> {
    fn read(text: &'t str) -> Option<Self> {
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        if text.len() > VERSION_BYTES_MAX {
            return None;
        }
        let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
        let (core, pre_release) = text.split_once('-').map_or((text, None), |(core, rest)| (core, Some(rest)));
        let mut numbers = [0; 3];
        let mut count = 0;
        for part in core.split('.') {
            *numbers.get_mut(count)? = number_of(part)?;
            count += 1;
        }
        // Only what has neither pre-release nor build metadata may leave parts out.
        if count < numbers.len() && (pre_release.is_some() || build.is_some()) {
            return None;
        }
        let core = numbers;
        let pre_release_is_well_formed = pre_release.is_none_or(|text| text.split('.').all(is_pre_release_identifier));
        let build_is_well_formed = build.is_none_or(|text| text.split('.').all(is_identifier));
        (pre_release_is_well_formed && build_is_well_formed)
            .then(|| Self { core, pre_release: pre_release.unwrap_or_default() })
    }
}

fn number_of(text: &str) -> Option<u64> {
    is_numeric(text).then(|| text.parse().ok()).flatten().filter(|number| *number <= VERSION_NUMBER_MAX)
}

/// Digits without a leading zero.
fn is_numeric(text: &str) -> bool {
    text == "0" || (!text.starts_with('0') && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_pre_release_identifier(text: &str) -> bool {
    is_identifier(text) && (is_numeric(text) || !text.bytes().all(|byte| byte.is_ascii_digit()))
}

impl Ord for Version<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let core = self.core.cmp(&other.core);
        core.then_with(|| match (self.pre_release, other.pre_release) {
            ("", "") => Ordering::Equal,
            // A pre-release comes before its release.
            ("", _) => Ordering::Greater,
            (_, "") => Ordering::Less,
            (left, right) => pre_release_order(left, right),
        })
    }
}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Identifier by identifier; numbers by value and before words; of two that begin alike the longer is later.
fn pre_release_order(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(left), Some(right)) => match (is_numeric(left), is_numeric(right)) {
                (true, true) => left.len().cmp(&right.len()).then_with(|| left.cmp(right)),
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => left.cmp(right),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(left: &str, operator: &str, right: &str) -> Option<bool> {
        compare(&Datum::Text(left), operator, &Datum::Text(right))
    }

    #[test]
    fn versions_are_compared_by_precedence() {
        let ascending = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.2.0",
            "2.0.0",
        ];
        for pair in ascending.windows(2) {
            assert_eq!(holds(pair[0], "<", pair[1]), Some(true), "{pair:?}");
            assert_eq!(holds(pair[1], ">=", pair[0]), Some(true), "{pair:?}");
            assert_eq!(holds(pair[0], "!=", pair[1]), Some(true), "{pair:?}");
        }
        assert_eq!(holds("1.4.2", "^", "1.0.0"), Some(true));
        assert_eq!(holds("1.4.2", "~", "1.4.9"), Some(true));
        assert_eq!(holds("1.4.2", "~", "1.3.2"), Some(false));
    }

    #[test]
    fn reading_is_lenient_within_bounds() {
        assert_eq!(holds("v1", "=", "1.0.0"), Some(true));
        assert_eq!(holds("V1.2", "=", "1.2.0+build.7"), Some(true));
        assert_eq!(compare(&Datum::Number(2.0), ">", &Datum::Number(1.9)), Some(true));
        for bad in
            ["", "1.2.3.4", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0+", "1.2-beta", "x", "1..2", "9007199254740992"]
        {
            assert_eq!(holds(bad, "=", bad), None, "{bad}");
        }
        assert_eq!(holds("1.0.0", "==", "1.0.0"), None);
        assert!(compare(&Datum::Null, "=", &Datum::Text("1")).is_none());
    }
}
