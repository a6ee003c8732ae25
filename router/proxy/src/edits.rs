//! Edits that plugins make: of the request as the server gets it, of the response as the client gets it.
//!
//! They come before those of the route: the operator has the last word. The host has checked their syntax, their phase
//! and whose the names are; they touch neither the framing of a message nor its connection, and never match a route again.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use sluice_wasm::Edit;

use crate::answer::Content;

/// What plugins change of a request, in their order.
#[derive(Debug)]
pub(crate) struct RequestEdits {
    /// The path that the server gets, in normal form; it takes the place of what the route would rewrite.
    pub(crate) path: Option<String>,
    /// The query that the server gets; empty = none.
    pub(crate) query: Option<String>,
    headers: Vec<Edit>,
}

impl RequestEdits {
    pub(crate) fn new(edits: Vec<Edit>) -> Self {
        let mut all = Self { path: None, query: None, headers: Vec::new() };
        for edit in edits {
            match edit {
                Edit::SetPath(path) => all.path = Some(path),
                Edit::SetQuery(query) => all.query = Some(query),
                edit => all.headers.push(edit),
            }
        }
        all
    }

    /// Carries out those of the fields.
    pub(crate) fn edit_headers(&self, headers: &mut HeaderMap) {
        self.headers.iter().for_each(|edit| edit_header(edit, headers));
    }
}

/// Carries out edits of a response.
pub(crate) fn edit_response(edits: Vec<Edit>, response: &mut Response<Content>) {
    for edit in edits {
        match edit {
            Edit::SetStatus(status) => set_status(status, response),
            edit => edit_header(&edit, response.headers_mut()),
        }
    }
}

fn edit_header(edit: &Edit, headers: &mut HeaderMap) {
    let name = |name: &str| HeaderName::from_bytes(name.as_bytes()).ok();
    let line = |of: &str, value: &str| Some((name(of)?, HeaderValue::from_str(value).ok()?));
    match edit {
        Edit::SetHeader { name, value } => {
            if let Some((name, value)) = line(name, value) {
                headers.insert(name, value);
            }
        }
        Edit::AppendHeader { name, value } => {
            if let Some((name, value)) = line(name, value) {
                headers.append(name, value);
            }
        }
        Edit::RemoveHeader { name: of } => {
            if let Some(name) = name(of) {
                headers.remove(name);
            }
        }
        Edit::SetPath(_) | Edit::SetQuery(_) | Edit::SetStatus(_) => {}
    }
}

/// Another status. Where the old or the new one stands for a response without a body, none is sent, and no length of what
/// is not sent either (RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5).
fn set_status(status: u16, response: &mut Response<Content>) {
    let Ok(status) = StatusCode::from_u16(status) else { return };
    let before = std::mem::replace(response.status_mut(), status);
    if before != status && (is_bodiless(before) || is_bodiless(status)) {
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = Content::Whole(None);
    }
}

fn is_bodiless(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, lines: &[(&'static str, &'static str)]) -> Response<Content> {
        let mut response = Response::new(Content::whole("body"));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        for (name, value) in lines {
            response.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        response
    }

    fn set(name: &str, value: &str) -> Edit {
        Edit::SetHeader { name: name.to_owned(), value: value.to_owned() }
    }

    fn append(name: &str, value: &str) -> Edit {
        Edit::AppendHeader { name: name.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn edits_are_carried_out_in_their_order() {
        let mut response = response(200, &[("x-a", "1"), ("x-a", "2"), ("x-b", "1")]);
        let remove = Edit::RemoveHeader { name: "x-b".to_owned() };
        edit_response(vec![set("X-A", "3"), append("x-a", "4"), remove, append("x-b", "5")], &mut response);
        let lines = |name: &str| {
            response.headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!((lines("x-a"), lines("x-b")), (vec!["3", "4"], vec!["5"]));
    }

    #[test]
    fn the_last_path_and_query_count() {
        let path = |path: &str| Edit::SetPath(path.to_owned());
        let edits = RequestEdits::new(vec![path("/a"), Edit::SetQuery("x=1".to_owned()), path("/b"), set("x-a", "1")]);
        assert_eq!((edits.path.as_deref(), edits.query.as_deref()), (Some("/b"), Some("x=1")));
        let mut headers = HeaderMap::new();
        edits.edit_headers(&mut headers);
        assert_eq!(headers["x-a"], "1");
    }

    #[test]
    fn a_status_without_a_body_takes_it_along() {
        for (before, after, keeps) in [(200, 404, true), (200, 204, false), (200, 304, false), (304, 200, false)] {
            let mut response = response(before, &[("content-length", "4")]);
            edit_response(vec![Edit::SetStatus(after)], &mut response);
            assert_eq!(response.status(), after);
            assert_eq!(response.headers().contains_key("content-length"), keeps, "{before} to {after}");
            assert_eq!(matches!(response.body(), Content::Whole(Some(_))), keeps, "{before} to {after}");
        }
    }
}
