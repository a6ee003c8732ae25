//! Names of one kind: unique over all files, then an index to resolve references.

use std::collections::BTreeMap;

use crate::reader::{Named, Place, Reader, quoted};

/// The names of one kind that were declared so far.
#[derive(Default)]
pub struct Names {
    places: BTreeMap<String, Place>,
}

/// All names of one kind in order; the position of a name is its index in what is read.
pub struct Index {
    names: Vec<String>,
}

impl Names {
    /// Declares `name`; a second declaration is a fault. Faulty items are declared too, so that references to them are
    /// not reported as well.
    pub fn declare(&mut self, reader: &mut Reader<'_>, kind: &str, name: &Named) {
        if let Some(first) = self.places.get(&name.text) {
            let hint = format!("rename one of the two; the first is at {}", reader.show(first));
            reader.fault(&name.place, format!("{kind} {} is declared twice", quoted(&name.text)), hint);
        } else {
            self.places.insert(name.text.clone(), name.place.clone());
        }
    }

    /// The index of all that was declared.
    #[must_use]
    pub fn into_index(self) -> Index {
        Index { names: self.places.into_keys().collect() }
    }
}

impl Index {
    /// The index of the `kind` that `name` names; none of that name is a fault.
    pub fn resolve(&self, reader: &mut Reader<'_>, kind: &str, name: &Named) -> Option<usize> {
        let found = self.names.binary_search(&name.text).ok();
        if found.is_none() {
            reader.dangling(name, kind, self.names.iter().map(String::as_str));
        }
        found
    }
}
