//! The reader: one per parse. Opens documents, collects faults with their places, knows what is only a consequence of
//! another fault.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::fault::Fault;
use crate::{Faults, Source};

/// Largest file that is read; the largest real policy files have some thousand routes in a tenth of it.
pub const SOURCE_BYTES_MAX: usize = 1 << 20;
/// Faults kept for one file; whoever has more begins with these.
pub const FAULTS_PER_FILE_MAX: usize = 100;
/// Longest word for which a similar one is sought.
const SIMILAR_BYTES_MAX: usize = 64;
/// Most words that a hint lists.
const HINT_WORDS_MAX: usize = 16;
/// Longest part of the user's text that a message repeats.
const QUOTE_CHARS_MAX: usize = 64;

/// A value of a document with its place.
pub type Value<'d> = Spanned<DeValue<'d>>;

/// Where something stands.
#[derive(Clone, Debug)]
pub struct Place {
    file: usize,
    span: Range<usize>,
}

/// A word and where it stands.
#[derive(Clone, Debug)]
pub struct Named {
    /// The word.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

struct Finding {
    place: Place,
    message: String,
    hint: Option<String>,
}

/// Reads the files of one parse and keeps what is wrong with them.
pub struct Reader<'s> {
    sources: Vec<&'s Source>,
    /// Index of the file that is being read.
    file: usize,
    syntax: Vec<Finding>,
    findings: Vec<Finding>,
    /// What no fault may show.
    hidden: Vec<Place>,
    /// Findings per file.
    counts: Vec<usize>,
    /// Regular expressions so far.
    patterns: usize,
}

impl<'s> Reader<'s> {
    /// A reader of `sources`, of which nothing is read yet.
    #[must_use]
    pub fn new(sources: Vec<&'s Source>) -> Self {
        let counts = vec![0; sources.len()];
        Self { sources, file: 0, syntax: Vec::new(), findings: Vec::new(), hidden: Vec::new(), counts, patterns: 0 }
    }

    /// Begins to read the file at `index`; what could be understood of it comes back, the first syntax error of each line
    /// is kept.
    pub fn open(&mut self, index: usize) -> Option<Spanned<DeTable<'s>>> {
        self.file = index;
        let source = self.sources[index];
        if source.text.len() > SOURCE_BYTES_MAX {
            let message = format!("the file is larger than {SOURCE_BYTES_MAX} bytes");
            self.fault(&self.place(0..0), message, "split it into several files");
            return None;
        }
        let (table, mut errors) = DeTable::parse_recoverable(&source.text);
        errors.sort_by_key(|error| error.span().map(|span| span.start));
        let mut line_end = 0;
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            if span.start < line_end {
                continue;
            }
            line_end = source.text[span.start..].find('\n').map_or(usize::MAX, |newline| span.start + newline);
            let place = self.place(span);
            if self.admit(&place) {
                let message = error.message().lines().collect::<Vec<_>>().join(", ");
                self.syntax.push(Finding { place, message, hint: None });
            }
        }
        Some(table)
    }

    /// The place of `span` in the file that is being read.
    pub const fn place(&self, span: Range<usize>) -> Place {
        Place { file: self.file, span }
    }

    /// The place of `value` in the file that is being read.
    pub fn place_of<T>(&self, value: &Spanned<T>) -> Place {
        self.place(value.span())
    }

    /// `place` as people read it: file:line:column.
    pub fn show(&self, place: &Place) -> String {
        let Fault { file, line, column, .. } = self.located(place, String::new(), None);
        format!("{file}:{line}:{column}")
    }

    /// Counts one more regular expression; how many that makes.
    pub const fn count_pattern(&mut self) -> usize {
        self.patterns += 1;
        self.patterns
    }

    /// True if nothing was wrong so far: what is judged as a whole is judged only then.
    pub const fn is_faultless(&self) -> bool {
        self.syntax.is_empty() && self.findings.is_empty()
    }

    /// What stands at `place` is shown by no fault of this parse: a secret that should stand elsewhere.
    pub fn hide(&mut self, place: &Place) {
        self.hidden.push(place.clone());
    }

    /// Keeps a fault.
    pub fn fault(&mut self, place: &Place, message: impl Into<String>, hint: impl Into<String>) {
        if self.admit(place) {
            self.findings.push(Finding { place: place.clone(), message: message.into(), hint: Some(hint.into()) });
        }
    }

    /// Keeps the fault that something is missing, unless a syntax error of that file may have swallowed it.
    pub fn missing(&mut self, place: &Place, message: impl Into<String>, hint: impl Into<String>) {
        if self.syntax.iter().all(|error| error.place.file != place.file) {
            self.fault(place, message, hint);
        }
    }

    /// Keeps the fault that `name` names no `kind`, unless a syntax error of any file may have swallowed it.
    pub fn dangling<'c>(&mut self, name: &Named, kind: &str, known: impl Iterator<Item = &'c str>) {
        if self.syntax.is_empty() && self.counts[name.place.file] < FAULTS_PER_FILE_MAX {
            let message = format!("no {kind} is named {}", quoted(&name.text));
            self.fault(&name.place, message, choice_hint(&name.text, &known.collect::<Vec<_>>()));
        }
    }

    /// Counts a finding at `place`; false if its file has enough of them.
    fn admit(&mut self, place: &Place) -> bool {
        let count = &mut self.counts[place.file];
        *count += 1;
        if *count == FAULTS_PER_FILE_MAX {
            let message = format!("only the first {FAULTS_PER_FILE_MAX} faults of this file are shown");
            self.findings.push(Finding { place: place.clone(), message, hint: None });
        }
        *count < FAULTS_PER_FILE_MAX
    }

    /// The end of the parse: `value` if nothing was wrong.
    ///
    /// # Errors
    /// [`Faults`]: everything that was wrong, in order of file and place.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<T, Faults> {
        let findings = std::mem::take(&mut self.findings);
        let kept = findings.into_iter().filter(|finding| !self.is_on_syntax_line(&finding.place)).collect::<Vec<_>>();
        let mut all: Vec<Finding> = std::mem::take(&mut self.syntax).into_iter().chain(kept).collect();
        all.sort_by_key(|finding| (finding.place.file, finding.place.span.start));
        match value {
            Some(value) if all.is_empty() => Ok(value),
            _ => Err(Faults(all.into_iter().map(|it| self.located(&it.place, it.message, it.hint)).collect())),
        }
    }

    /// What stands on the line of a syntax error is not judged.
    fn is_on_syntax_line(&self, place: &Place) -> bool {
        let text = &self.sources[place.file].text;
        self.syntax.iter().filter(|error| error.place.file == place.file).any(|error| {
            let (start, end) = (error.place.span.start, place.span.start);
            let between = text.as_bytes().get(start.min(end)..start.max(end)).unwrap_or_default();
            !between.contains(&b'\n')
        })
    }

    fn located(&self, place: &Place, message: String, hint: Option<String>) -> Fault {
        let source = self.sources[place.file];
        let mut hidden = self.hidden.iter().filter(|hidden| hidden.file == place.file).peekable();
        if hidden.peek().is_none() {
            return Fault::at(source, place.span.clone(), message, hint);
        }
        let mut text = source.text.clone();
        for Place { span, .. } in hidden {
            let stars: String = text[span.clone()].bytes().map(|byte| if byte == b'\n' { '\n' } else { '*' }).collect();
            text.replace_range(span.clone(), &stars);
        }
        Fault::at(&Source { file: source.file.clone(), text }, place.span.clone(), message, hint)
    }
}

