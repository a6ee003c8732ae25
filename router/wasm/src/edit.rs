//! Edits of a message by a plugin, checked: their syntax, whose the names are, in which phase they are made.

use std::fmt;

use crate::bounds::{EDITS_MAX, TEXT_BYTES_MAX};
use crate::field_syntax::{is_path, is_query, is_reserved, is_token, is_value};
use crate::verdict::{Phase, STATUSES};
use crate::wire::{WireEdit, WireHeader};

/// A change of the request as the server gets it, or of the response as the client gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// One line of this name in place of all there are.
    SetHeader {
        /// A token, none of those that the router alone sets.
        name: String,
        /// A field value.
        value: String,
    },
    /// One more line of this name.
    AppendHeader {
        /// A token, none of those that the router alone sets.
        name: String,
        /// A field value.
        value: String,
    },
    /// All lines of this name go.
    RemoveHeader {
        /// A token, none of those that the router alone sets.
        name: String,
    },
    /// Request only: another path. It begins with `/` and has only characters of a path; that it is in normal form is
    /// for the request path to check, which owns the normal form.
    SetPath(String),
    /// Request only: another query, without `?`; empty = none.
    SetQuery(String),
    /// Response only: another status, 200 to 599.
    SetStatus(u16),
}

/// In a few words, as in expectations of `sluice plugin test`.
impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetHeader { name, value } => write!(f, "set {name}: {value}"),
            Self::AppendHeader { name, value } => write!(f, "append {name}: {value}"),
            Self::RemoveHeader { name } => write!(f, "remove {name}"),
            Self::SetPath(path) => write!(f, "path {path}"),
            Self::SetQuery(query) => write!(f, "query {query}"),
            Self::SetStatus(status) => write!(f, "status {status}"),
        }
    }
}

/// What is wrong with an edit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditFault {
    /// Too many of them.
    #[error("{0} edits, at most {EDITS_MAX}")]
    TooMany(usize),
    /// The plugin answers itself.
    #[error("edits beside a response, which has headers of its own")]
    BesideResponse,
    /// Not in this phase.
    #[error("{what} is not edited in this phase")]
    Phase {
        /// What it would change.
        what: &'static str,
    },
    /// Too long.
    #[error("the {what} has {bytes} bytes, at most {TEXT_BYTES_MAX}")]
    Length {
        /// Which text.
        what: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// A name or a value that is no HTTP field.
    #[error("the header {0:?} is no valid header line")]
    HeaderSyntax(String),
    /// A name that frames or addresses the message, belongs to the connection, or is said by routers.
    #[error("the header {0:?} is set by the router alone")]
    HeaderOfRouter(String),
    /// Not a path.
    #[error("{0:?} is no path")]
    Path(String),
    /// Not a query.
    #[error("{0:?} is no query")]
    Query(String),
    /// Not 200 to 599.
    #[error("{0} is no status of a response")]
    Status(u16),
}

/// Checks the edits that a plugin made in `phase`.
pub(crate) fn check(edits: Vec<WireEdit>, phase: Phase, is_respond: bool) -> Result<Vec<Edit>, EditFault> {
    if edits.is_empty() {
        return Ok(Vec::new());
    }
    if edits.len() > EDITS_MAX {
        return Err(EditFault::TooMany(edits.len()));
    }
    if is_respond {
        return Err(EditFault::BesideResponse);
    }
    edits.into_iter().map(|edit| check_one(edit, phase)).collect()
}

fn check_one(edit: WireEdit, phase: Phase) -> Result<Edit, EditFault> {
    let is_request = matches!(phase, Phase::Request { .. });
    let is_response = phase == Phase::Response;
    let only = |what, is_allowed| if is_allowed { Ok(()) } else { Err(EditFault::Phase { what }) };
    Ok(match edit {
        WireEdit::SetHeader(line) => {
            only("a header", is_request || is_response)?;
            let WireHeader { name, value } = check_line(line)?;
            Edit::SetHeader { name, value }
        }
        WireEdit::AppendHeader(line) => {
            only("a header", is_request || is_response)?;
            let WireHeader { name, value } = check_line(line)?;
            Edit::AppendHeader { name, value }
        }
        WireEdit::RemoveHeader(name) => {
            only("a header", is_request || is_response)?;
            Edit::RemoveHeader { name: check_line(WireHeader { name, value: String::new() })?.name }
        }
        WireEdit::SetPath(path) => {
            only("a path", is_request)?;
            let path = check_length("path", path)?;
            if is_path(&path) { Edit::SetPath(path) } else { return Err(EditFault::Path(path)) }
        }
        WireEdit::SetQuery(query) => {
            only("a query", is_request)?;
            let query = check_length("query", query)?;
            if is_query(&query) { Edit::SetQuery(query) } else { return Err(EditFault::Query(query)) }
        }
        WireEdit::SetStatus(status) => {
            only("a status", is_response)?;
            if STATUSES.contains(&status) { Edit::SetStatus(status) } else { return Err(EditFault::Status(status)) }
        }
    })
}

