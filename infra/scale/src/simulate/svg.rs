//! A run as a picture: load against capacity, and droplets; where it served badly is marked.

use std::fmt::Write as _;

use super::{Point, Report};

const WIDTH: u32 = 960;
const HEIGHT: u32 = 480;
/// Space for the figures on the left, and for the title above.
const LEFT: u32 = 60;
const TOP: u32 = 40;
/// Height of each of the two panels.
const PANEL: u32 = 180;
/// Space between them.
const GAP: u32 = 40;

/// Draws `ours`, with the droplets of `other` beside it.
#[must_use]
pub fn plot(title: &str, ours: &Report, other: &Report) -> String {
    let columns = WIDTH - LEFT - 20;
    let ours_columns = gathered(&ours.points, columns);
    let other_columns = gathered(&other.points, columns);
    let highest = |of: fn(&Point) -> f64, columns: &[Point]| columns.iter().map(of).fold(1.0, f64::max);
    let rps_max = highest(|point| point.rps.max(point.capacity_rps), &ours_columns);
    let desired = |point: &Point| f64::from(point.desired);
    let droplets_max = highest(desired, &ours_columns).max(highest(desired, &other_columns));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n<text x=\"{LEFT}\" y=\"18\" font-size=\"15\">{}</text>\n",
        escaped(title)
    );
    let second = TOP + PANEL + GAP;
    for (index, _) in ours_columns.iter().enumerate().filter(|(_, point)| point.is_bad) {
        let x = f64::from(LEFT) + at(index, ours_columns.len(), columns);
        let _written =
            writeln!(svg, "<rect x=\"{x:.1}\" y=\"{TOP}\" width=\"2\" height=\"{PANEL}\" fill=\"#f3b0b0\"/>");
    }
    let mut line = |top: u32, max: f64, color: &str, points: &[Point], of: &dyn Fn(&Point) -> f64| {
        let mut path = String::new();
        for (index, point) in points.iter().enumerate() {
            let x = f64::from(LEFT) + at(index, points.len(), columns);
            let y = f64::from(top) + f64::from(PANEL) * (1.0 - of(point) / max);
            let _written = write!(path, "{x:.1},{y:.1} ");
        }
        let path = path.trim_end();
        let _written =
            writeln!(svg, "<polyline fill=\"none\" stroke=\"{color}\" stroke-width=\"1.2\" points=\"{path}\"/>");
    };
    line(TOP, rps_max, "#3566b0", &ours_columns, &|point| point.rps);
    line(TOP, rps_max, "#2c8a4b", &ours_columns, &|point| point.capacity_rps);
    line(second, droplets_max, "#b9b9b9", &other_columns, &desired);
    line(second, droplets_max, "#2c8a4b", &ours_columns, &desired);
    legend(
        &mut svg,
        TOP,
        rps_max,
        &[("load, rps", "#3566b0"), ("80 % of capacity", "#2c8a4b"), ("SLO missed", "#d66")],
    );
    legend(&mut svg, second, droplets_max, &[(&ours.name, "#2c8a4b"), (&other.name, "#999")]);
    svg.push_str("</svg>\n");
    svg
}

fn legend(svg: &mut String, top: u32, max: f64, names: &[(&str, &str)]) {
    let (bottom, right) = (top + PANEL, WIDTH - 20);
    let _written = writeln!(
        svg,
        "<path d=\"M{LEFT} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"#888\"/>\n\
         <text x=\"{0}\" y=\"{1}\" text-anchor=\"end\">{max:.0}</text>\n<text x=\"{0}\" y=\"{bottom}\" text-anchor=\"end\">0</text>",
        LEFT - 6,
        top + 10
    );
    let mut x = LEFT;
    for (name, color) in names {
        let name = escaped(name);
        let _written = writeln!(svg, "<text x=\"{x}\" y=\"{}\" fill=\"{color}\">{name}</text>", top - 6);
        x += 190;
    }
}

/// One point per column at most: the highest load and the capacity at that moment, the most droplets.
fn gathered(points: &[Point], columns: u32) -> Vec<Point> {
    let size = points.len().div_ceil(usize::try_from(columns).unwrap_or(1)).max(1);
    let merge = |one: Point, other: &Point| Point {
        rps: one.rps.max(other.rps),
        // Of the same moment: the capacity of another one would show a gap that never was.
        capacity_rps: if other.rps > one.rps { other.capacity_rps } else { one.capacity_rps },
        desired: one.desired.max(other.desired),
        is_bad: one.is_bad || other.is_bad,
    };
    points.chunks(size).filter_map(|chunk| Some(chunk.iter().skip(1).fold(*chunk.first()?, merge))).collect()
}

/// Where the `index`th of `count` points stands, from the left.
#[expect(clippy::cast_precision_loss, reason = "a place in a picture")]
fn at(index: usize, count: usize, columns: u32) -> f64 {
    index as f64 / count.max(1) as f64 * f64::from(columns)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_long_runs_have_a_point_per_column() {
        let point = Point { rps: 1.0, capacity_rps: 2.0, desired: 3, is_bad: true };
        let report = Report {
            name: "<pool>".to_owned(),
            slo_bad_percent: 0.0,
            droplet_hours: 0.0,
            churn: 0,
            cost_usd: 0.0,
            peak: 3,
            points: vec![point; 50_000],
        };
        let svg = plot("a & b", &report, &report);
        assert!(svg.contains("a &amp; b") && svg.contains("&lt;pool&gt;") && !svg.contains("<pool>"));
        assert!(svg.len() < 200_000, "{}", svg.len());
    }
}
