//! Tables, for people: columns without lines, so that they can be cut and searched.

use comfy_table::{CellAlignment, Table, presets};

/// A table with these headings; the columns of `right` are numbers.
pub(crate) fn render(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>, right: &[usize]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(headings.iter().map(|heading| heading.to_uppercase()).collect::<Vec<_>>());
    table.add_rows(rows);
    for index in 0..headings.len() {
        if let Some(column) = table.column_mut(index) {
            column.set_padding((0, 2));
            if right.contains(&index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    table.trim_fmt()
}

/// A time ago, in the largest unit that fits: `3m`.
pub(crate) fn ago(at_ms: u64) -> String {
    let seconds = sluice_infra_plan::state::now_ms().saturating_sub(at_ms) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A moment, as RFC 3339 in UTC, whole seconds.
pub(crate) fn moment(at_ms: u64) -> String {
    let seconds = i64::try_from(at_ms / 1000).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).map_or_else(|_| at_ms.to_string(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_their_headings() {
        let table = render(
            &["name", "price"],
            [vec!["a".to_owned(), "$6.00".to_owned()], vec!["bb".to_owned(), "$12.00".to_owned()]],
            &[1],
        );
        assert_eq!(table, "NAME   PRICE\na      $6.00\nbb    $12.00");
    }

    #[test]
    fn a_moment_is_told_in_utc() {
        assert_eq!(moment(1_795_521_600_123), "2026-11-24T12:00:00Z");
    }
}
