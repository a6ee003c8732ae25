//! A table being read: which keys it has, which were asked for, which nobody knows.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::reader::{Named, Place, Reader, Value, choice_hint, quoted};
use super::values::{expected, name};

/// A table of which each known key is asked for once; [`Keys::finish`] reports the others.
pub(crate) struct Keys<'d> {
    table: &'d DeTable<'d>,
    place: Place,
    asked: Vec<&'static str>,
}

impl<'d> Keys<'d> {
    /// The table that `value` is.
    pub(crate) fn of(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Self> {
        match value.get_ref() {
            DeValue::Table(table) => Some(Self { table, place: reader.place_of(value), asked: Vec::new() }),
            other => expected(reader, &reader.place_of(value), "a table", other),
        }
    }

    /// The table of a whole document.
    pub(crate) fn root(reader: &Reader<'_>, table: &'d Spanned<DeTable<'d>>) -> Self {
        Self { place: reader.place_of(table), table: table.get_ref(), asked: Vec::new() }
    }

    /// Where the table begins.
    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    /// The value of `key`.
    pub(crate) fn find(&mut self, key: &'static str) -> Option<&'d Value<'d>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.table.get(key)
    }

    /// The value of `key` as `read` understands it; `None` if it is absent or faulty.
    pub(crate) fn optional<T>(
        &mut self,
        reader: &mut Reader<'_>,
        key: &'static str,
        read: impl FnOnce(&mut Reader<'_>, &'d Value<'d>) -> Option<T>,
    ) -> Option<T> {
        self.find(key).and_then(|value| read(reader, value))
    }

    /// The value of `key` as `read` understands it; absence is a fault, with `hint`.
    pub(crate) fn required<T>(
        &mut self,
        reader: &mut Reader<'_>,
        key: &'static str,
        hint: &str,
        read: impl FnOnce(&mut Reader<'_>, &'d Value<'d>) -> Option<T>,
    ) -> Option<T> {
        let found = self.find(key);
        if found.is_none() {
            reader.missing(&self.place, format!("`{key}` is missing"), hint);
        }
        found.and_then(|value| read(reader, value))
    }

    /// Reports every key that was not asked for.
    pub(crate) fn finish(self, reader: &mut Reader<'_>) {
        for (key, _) in self.table {
            if !self.asked.contains(&key.get_ref().as_ref()) {
                let message = format!("unknown key {}", quoted(key.get_ref()));
                reader.fault(&reader.place_of(key), message, choice_hint(key.get_ref(), &self.asked));
            }
        }
    }
}

/// Reads each entry of the table `value`, whose keys are names, with `read`; at most `max` of them.
pub(crate) fn entries<'d>(
    reader: &mut Reader<'_>,
    value: &'d Value<'d>,
    max: usize,
    mut read: impl FnMut(&mut Reader<'_>, Named, &'d Value<'d>),
) {
    let Some(Keys { table, place, .. }) = Keys::of(reader, value) else { return };
    if table.len() > max {
        reader.fault(&place, format!("more than {max} entries"), "remove those that are not used");
    }
    for (key, value) in table.iter().take(max) {
        if let Some(name) = name(reader, key.get_ref(), reader.place_of(key)) {
            read(reader, name, value);
        }
    }
}
