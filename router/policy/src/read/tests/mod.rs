//! Tests of the readers, over whole files as an operator writes them.

mod alerts;
mod bounds;
mod example;
mod expectations;
mod faults;
mod header_edits;
mod plugin_tests;
mod plugins;
mod process;
mod robust;
mod rollouts;
mod vocabulary;
mod vocabulary_faults;

use crate::{Faults, Policy, Source, parse};

fn source(file: &str, text: &str) -> Source {
    Source { file: file.into(), text: text.into() }
}

fn parse_one(text: &str) -> Result<Policy, Faults> {
    parse(&[source("a.toml", text)])
}

/// The only fault of `text`: place, message and hint on one line.
fn only_fault(text: &str) -> String {
    one_line(parse_one(text).expect_err(text))
}

fn one_line(faults: Faults) -> String {
    let shown = faults.to_string();
    let [fault] = faults.0.try_into().unwrap_or_else(|_| panic!("more than one fault:\n{shown}"));
    format!("{}:{}: {} | {}", fault.line, fault.column, fault.message, fault.hint.unwrap_or_default())
}
