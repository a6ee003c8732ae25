//! The report for people.

use super::report::{Report, Use};
use super::start::{Part, Started};
use crate::human::{bytes, count, nanos};
use crate::terminal::Paint;

/// Width of the labels on the left.
const LABEL_WIDTH: usize = 12;

pub(super) fn text(report: &Report, paint: Paint) -> String {
    let mut page = Page { lines: Vec::new(), paint };
    page.file(report);
    for using in &report.uses {
        page.using(using);
    }
    if let Some(started) = &report.started {
        page.started(started);
    }
    if let (true, None, Some(suggestion)) = (report.uses.is_empty(), &report.refusal, &report.suggestion) {
        page.lines.push(String::new());
        page.lines.push("no policy here uses it; one would with".to_owned());
        page.block(suggestion);
    }
    page.lines.push(String::new());
    page.verdict(report);
    page.lines.join("\n")
}

struct Page {
    lines: Vec<String>,
    paint: Paint,
}

impl Page {
    fn label(&mut self, label: &str, text: &str) {
        self.lines.push(format!("  {}{text}", self.paint.dim(&format!("{label:<LABEL_WIDTH$}"))));
    }

    /// Not at all if there is nothing to say.
    fn list(&mut self, label: &str, names: &[impl AsRef<str>]) {
        if !names.is_empty() {
            let names: Vec<String> = names.iter().map(|name| plain(name.as_ref())).collect();
            self.label(label, &names.join(", "));
        }
    }

    fn block(&mut self, block: &str) {
        self.lines.extend(block.lines().map(|line| format!("    {line}")));
    }

    fn file(&mut self, report: &Report) {
        let size = if report.bytes > 0 { format!(", {}", bytes(report.bytes as u64)) } else { String::new() };
        let name = self.paint.bold(&plain(&report.file));
        self.lines.push(format!("{name}  {}{size}", report.kind));
        if let Some(digest) = &report.digest {
            self.label("digest", digest);
        }
        if let Some(plugin) = &report.plugin {
            let (name, version) = (plain(&plugin.name), plain(&plugin.version));
            self.label("plugin", &format!("{name} {version}, contract {}", plain(&plugin.contract)));
            self.label("needs", &plugin.needs.text());
        }
        let width = report.imports.iter().map(|import| plain(&import.name).chars().count()).max().unwrap_or(0);
        for (index, import) in report.imports.iter().enumerate() {
            let why = match import.access {
                "refused" => self.paint.red(import.why),
                "denied" => self.paint.yellow(import.why),
                _ => self.paint.dim(import.why),
            };
            let label = if index == 0 { "imports" } else { "" };
            self.label(label, &format!("{:<width$}  {why}", plain(&import.name)));
        }
        self.list("exports", &report.exports);
        self.list("others", &report.other_exports);
        if let Some(compile_ns) = report.compile_ns {
            self.label("compiled", &format!("in {}", nanos(compile_ns)));
        }
    }

    fn using(&mut self, using: &Use) {
        self.lines.push(String::new());
        self.lines.push(format!("as {} of the policy", self.paint.bold(&using.plugin)));
        self.label("granted", &using.granted.text());
        if let Some(write) = &using.write {
            self.label("missing", &self.paint.red(&plain(&using.missing.join(", "))));
            self.label("write", &format!("in [plugins.{}]", using.plugin));
            self.block(write);
        }
        if let Some(started) = &using.started {
            self.started(started);
        }
    }

    fn started(&mut self, started: &Started) {
        match started {
            Started::Takes(part) => self.part(part),
            Started::Refused { reason, backtrace } => {
                self.label("start", &self.paint.red(&plain(reason)));
                self.block(backtrace.as_deref().unwrap_or_default());
            }
        }
    }

    fn part(&mut self, part: &Part) {
        let Part { start_ns, memory_bytes, phases, .. } = part;
        self.label("start", &format!("in {}, {} of memory", nanos(*start_ns), bytes(*memory_bytes as u64)));
        if phases.is_empty() {
            self.label("phases", &self.paint.yellow("none: with this configuration it is never called"));
        }
        self.list("phases", phases);
        self.list("methods", &part.methods);
        self.list("paths", &part.path_prefixes);
        self.list("fields", &part.request_fields);
        self.list("of answers", &part.response_fields);
        self.list("state", &part.state);
        self.list("variants", &part.variants);
        if let Some(above) = part.body_size_above {
            self.label("body size", &format!("above {} bytes", count(above)));
        }
        if let Some(shown) = part.body_chunk_bytes {
            let shown = if shown == 0 { "as many bytes as the policy allows".to_owned() } else { bytes(shown) };
            self.label("body", &shown);
        }
    }

    fn verdict(&mut self, report: &Report) {
        if let Some(refusal) = &report.refusal {
            self.lines.push(format!("{}: {}", self.paint.red("refused"), plain(&refusal.reason)));
            if let Some(hint) = &refusal.hint {
                self.lines.push(format!("  hint: {hint}"));
            }
            return;
        }
        let missing = report.uses.iter().filter(|using| !using.missing.is_empty()).count();
        self.lines.push(match (report.is_good(), missing) {
            (true, _) => self.paint.green("ok: a router would take it"),
            (false, 0) => self.paint.red("refused: it does not start"),
            (false, _) => self.paint.red("refused: the policy grants less than it needs"),
        });
    }
}

/// A text out of a file, without what would move the cursor of a terminal.
fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            let is_plain = !character.is_control();
            let escaped = (!is_plain).then(|| character.escape_debug());
            is_plain.then_some(character).into_iter().chain(escaped.into_iter().flatten())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_file_moves_the_cursor() {
        assert_eq!(plain("a\u{1b}[31m\n`b` ü"), "a\\u{1b}[31m\\n`b` ü");
    }
}
