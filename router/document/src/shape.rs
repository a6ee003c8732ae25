//! The shape of a table: which keys it has and what their values may be. Stands beside the reader of the table, which is
//! held to it by [`crate::keys::Keys`]; `schema` and `reference` are made from it.

use std::ops::RangeInclusive;
use std::time::Duration;

/// One kind of table.
pub struct Shape {
    /// How a reader of the documentation knows it, e.g. `health`.
    pub title: &'static str,
    /// The keys that it has, in the order of the documentation.
    pub keys: &'static [Key],
    /// Which of them go together.
    pub rule: Rule,
}

/// Which keys go together.
pub enum Rule {
    /// Each by itself.
    Free,
    /// One of these and no more.
    ExactlyOne(&'static [&'static str]),
    /// One of these, or several.
    AtLeastOne(&'static [&'static str]),
    /// The first ones say something only beside the second one.
    OnlyWith(&'static [&'static str], &'static str),
}

/// One key of a table.
pub struct Key {
    /// How it is written.
    pub name: &'static str,
    /// What its value may be.
    pub form: Form,
    /// What its absence means.
    pub need: Need,
    /// What it is for: a sentence without its full stop.
    pub about: &'static str,
}

/// What the absence of a key means.
pub enum Need {
    /// A fault.
    Required,
    /// What `about` says, or nothing.
    Optional,
    /// This value, as it is written.
    Default(&'static str),
}

/// What a value may be.
pub enum Form {
    /// Text of a kind that the readers know: what it is, and a regular expression that all of them match.
    Text(&'static str, &'static str),
    /// Text that may be this long, in bytes.
    LongText(usize),
    /// What [`crate::values::name`] lets through.
    Name,
    /// `true` or `false`.
    Boolean,
    /// `false`, which switches off what other forms describe.
    False,
    /// A whole number within these bounds.
    Integer(RangeInclusive<u64>),
    /// 0 to 100, with at most two decimals.
    Percent,
    /// A number with or without decimals, within these bounds.
    Number(RangeInclusive<f64>),
    /// A whole number and a unit of time, within these bounds.
    Duration(RangeInclusive<Duration>),
    /// A whole number and a unit of size, within these bounds in bytes.
    Size(RangeInclusive<u64>),
    /// One of these words.
    Words(&'static [&'static str]),
    /// A list of at least and at most so many.
    List(&'static Self, usize, usize),
    /// One by itself, or a list of at most so many.
    OneOrMore(&'static Self, usize),
    /// A table of this shape.
    Table(&'static Shape),
    /// A table whose keys the operator chooses, at most so many.
    Map(&'static Self, usize),
    /// What one of these describes.
    Either(&'static [Self]),
    /// A table of anything.
    Anything,
}

impl Shape {
    /// A table of these keys, which go together as they like.
    #[must_use]
    pub const fn new(title: &'static str, keys: &'static [Key]) -> Self {
        Self { title, keys, rule: Rule::Free }
    }

    /// The same table, whose keys go together by `rule`.
    #[must_use]
    pub const fn with_rule(self, rule: Rule) -> Self {
        Self { rule, ..self }
    }

    /// The key of this name.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl Key {
    /// A key whose absence is a fault.
    #[must_use]
    pub const fn required(name: &'static str, form: Form, about: &'static str) -> Self {
        Self { name, form, need: Need::Required, about }
    }

    /// A key whose absence means what `about` says, or nothing.
    #[must_use]
    pub const fn optional(name: &'static str, form: Form, about: &'static str) -> Self {
        Self { name, form, need: Need::Optional, about }
    }

    /// A key whose absence means `default`, written as in a file.
    #[must_use]
    pub const fn default(name: &'static str, form: Form, default: &'static str, about: &'static str) -> Self {
        Self { name, form, need: Need::Default(default), about }
    }
}

impl Form {
    /// Text that no simple expression describes.
    #[must_use]
    pub const fn text(what: &'static str) -> Self {
        Self::Text(what, "")
    }
}

/// `host:port`.
pub const HOST_AND_PORT: Form = Form::Text("host:port", r"^\S+:[0-9]{1,5}$");
/// A path in normal form.
pub const PATH: Form = Form::Text("a path", "^/[^?#]*$");
/// A field of a request, as keys name it.
pub const FIELD: Form = Form::Text(
    "`cookie:NAME`, `header:NAME`, `query:NAME`, `client-address`, `host`, `path` or `query`",
    "^[a-z-]+(:.+)?$",
);
/// A regular expression.
pub const PATTERN: Form = Form::text("a regular expression");
/// A header name.
pub const HEADER_NAME: Form = Form::Text("a header name", r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$");
/// A method.
pub const METHOD: Form = Form::Text("a method", r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$");
/// A host, in matches.
pub const HOST: Form = Form::Text("a host", r"^(\*|(\*\.)?[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])$");
