//! Lists of fields that tell clients apart: sticky keys, keys of a hash, keys of a rate limit.

use sluice_model::field::Field;

use super::reader::{Named, Place, Reader, Value, quoted};
use super::values::{one_or_more, text};

/// Most fields of one key.
pub(crate) const KEY_FIELDS_MAX: usize = 8;

/// One field or several, of which the first that is present counts; `what` names the key in faults.
pub(crate) fn key<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>, what: &str) -> Option<Vec<Field>> {
    one_or_more(reader, value, KEY_FIELDS_MAX, |reader, value| key_field(reader, value, what))
}

/// A field that is known when a request arrives and differs between users.
fn key_field(reader: &mut Reader<'_>, value: &Value<'_>, what: &str) -> Option<Field> {
    let Named { text, place } = text(reader, value)?;
    let fault = |reader: &mut Reader<'_>, place: &Place, hint: &str| {
        reader.fault(place, format!("{} is no {what}", quoted(&text)), hint);
        None
    };
    match text.parse::<Field>() {
        Ok(Field::Status | Field::ContentLength | Field::Method | Field::RolloutKey(_)) => {
            fault(reader, &place, "write a field that tells users apart: cookie:NAME, header:NAME or client-address")
        }
        Ok(field) => Some(field),
        Err(error) => fault(reader, &place, &error.hint),
    }
}
