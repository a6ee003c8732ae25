//! What is wrong with flags in the store, with its place in the document.

use std::collections::BTreeMap;

use sluice_document::fault::excerpt_at;
use sluice_flagd::{DocumentFault, FlagFault};

use super::book::Definition;
use super::{FLAGS_PREFIX, edit};
use crate::fault::{Fault, FaultSource};

/// What is no document at all. `serves` = an earlier one goes on.
pub(super) fn of_content(set: &str, reason: &str, serves: bool) -> Fault {
    let subject = format!("{FLAGS_PREFIX}{set}");
    Fault::new(FaultSource::Flag, subject.clone(), format!("{reason}; {}", stays(serves))).in_file(subject)
}

const fn stays(serves: bool) -> &'static str {
    if serves { "the document before counts" } else { "the set is left out" }
}

/// A document that is no flag definition. `serves` = an earlier one goes on.
pub(super) fn of_document(set: &str, text: &str, fault: &DocumentFault, serves: bool) -> Fault {
    let subject = format!("{FLAGS_PREFIX}{set}");
    Fault {
        hint: fault.hint.clone(),
        path: Some(fault.path.clone()).filter(|path| !path.is_empty()),
        ..placed(
            subject.clone(),
            &subject,
            text,
            (fault.line, fault.column),
            format!("{}; {}", fault.message, stays(serves)),
        )
    }
}

/// A flag whose rule is none; the others of its set can be evaluated.
pub(super) fn of_flag(set: &Definition, fault: &FlagFault) -> Fault {
    let FlagFault { flag, message, line, column, path } = fault;
    let message = format!("flag `{flag}` cannot be evaluated: {message}");
    let file = format!("{FLAGS_PREFIX}{}", set.name);
    Fault { path: Some(path.clone()), ..placed(format!("{file}/{flag}"), &file, &set.text, (*line, *column), message) }
}

/// Flags of the sets, in the order of their names, that do not count because the same key is defined before.
pub(super) fn shadowed<'d>(
    sets: impl Iterator<Item = &'d Definition>,
    switches: &BTreeMap<String, Option<bool>>,
) -> impl Iterator<Item = Fault> {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    let flags = sets.flat_map(|set| set.flags.flags().map(move |flag| (set, flag.key)));
    flags.filter_map(move |(set, key)| {
        if switches.contains_key(key) {
            return Some(shadow(set, key, None));
        }
        let owner = *owners.entry(key).or_insert(&set.name);
        (owner != set.name).then(|| shadow(set, key, Some(owner)))
    })
}

fn shadow(set: &Definition, key: &str, owner: Option<&str>) -> Fault {
    let message = match owner {
        None => format!("`{key}` is a switch, a raw key of the store: the switch counts, this definition does not"),
        Some(owner) => {
            format!("`{key}` is defined in the set `{owner}` too: that one counts, this definition does not")
        }
    };
    let file = format!("{FLAGS_PREFIX}{}", set.name);
    let place = edit::place(&set.text, key).unwrap_or((1, 1));
    Fault {
        hint: Some("give it another key, or remove it from this set".to_owned()),
        path: Some(format!("flags.{key}")),
        ..placed(format!("{file}/{key}"), &file, &set.text, place, message)
    }
}

fn placed(subject: String, file: &str, text: &str, (line, column): (usize, usize), message: String) -> Fault {
    Fault {
        line: Some(line),
        column: Some(column),
        excerpt: Some(excerpt_at(text, line, column)),
        ..Fault::new(FaultSource::Flag, subject, message).in_file(file)
    }
}
