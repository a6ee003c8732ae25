//! Figures as people read them: times, spans and sizes in the unit in which they have few digits. Files and JSON have
//! exact ones.

/// Nanoseconds, and the unit from which on they are told in it, largest first.
const TIME_UNITS: [(u64, &str); 3] = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")];
/// Bytes, and the unit from which on they are told in it, largest first (IEC 80000-13).
const SIZE_UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
/// Digits between two separators.
const GROUP_DIGITS: usize = 3;

/// A short time: `850 ns`, `4.1 us`, `12.5 ms`, `3.0 s`.
pub(crate) fn nanos(ns: u64) -> String {
    scaled(ns, &TIME_UNITS, "ns")
}

/// A size: `512 B`, `1.1 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    scaled(bytes, &SIZE_UNITS, "B")
}

/// A count with its thousands apart: `1,234,567`.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let head = digits.len() % GROUP_DIGITS;
    let groups = digits.as_bytes()[head..].chunks(GROUP_DIGITS).map(String::from_utf8_lossy);
    let groups: Vec<_> = Some(digits[..head].into())
        .filter(|head: &std::borrow::Cow<'_, str>| !head.is_empty())
        .into_iter()
        .chain(groups)
        .collect();
    groups.join(",")
}

/// How long something lasts on: `12 s`, `4:12`, `1:04:12`.
pub(crate) fn span(ms: u64) -> String {
    let seconds = ms.div_ceil(1_000);
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes}:{:02}", seconds % 60),
        _ => format!("{hours}:{minutes:02}:{:02}", seconds % 60),
    }
}

/// A part of a whole in percent: `3.2 %`; of nothing `-`.
pub(crate) fn share(part: u64, whole: u64) -> String {
    let permille = part.saturating_mul(1_000) / whole.max(1);
    if whole == 0 { "-".to_owned() } else { format!("{}.{} %", permille / 10, permille % 10) }
}

fn scaled(value: u64, units: &[(u64, &str)], smallest: &str) -> String {
    let Some((unit, name)) = units.iter().find(|(unit, _)| value >= *unit) else {
        return format!("{value} {smallest}");
    };
    let tenths = u128::from(value) * 10 / u128::from(*unit);
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_change_their_unit_at_its_bound() {
        assert_eq!((nanos(999), nanos(1_000), nanos(4_190)), ("999 ns".into(), "1.0 us".into(), "4.1 us".into()));
        assert_eq!((nanos(999_999), nanos(1_000_000)), ("999.9 us".into(), "1.0 ms".into()));
        assert_eq!((nanos(2_500_000_000), nanos(0)), ("2.5 s".into(), "0 ns".into()));
        assert_eq!(
            (bytes(1_023), bytes(1_024), bytes(1_179_648)),
            ("1023 B".into(), "1.0 KiB".into(), "1.1 MiB".into())
        );
        assert_eq!(bytes(u64::MAX), "17179869183.9 GiB");
    }

    #[test]
    fn thousands_stand_apart() {
        let told: Vec<String> = [0, 12, 999, 1_000, 123_456, 1_234_567].into_iter().map(count).collect();
        assert_eq!(told, ["0", "12", "999", "1,000", "123,456", "1,234,567"]);
    }

    #[test]
    fn a_span_is_never_told_shorter_than_it_is() {
        let told: Vec<String> = [0, 1, 59_000, 59_001, 252_000, 3_852_000].into_iter().map(span).collect();
        assert_eq!(told, ["0 s", "1 s", "59 s", "1:00", "4:12", "1:04:12"]);
    }

    #[test]
    fn a_share_of_nothing_is_none() {
        assert_eq!((share(0, 0), share(1, 3), share(2, 2)), ("-".into(), "33.3 %".into(), "100.0 %".into()));
    }
}
