//! What a host accepts at most, and refuses beyond. The host enforces these by itself; `testing` checks them too, so
//! that an author meets them in a unit test and not in production.

/// Names in one list of an activation: methods, fields, state keys, variants.
pub const NAMES_MAX: usize = 16;

/// Path prefixes of an activation.
pub const PATH_PREFIXES_MAX: usize = 64;

/// Bytes of one name or path prefix of an activation.
pub const NAME_BYTES_MAX: usize = 256;

/// Effects of one call.
pub const EFFECTS_MAX: usize = 16;

/// Edits of one call.
pub const EDITS_MAX: usize = 64;

/// Bytes of one text of an outcome: a message, a tag, a name, a header line, a path, a query.
pub const TEXT_BYTES_MAX: usize = 8 * 1024;

/// Header lines of a response made by a plugin.
pub const RESPONSE_HEADERS_MAX: usize = 64;

/// Bytes of the body of a response made by a plugin.
pub const RESPONSE_BODY_BYTES_MAX: usize = 1024 * 1024;
