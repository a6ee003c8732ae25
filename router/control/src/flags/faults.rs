//! What is wrong with flags in the store, with its place in the document.

use std::collections::BTreeMap;

use sluice_flagd::{DocumentFault, FlagFault};
use sluice_policy::fault::excerpt_at;

use super::book::Definition;
use super::{FLAGS_PREFIX, edit};
use crate::fault::{Fault, FaultSource};

/// Flags of one set that are told to be defined elsewhere; who has more sees the rest when these are gone.
const SHADOWED_SHOWN_MAX: usize = 16;

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
pub(super) fn of_flag(set: &str, text: &str, fault: &FlagFault) -> Fault {
    let FlagFault { flag, message, line, column, path } = fault;
    let message = format!("flag `{flag}` cannot be evaluated: {message}");
    let (subject, file) = (format!("{FLAGS_PREFIX}{set}/{flag}"), format!("{FLAGS_PREFIX}{set}"));
    Fault { path: Some(path.clone()), ..placed(subject, &file, text, (*line, *column), message) }
}

/// Flags of the sets, in the order of their names, that do not count because the same key is defined before.
pub(super) fn shadowed<'d>(
    sets: impl Iterator<Item = &'d Definition>,
    switches: &BTreeMap<String, Option<bool>>,
) -> Vec<Fault> {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    let mut faults = Vec::new();
    for set in sets {
        let mut shown = 0;
        for flag in set.flags.flags() {
            let owner =
                if switches.contains_key(flag.key) { None } else { Some(*owners.entry(flag.key).or_insert(&set.name)) };
            if owner == Some(&*set.name) || shown == SHADOWED_SHOWN_MAX {
                continue;
            }
            shown += 1;
            faults.push(shadow(set, flag.key, owner));
        }
    }
    faults
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
