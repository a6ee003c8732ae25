//! A table being read: which keys it has, and which nobody knows. Holds the reader of the table to its shape: in debug
//! builds it is an error of ours to ask for a key that the shape lacks, or not to ask for one that it has.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::reader::{Named, Place, Reader, Value, choice_hint, nearest, quoted};
use crate::shape::{Need, Shape};
use crate::values::{expected, name};

/// A table of which each known key is asked for once; [`Keys::finish`] reports the others.
pub struct Keys<'d> {
    table: &'d DeTable<'d>,
    place: Place,
    shape: &'static Shape,
    asked: Vec<&'static str>,
}

impl<'d> Keys<'d> {
    /// The table that `value` is, of the shape `shape`.
    pub fn of(reader: &mut Reader<'_>, value: &'d Value<'d>, shape: &'static Shape) -> Option<Self> {
        let table = table(reader, value)?;
        Some(Self { table, place: reader.place_of(value), shape, asked: Vec::new() })
    }

    /// The table of a whole document.
    pub fn root(reader: &Reader<'_>, table: &'d Spanned<DeTable<'d>>, shape: &'static Shape) -> Self {
        Self { place: reader.place_of(table), table: table.get_ref(), shape, asked: Vec::new() }
    }

    /// Where the table begins.
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// The value of `key`.
    pub fn find(&mut self, key: &'static str) -> Option<&'d Value<'d>> {
        debug_assert!(self.shape.key(key).is_some(), "`{key}` is no key of {}", self.shape.title);
        self.asked.push(key);
        self.table.get(key)
    }

    /// The value of `key` as `read` understands it; `None` if it is absent or faulty.
    pub fn optional<T>(
        &mut self,
        reader: &mut Reader<'_>,
        key: &'static str,
        read: impl FnOnce(&mut Reader<'_>, &'d Value<'d>) -> Option<T>,
    ) -> Option<T> {
        self.find(key).and_then(|value| read(reader, value))
    }

    /// The value of `key` as `read` understands it; absence is a fault, with `hint`.
    pub fn required<T>(
        &mut self,
        reader: &mut Reader<'_>,
        key: &'static str,
        hint: &str,
        read: impl FnOnce(&mut Reader<'_>, &'d Value<'d>) -> Option<T>,
    ) -> Option<T> {
        debug_assert!(self.shape.key(key).is_some_and(|key| matches!(key.need, Need::Required)), "`{key}` is required");
        let found = self.find(key);
        if found.is_none() {
            self.missing(reader, &self.place, &[key], format!("`{key}` is missing"), hint);
        }
        found.and_then(|value| read(reader, value))
    }

    /// Keeps the fault that all of `wanted` are missing, unless one of them is there under a name that [`Self::finish`]
    /// reports with the right one.
    pub fn missing(
        &self,
        reader: &mut Reader<'_>,
        place: &Place,
        wanted: &[&str],
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let known = self.known();
        let mut unknown = self.table.keys().map(|key| key.get_ref()).filter(|key| self.shape.key(key).is_none());
        if !unknown.any(|key| nearest(key, &known).is_some_and(|meant| wanted.contains(&meant))) {
            reader.missing(place, message, hint);
        }
    }

    /// Reports every key that the shape does not have.
    pub fn finish(self, reader: &mut Reader<'_>) {
        let known = self.known();
        for name in &known {
            debug_assert!(self.asked.contains(name), "`{name}` of {} is not read", self.shape.title);
        }
        for (key, _) in self.table {
            if self.shape.key(key.get_ref()).is_none() {
                let message = format!("unknown key {}", quoted(key.get_ref()));
                reader.fault(&reader.place_of(key), message, choice_hint(key.get_ref(), &known));
            }
        }
    }

    fn known(&self) -> Vec<&'static str> {
        self.shape.keys.iter().map(|key| key.name).collect()
    }
}

/// The table that `value` is.
fn table<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<&'d DeTable<'d>> {
    match value.get_ref() {
        DeValue::Table(table) => Some(table),
        other => expected(reader, &reader.place_of(value), "a table", other),
    }
}

/// Reads each entry of the table `value`, whose keys are names, with `read`; at most `max` of them.
pub fn entries<'d>(
    reader: &mut Reader<'_>,
    value: &'d Value<'d>,
    max: usize,
    mut read: impl FnMut(&mut Reader<'_>, Named, &'d Value<'d>),
) {
    let Some(table) = table(reader, value) else { return };
    if table.len() > max {
        reader.fault(&reader.place_of(value), format!("more than {max} entries"), "remove those that are not used");
    }
    for (key, value) in table.iter().take(max) {
        if let Some(name) = name(reader, key.get_ref(), reader.place_of(key)) {
            read(reader, name, value);
        }
    }
}