/// `text` in back quotes, cut and escaped so that it stays on one line.
pub fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(QUOTE_CHARS_MAX).flat_map(char::escape_debug).collect();
    let dots = if text.chars().nth(QUOTE_CHARS_MAX).is_some() { "..." } else { "" };
    format!("`{shown}{dots}`")
}

/// What to write instead of `word`: the most similar of `known`, or all of them.
pub fn choice_hint(word: &str, known: &[&str]) -> String {
    match (nearest(word, known), known) {
        (Some(similar), _) => format!("did you mean `{similar}`?"),
        (None, []) => "none is declared".to_owned(),
        (None, [only]) => format!("write `{only}`"),
        (None, several) => {
            let words: Vec<String> = several.iter().take(HINT_WORDS_MAX).map(|word| format!("`{word}`")).collect();
            let dots = if several.len() > HINT_WORDS_MAX { ", ..." } else { "" };
            format!("one of {}{dots}", words.join(", "))
        }
    }
}

/// The word of `known` that differs from `word` in at most two fifths of its characters: `pahts` still finds `path`,
/// and two words of two letters are never similar.
#[must_use]
pub fn nearest<'c>(word: &str, known: &[&'c str]) -> Option<&'c str> {
    if word.len() > SIMILAR_BYTES_MAX {
        return None;
    }
    let lower = word.to_lowercase();
    let distances = known.iter().map(|other| (strsim::osa_distance(&lower, &other.to_lowercase()), *other));
    let near = distances.filter(|(distance, other)| distance * 5 <= 2 * lower.len().max(other.len()));
    near.min_by_key(|(distance, _)| *distance).map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_the_similar_word_or_all() {
        let known = ["hosts", "match", "name", "plugins", "to"];
        assert_eq!(choice_hint("host", &known), "did you mean `hosts`?");
        assert_eq!(choice_hint("Plugin", &known), "did you mean `plugins`?");
        assert_eq!(choice_hint("pahts", &["path", "query"]), "did you mean `path`?");
        assert_eq!(choice_hint("ab", &["ac", "bc"]), "one of `ac`, `bc`");
        assert_eq!(choice_hint("mathc", &known), "did you mean `match`?");
        assert_eq!(choice_hint("zebra", &known), "one of `hosts`, `match`, `name`, `plugins`, `to`");
        assert_eq!(choice_hint("x", &["only"]), "write `only`");
        assert_eq!(choice_hint("x", &[]), "none is declared");
    }

    #[test]
    fn quotes_stay_on_one_line() {
        assert_eq!(quoted("a\nb"), "`a\\nb`");
        assert_eq!(quoted(&"x".repeat(QUOTE_CHARS_MAX)), format!("`{}`", "x".repeat(QUOTE_CHARS_MAX)));
        assert_eq!(quoted(&"x".repeat(QUOTE_CHARS_MAX + 1)), format!("`{}...`", "x".repeat(QUOTE_CHARS_MAX)));
    }
}
