//! Fields that plugins ask for: what of an exchange they are read from, packed into one blob.

use http::Response;
use sluice_model::field::Field;
use sluice_snapshot::fields::{self, RequestFields};

use crate::exchange::Exchange;
use crate::head::Head;

/// What of a request fields are read from; `None` before its line was read.
pub(crate) fn of_request<'a>(exchange: &'a Exchange, head: &'a Head) -> Option<RequestFields<'a>> {
    let line = exchange.line()?;
    Some(RequestFields {
        method: &line.method,
        path: line.target.path(),
        query: line.target.query(),
        host: head.host.name(),
        headers: &head.headers,
        client_address: exchange.client_address().as_bytes(),
    })
}

/// Packs fields of a request into `blob`, which is cleared first.
pub(crate) fn pack_request(blob: &mut Vec<u8>, wanted: &[Field], exchange: &Exchange, head: &Head) {
    blob.clear();
    if let Some(request) = of_request(exchange, head) {
        request.pack(blob, wanted, &exchange.snapshot().policy);
    }
}

/// Packs fields of a response into `blob`, which is cleared first.
pub(crate) fn pack_response<B>(blob: &mut Vec<u8>, wanted: &[Field], response: &Response<B>) {
    fields::pack_response(blob, wanted, response.status(), response.headers());
}