fn check_line(WireHeader { name, value }: WireHeader) -> Result<WireHeader, EditFault> {
    let bytes = name.len() + value.len();
    if bytes > TEXT_BYTES_MAX {
        return Err(EditFault::Length { what: "header", bytes });
    }
    if !is_token(&name) || !is_value(&value) {
        return Err(EditFault::HeaderSyntax(name));
    }
    if is_reserved(&name) { Err(EditFault::HeaderOfRouter(name)) } else { Ok(WireHeader { name, value }) }
}

fn check_length(what: &'static str, text: String) -> Result<String, EditFault> {
    if text.len() > TEXT_BYTES_MAX { Err(EditFault::Length { what, bytes: text.len() }) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: Phase = Phase::Request { variants: 0 };

    fn line(name: &str, value: &str) -> WireHeader {
        WireHeader { name: name.to_owned(), value: value.to_owned() }
    }

    fn one(edit: WireEdit, phase: Phase) -> Result<Edit, EditFault> {
        check(vec![edit], phase, false).map(|mut edits| edits.remove(0))
    }

    #[test]
    fn each_edit_has_its_phases() {
        type Make = fn() -> WireEdit;
        let header: Make = || WireEdit::SetHeader(line("x-a", "1"));
        let append: Make = || WireEdit::AppendHeader(line("x-a", "1"));
        let remove: Make = || WireEdit::RemoveHeader("x-a".to_owned());
        let path: Make = || WireEdit::SetPath("/a".to_owned());
        let query: Make = || WireEdit::SetQuery("a=1".to_owned());
        let status: Make = || WireEdit::SetStatus(204);
        for (edit, in_request, in_response) in [
            (header, true, true),
            (append, true, true),
            (remove, true, true),
            (path, true, false),
            (query, true, false),
            (status, false, true),
        ] {
            assert_eq!(one(edit(), REQUEST).is_ok(), in_request);
            assert_eq!(one(edit(), Phase::Response).is_ok(), in_response);
            for phase in [Phase::BodySize, Phase::BodyChunk] {
                assert!(matches!(one(edit(), phase), Err(EditFault::Phase { .. })));
            }
        }
    }

    #[test]
    fn edits_hold_at_their_bounds_and_not_past_them() {
        let many = |count: usize| (0..count).map(|_| WireEdit::SetHeader(line("x-a", "1"))).collect();
        assert_eq!(check(many(EDITS_MAX), REQUEST, false).map(|edits| edits.len()), Ok(EDITS_MAX));
        assert_eq!(check(many(EDITS_MAX + 1), REQUEST, false), Err(EditFault::TooMany(EDITS_MAX + 1)));
        let path = |bytes: usize| one(WireEdit::SetPath(format!("/{}", "a".repeat(bytes - 1))), REQUEST);
        assert!(path(TEXT_BYTES_MAX).is_ok());
        assert_eq!(path(TEXT_BYTES_MAX + 1), Err(EditFault::Length { what: "path", bytes: TEXT_BYTES_MAX + 1 }));
        let value = |bytes: usize| one(WireEdit::SetHeader(line("a", &"v".repeat(bytes - 1))), REQUEST);
        assert!(value(TEXT_BYTES_MAX).is_ok());
        assert_eq!(value(TEXT_BYTES_MAX + 1), Err(EditFault::Length { what: "header", bytes: TEXT_BYTES_MAX + 1 }));
    }

    #[test]
    fn a_plugin_that_answers_edits_nothing() {
        assert_eq!(check(vec![WireEdit::SetStatus(200)], Phase::Response, true), Err(EditFault::BesideResponse));
        assert_eq!(check(Vec::new(), REQUEST, true), Ok(Vec::new()));
    }

    #[test]
    fn no_edit_splits_a_message_or_speaks_for_the_router() {
        for (name, value) in [("", "a"), ("a b", "c"), ("a:", "b"), ("a", "b\r\nc: d"), ("a", "b\0"), ("a\n", "b")] {
            let fault = Err(EditFault::HeaderSyntax(name.to_owned()));
            assert_eq!(one(WireEdit::AppendHeader(line(name, value)), REQUEST), fault, "{name:?}: {value:?}");
        }
        for name in ["Host", "content-length", "Via", "x-forwarded-for", "X-Sluice-Tag"] {
            let fault = Err(EditFault::HeaderOfRouter(name.to_owned()));
            assert_eq!(one(WireEdit::SetHeader(line(name, "1")), Phase::Response), fault);
            assert_eq!(one(WireEdit::RemoveHeader(name.to_owned()), REQUEST), fault);
        }
        for path in ["", "a", "/a b", "/a\r\nHost: b", "/a?b", "/a#b", "/é"] {
            let fault = Err(EditFault::Path(path.to_owned()));
            assert_eq!(one(WireEdit::SetPath(path.to_owned()), REQUEST), fault);
        }
        assert!(one(WireEdit::SetQuery("a b".to_owned()), REQUEST).is_err());
        assert!(one(WireEdit::SetQuery(String::new()), REQUEST).is_ok(), "none");
        for (status, is_good) in [(199, false), (200, true), (599, true), (600, false), (999, false)] {
            assert_eq!(one(WireEdit::SetStatus(status), Phase::Response).is_ok(), is_good, "{status}");
        }
    }
}
