//! A table on a terminal: columns as wide as their widest cell, two spaces apart. Colour is put on after the width is
//! known, for it takes no room. A cell is one line, whatever it is told.

use crate::terminal::Paint;

/// Between two columns.
const GAP: &str = "  ";

/// On which side of its column a cell stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Words.
    Left,
    /// Figures.
    Right,
}

/// One cell.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    colour: fn(Paint, &str) -> String,
}

impl Cell {
    /// With a colour, a method of [`Paint`].
    pub(crate) fn coloured(text: impl Into<String>, colour: fn(Paint, &str) -> String) -> Self {
        let text: String = text.into();
        Self { text: text.replace(['\n', '\t'], " "), colour }
    }

    /// Without.
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self::coloured(text, |_, text| text.to_owned())
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::plain(text)
    }
}

/// The table with these columns; rows have a cell for each of them.
pub(crate) fn table<const N: usize>(columns: [(&str, Side); N], rows: &[[Cell; N]], paint: Paint) -> String {
    let head = columns.map(|(name, _)| Cell::coloured(name, Paint::dim));
    let all = || std::iter::once(&head).chain(rows);
    let widths: [usize; N] = std::array::from_fn(|column| all().map(|row| row[column].width()).max().unwrap_or(0));
    let line = |row: &[Cell; N]| {
        let cells = row.iter().zip(columns).zip(widths).map(|((cell, (_, side)), width)| {
            let room = " ".repeat(width - cell.width());
            let text = (cell.colour)(paint, &cell.text);
            if side == Side::Left { text + &room } else { room + &text }
        });
        cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    };
    all().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows =
            [["a".into(), "1".into(), Cell::coloured("x", Paint::red)], ["b\nde".into(), "100".into(), "".into()]];
        let shown = table([("name", Side::Left), ("n", Side::Right), ("note", Side::Left)], &rows, Paint::none());
        assert_eq!(shown, "name    n  note\na       1  x\nb de  100");
    }
}
