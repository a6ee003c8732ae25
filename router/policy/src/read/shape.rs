//! The shape of a table: which keys it has and what their values may be. Stands beside the reader of the table, which is
//! held to it by [`super::keys::Keys`]; `schema` and `reference` are made from it.

use std::ops::RangeInclusive;
use std::time::Duration;

/// One kind of table.
pub(crate) struct Shape {
    /// How a reader of the documentation knows it, e.g. `health`.
    pub(crate) title: &'static str,
    pub(crate) keys: &'static [Key],
    pub(crate) rule: Rule,
}

/// Which keys go together.
pub(crate) enum Rule {
    Free,
    /// One of these and no more.
    ExactlyOne(&'static [&'static str]),
    AtLeastOne(&'static [&'static str]),
    /// The first ones say something only beside the second one.
    OnlyWith(&'static [&'static str], &'static str),
}

/// One key of a table.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    pub(crate) need: Need,
    /// What it is for: a sentence without its full stop.
    pub(crate) about: &'static str,
}

/// What the absence of a key means.
pub(crate) enum Need {
    /// A fault.
    Required,
    /// What `about` says, or nothing.
    Optional,
    /// This value, as it is written.
    Default(&'static str),
}

/// What a value may be.
pub(crate) enum Form {
    /// Text of a kind that the readers know: what it is, and a regular expression that all of them match.
    Text(&'static str, &'static str),
    /// Text that may be this long, in bytes.
    LongText(usize),
    Name,
    Boolean,
    /// `false`, which switches off what other forms describe.
    False,
    Integer(RangeInclusive<u64>),
    Percent,
    /// A number with or without decimals.
    Number(RangeInclusive<f64>),
    Duration(RangeInclusive<Duration>),
    Size(RangeInclusive<u64>),
    Words(&'static [&'static str]),
    /// At least and at most so many.
    List(&'static Self, usize, usize),
    /// One by itself, or a list of at most so many.
    OneOrMore(&'static Self, usize),
    Table(&'static Shape),
    /// A table whose keys the operator chooses, at most so many.
    Map(&'static Self, usize),
    Either(&'static [Self]),
    /// A table of anything.
    Anything,
}

impl Shape {
    pub(crate) const fn new(title: &'static str, keys: &'static [Key]) -> Self {
        Self { title, keys, rule: Rule::Free }
    }

    pub(crate) const fn with_rule(self, rule: Rule) -> Self {
        Self { rule, ..self }
    }

    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl Key {
    pub(crate) const fn required(name: &'static str, form: Form, about: &'static str) -> Self {
        Self { name, form, need: Need::Required, about }
    }

    pub(crate) const fn optional(name: &'static str, form: Form, about: &'static str) -> Self {
        Self { name, form, need: Need::Optional, about }
    }

    /// A key whose absence means `default`, written as in a file.
    pub(crate) const fn default(name: &'static str, form: Form, default: &'static str, about: &'static str) -> Self {
        Self { name, form, need: Need::Default(default), about }
    }
}

impl Form {
    /// Text that no simple expression describes.
    pub(crate) const fn text(what: &'static str) -> Self {
        Self::Text(what, "")
    }
}

/// `host:port`.
pub(crate) const HOST_AND_PORT: Form = Form::Text("host:port", r"^\S+:[0-9]{1,5}$");
/// A path in normal form.
pub(crate) const PATH: Form = Form::Text("a path", "^/[^?#]*$");
/// A field of a request, as keys name it.
pub(crate) const FIELD: Form = Form::Text(
    "`cookie:NAME`, `header:NAME`, `query:NAME`, `client-address`, `host`, `path` or `query`",
    "^[a-z-]+(:.+)?$",
);
/// A regular expression.
pub(crate) const PATTERN: Form = Form::text("a regular expression");
/// A header name.
pub(crate) const HEADER_NAME: Form = Form::Text("a header name", r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$");
/// A method.
pub(crate) const METHOD: Form = Form::Text("a method", r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$");
/// A host, in matches.
pub(crate) const HOST: Form = Form::Text("a host", r"^(\*|(\*\.)?[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])$");
