//! `sluice shadow`: how the answers of mirrors compare with those that clients got.

use std::process::ExitCode;

use serde_json::Value;

use super::ask::AskArgs;
use crate::table::{Cell, Side, table};
use crate::terminal::Paint;

/// Arguments of `sluice shadow`.
#[derive(Debug, clap::Args)]
pub(crate) struct ShadowArgs {
    #[command(flatten)]
    ask: AskArgs,
}

/// Shows the counts and the last differences.
pub(crate) fn shadow(args: &ShadowArgs) -> anyhow::Result<ExitCode> {
    let told = args.ask.client()?.get("/v1/shadow")?;
    args.ask.show(told, |told: Value| text(&told, Paint::stdout()))?;
    Ok(ExitCode::SUCCESS)
}

fn text(told: &Value, paint: Paint) -> String {
    let comparisons = told["comparisons"].as_array().map_or(&[][..], Vec::as_slice);
    if comparisons.is_empty() {
        return "nothing was compared: no mirror has `compare`, or none was asked yet".to_owned();
    }
    let columns = [
        ("ROUTE", Side::Left),
        ("MIRROR", Side::Left),
        ("SAME", Side::Right),
        ("DIFFERENT", Side::Right),
        ("STATUS", Side::Right),
        ("HEADERS", Side::Right),
        ("BODY", Side::Right),
        ("UNFINISHED", Side::Right),
    ];
    let row = |totals: &Value| {
        let of = |name: &str| plain(&totals[name]);
        let different =
            Cell::coloured(of("different"), if totals["different"] == 0 { Paint::green } else { Paint::yellow });
        [
            of("route").into(),
            of("mirror").into(),
            of("same").into(),
            different,
            of("status").into(),
            of("headers").into(),
            of("body").into(),
            of("unfinished").into(),
        ]
    };
    let rows: Vec<[Cell; 8]> = comparisons.iter().map(row).collect();
    let mut lines = vec![table(columns, &rows, paint)];
    lines.extend(told["differences"].as_array().into_iter().flatten().map(|difference| line(difference, paint)));
    lines.join("\n")
}

/// `TIME ID METHOD PATH ROUTE/MIRROR: WHAT DIFFERS`.
fn line(difference: &Value, paint: Paint) -> String {
    let of = |name: &str| plain(&difference[name]);
    let mut parts = Vec::new();
    if let Some(status) = difference.get("status") {
        parts.push(format!("status {}", sides(status)));
    }
    for header in difference["headers"].as_array().into_iter().flatten() {
        parts.push(format!("{} {}", plain(&header["name"]), sides(header)));
    }
    if let Some(body) = difference.get("body") {
        let from = body["offset"]
            .as_u64()
            .map_or_else(|| "behind what is compared".to_owned(), |offset| format!("from byte {offset} on"));
        parts.push(format!("body {from}, {} bytes", sides(&body["bytes"])));
    }
    let (time, id) = (paint.dim(&of("time")), of("request_id"));
    let told = format!(
        "{time}  {id}  {} {}  {}/{}: {}",
        of("method"),
        of("path"),
        of("route"),
        of("mirror"),
        parts.join("; ")
    );
    told.replace(['\n', '\t'], " ")
}

/// `CLIENT -> MIRROR`.
fn sides(pair: &Value) -> String {
    format!("{} -> {}", plain(&pair["client"]), plain(&pair["mirror"]))
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_told_on_one_line_each() {
        let told = json!({
            "comparisons": [{"route": "app", "mirror": "next", "same": 7, "cut": 0, "different": 1, "status": 1,
                "headers": 1, "body": 1, "unfinished": 0}],
            "differences": [{"time": "2026-01-01T00:00:00.000Z", "request_id": "r1", "method": "GET", "path": "/cats",
                "route": "app", "mirror": "next", "status": {"client": 200, "mirror": 500},
                "headers": [{"name": "etag", "client": "\"1\"", "mirror": null}],
                "body": {"offset": 3, "bytes": {"client": 10, "mirror": 4}}}],
        });
        let text = text(&told, Paint::none());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["app", "next", "7", "1", "1", "1", "1", "0"]);
        assert_eq!(
            lines[2],
            "2026-01-01T00:00:00.000Z  r1  GET /cats  app/next: status 200 -> 500; etag \"1\" -> -; \
             body from byte 3 on, 10 -> 4 bytes"
        );
    }

    #[test]
    fn nothing_compared_is_said() {
        assert!(
            text(&json!({"comparisons": [], "differences": []}), Paint::none()).starts_with("nothing was compared")
        );
    }
}
