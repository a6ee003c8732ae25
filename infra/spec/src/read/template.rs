//! Templates: are all the names in them known, and may they stand there?

use sluice_document::reader::{Named, Reader, choice_hint, quoted};

use crate::template::{NAMES, SECRET_NAMES};

/// Where a template stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    /// In argv, which every user of a machine can read.
    Arguments,
    /// In the environment, which its own user can.
    Environment,
}

/// Faults every `{{ name }}` that is not known, not closed, or a secret in argv.
pub(crate) fn template(reader: &mut Reader<'_>, text: &Named, place: Where) {
    let mut rest = text.text.as_str();
    while let Some((_, after)) = rest.split_once("{{") {
        let Some((inside, after)) = after.split_once("}}") else {
            reader.fault(&text.place, "`{{` is not closed", "write {{ port }}");
            return;
        };
        let name = inside.trim();
        if !NAMES.contains(&name) {
            let message = format!("nothing is named {} here", quoted(name));
            reader.fault(&text.place, message, choice_hint(name, &NAMES));
        } else if place == Where::Arguments && SECRET_NAMES.contains(&name) {
            let message = format!("{} holds a password, and arguments can be read by every user", quoted(name));
            reader.fault(&text.place, message, "put it into `env`");
        }
        rest = after;
    }
}
