//! The reference of all keys, as Markdown, made from the shapes that the readers hold to.

use std::fmt::Write;

use crate::shape::{Form, Key, Need, Rule, Shape};
use crate::units::{duration_text, size_text};

/// Every key of files of these shapes: what it may be, what its absence means, what it is for.
#[must_use]
pub fn of_shapes(roots: &[&'static Shape]) -> String {
    let mut sections = Vec::new();
    roots.iter().for_each(|root| collect(root, &mut sections));
    let mut text = String::new();
    for shape in sections {
        // Writing to a String does not fail.
        let _: std::fmt::Result = section(&mut text, shape);
    }
    text
}

/// `shape` and every shape below it, parents first, each once.
fn collect(shape: &'static Shape, sections: &mut Vec<&'static Shape>) {
    if sections.iter().any(|known| known.title == shape.title) {
        return;
    }
    sections.push(shape);
    shape.keys.iter().for_each(|key| collect_form(&key.form, sections));
}

fn collect_form(form: &'static Form, sections: &mut Vec<&'static Shape>) {
    match form {
        Form::Table(shape) => collect(shape, sections),
        Form::List(of, ..) | Form::OneOrMore(of, _) | Form::Map(of, _) => collect_form(of, sections),
        Form::Either(forms) => forms.iter().for_each(|form| collect_form(form, sections)),
        Form::Text(..)
        | Form::LongText(_)
        | Form::Name
        | Form::Boolean
        | Form::False
        | Form::Integer(_)
        | Form::Percent
        | Form::Number(_)
        | Form::Duration(_)
        | Form::Size(_)
        | Form::Words(_)
        | Form::Anything => {}
    }
}

fn section(text: &mut String, shape: &Shape) -> std::fmt::Result {
    writeln!(text, "\n### `{}`\n\n| key | value | default | what |\n|---|---|---|---|", shape.title)?;
    for Key { name, form, need, about } in shape.keys {
        let default = match need {
            Need::Required => "required".to_owned(),
            Need::Optional | Need::Default("{}") => String::new(),
            Need::Default(written) => format!("`{written}`"),
        };
        writeln!(text, "| `{name}` | {} | {default} | {} |", cell(&describe(form)), cell(about))?;
    }
    let words = |keys: &[&str]| keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    match shape.rule {
        Rule::Free => Ok(()),
        Rule::ExactlyOne(keys) => writeln!(text, "\nExactly one of {}.", words(keys)),
        Rule::AtLeastOne(keys) => writeln!(text, "\nAt least one of {}.", words(keys)),
        Rule::OnlyWith(keys, with) => writeln!(text, "\n{}: only with `{with}`.", words(keys)),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn describe(form: &Form) -> String {
    match form {
        Form::Text(what, _) => (*what).to_owned(),
        Form::LongText(bytes_max) => format!("text, at most {bytes_max} bytes"),
        Form::Name => "a name".to_owned(),
        Form::Boolean => "`true`, `false`".to_owned(),
        Form::False => "`false`".to_owned(),
        Form::Integer(range) if range.start() == range.end() => range.start().to_string(),
        Form::Integer(range) => format!("{} to {}", range.start(), range.end()),
        Form::Percent => "0 to 100, at most two decimals".to_owned(),
        Form::Number(range) => format!("{} to {}", range.start(), range.end()),
        Form::Duration(range) => format!("{} to {}", time(*range.start()), time(*range.end())),
        Form::Size(range) => format!("{} to {}", size_text(*range.start()), size_text(*range.end())),
        Form::Words(words) => words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", "),
        Form::List(of, _, max) => format!("list: {}; at most {max}", describe(of)),
        Form::OneOrMore(of, max) => format!("{}; or a list, at most {max}", describe(of)),
        Form::Table(shape) => format!("`{}` table", shape.title.trim_matches(['[', ']'])),
        Form::Map(of, max) => format!("names, each with {}; at most {max}", describe(of)),
        Form::Either(forms) => forms.iter().map(describe).collect::<Vec<_>>().join(" or "),
        Form::Anything => "a table".to_owned(),
    }
}

fn time(duration: std::time::Duration) -> String {
    if duration.is_zero() { "0s".to_owned() } else { duration_text(duration) }
}
