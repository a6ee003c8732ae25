//! Lists of fields that tell clients apart: sticky keys, keys of a hash, keys of a rate limit.

use sluice_document::reader::{Named, Place, Reader, Value, quoted};
use sluice_document::shape::Form;
use sluice_document::values::{one_or_more, text, unique};
use sluice_model::field::Field;

/// Most fields of one key.
pub(crate) const KEY_FIELDS_MAX: usize = 8;

/// What the names of the router's own header fields begin with; the proxy takes such fields of clients away.
const OWN_HEADERS: &str = "x-sluice-";

/// A field that a client can put a token into.
pub(crate) const TOKEN_FIELD: Form =
    Form::Text("`header:NAME`, `cookie:NAME` or `query:NAME`", "^(header|cookie|query):.+$");

/// One field or several in which a token may stand.
pub(crate) fn token<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Vec<Field>> {
    let fields = one_or_more(reader, value, KEY_FIELDS_MAX, |reader, value| {
        let named = text(reader, value)?;
        let hint = match named.text.parse::<Field>() {
            Ok(Field::Header(name)) if name.starts_with(OWN_HEADERS) => {
                format!("no client can send it: all {OWN_HEADERS}* are the router's own; write e.g. header:x-override")
            }
            Ok(field @ (Field::Header(_) | Field::Cookie(_) | Field::QueryParameter(_))) => {
                return Some((field, named));
            }
            Ok(_) => "write header:NAME, cookie:NAME or query:NAME".to_owned(),
            Err(error) => error.hint,
        };
        reader.fault(&named.place, format!("{} is no place for an override", quoted(&named.text)), hint);
        None
    })?;
    let (fields, names): (Vec<Field>, Vec<Named>) = fields.into_iter().unzip();
    unique(reader, &names);
    Some(fields)
}

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
