//! Answers of a store that any client writes to. Bytes that are no text are read as such: one strange field must not
//! make the whole answer unreadable.

use redis::{FromRedisValue, ParsingError, Value};

use super::codec::Fields;

/// A hash.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hash(pub(super) Fields);

/// An entry of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) fields: Fields,
}

/// Entries of a stream, in the order of the answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entries(pub(super) Vec<Entry>);

/// Names or ids.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Texts(pub(super) Vec<String>);

impl FromRedisValue for Hash {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let pairs = value.into_map_iter().map_err(|_other| unlike("a hash"))?;
        Ok(Self(pairs.map(|(name, value)| (text(name), text(value))).collect()))
    }
}

impl FromRedisValue for Entries {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let entries = value.into_sequence().map_err(|_other| unlike("entries of a stream"))?;
        // What was deleted while someone worked on it may come as nil.
        entries.into_iter().filter(|entry| *entry != Value::Nil).map(entry).collect::<Result<_, _>>().map(Self)
    }
}

impl FromRedisValue for Texts {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let texts = value.into_sequence().map_err(|_other| unlike("a list"))?;
        Ok(Self(texts.into_iter().map(text).collect()))
    }
}

fn entry(value: Value) -> Result<Entry, ParsingError> {
    let parts: [Value; 2] = value
        .into_sequence()
        .ok()
        .and_then(|parts| parts.try_into().ok())
        .ok_or_else(|| unlike("an entry of a stream"))?;
    let [id, fields] = parts;
    let fields = if fields == Value::Nil { Hash::default() } else { Hash::from_redis_value(fields)? };
    Ok(Entry { id: text(id), fields: fields.0 })
}

fn text(value: Value) -> String {
    match value {
        Value::BulkString(bytes) => {
            String::from_utf8(bytes).unwrap_or_else(|bytes| String::from_utf8_lossy(bytes.as_bytes()).into_owned())
        }
        Value::SimpleString(text) => text,
        Value::Int(number) => number.to_string(),
        _other => String::new(),
    }
}

fn unlike(what: &str) -> ParsingError {
    format!("the answer is not {what}").into()
}

/// The place of an entry, so that ids can be compared: `MS-N`.
pub(super) fn place(id: &str) -> Option<(u64, u64)> {
    let (ms, order) = id.split_once('-')?;
    Some((ms.parse().ok()?, order.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &[u8]) -> Value {
        Value::BulkString(text.to_vec())
    }

    #[test]
    fn a_field_that_is_no_text_spoils_nothing() {
        let fields = Value::Array(vec![bytes(b"\xff"), bytes(b"x"), bytes(b"rule"), bytes(b"a\xff")]);
        let answer = Value::Array(vec![Value::Array(vec![bytes(b"7-1"), fields]), Value::Nil]);
        let Entries(entries) = Entries::from_redis_value(answer).unwrap();
        assert_eq!((entries.len(), &*entries[0].id), (1, "7-1"));
        assert_eq!(entries[0].fields["rule"], "a\u{fffd}");
        let map = Value::Map(vec![(bytes(b"epoch"), Value::Int(3))]);
        assert_eq!(Hash::from_redis_value(map).unwrap().0["epoch"], "3");
    }

    #[test]
    fn what_is_not_the_answer_is_an_error() {
        assert!(Entries::from_redis_value(Value::Okay).is_err());
        assert!(Entries::from_redis_value(Value::Array(vec![Value::Int(1)])).is_err());
        assert!(Hash::from_redis_value(Value::Array(vec![Value::Nil])).is_err());
    }

    #[test]
    fn places_are_compared_as_numbers() {
        assert!(place("9-1") < place("10-0"));
        assert_eq!((place("7"), place("x-1"), place("1-")), (None, None, None));
    }
}
