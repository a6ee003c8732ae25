//! Numbers as people read them, in the lines that explain a decision.

/// Units of a span of time, largest first, in ms.
const SPANS: [(&str, u64); 4] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];

/// A span of time in its two largest units, rounded up to whole seconds: `1h 30m`, `45s`.
pub(crate) fn span(ms: u64) -> String {
    let mut left_ms = ms.div_ceil(1_000).saturating_mul(1_000);
    let mut parts = Vec::new();
    for (unit, unit_ms) in SPANS {
        let count = left_ms / unit_ms;
        left_ms %= unit_ms;
        if count > 0 {
            parts.push(format!("{count}{unit}"));
        }
    }
    parts.truncate(2);
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// A number with at most `decimals` decimals and no zeros at its end.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A share: `98.25 %`.
pub(crate) fn percent(value: f64) -> String {
    format!("{} %", number(value, 2))
}

/// A latency: `12.5 ms`.
#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
pub(crate) fn micros(value: u64) -> String {
    format!("{} ms", number(value as f64 / 1_000.0, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_and_never_say_too_little() {
        for (ms, text) in [
            (0, "0s"),
            (1, "1s"),
            (59_001, "1m"),
            (90_000, "1m 30s"),
            (5_400_000, "1h 30m"),
            (93_784_000, "1d 2h"),
            (3_600_001, "1h 1s"),
        ] {
            assert_eq!(span(ms), text, "{ms}");
        }
        assert!(span(u64::MAX).ends_with('h'), "{}", span(u64::MAX));
    }

    #[test]
    fn numbers_have_no_zeros_behind() {
        assert_eq!([number(1.0, 2), number(1.25, 2), number(100.0, 0)], ["1", "1.25", "100"]);
        assert_eq!([percent(99.5), micros(12_500), micros(500)], ["99.5 %", "12.5 ms", "0.5 ms"]);
    }
}
