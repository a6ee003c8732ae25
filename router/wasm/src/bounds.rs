//! Every bound that the host sets on a plugin. Above one of them a plugin is refused, or its call has failed.

use std::time::Duration;

/// Bytes of a plugin file. The largest useful components, a JavaScript engine inside, have about 12 MB.
pub const FILE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of the static manifest.
pub const MANIFEST_BYTES_MAX: usize = 64 * 1024;

/// Names in one list of an activation: fields, methods, state keys, variants. Variants have an index of 8 bits.
pub const NAMES_MAX: usize = 16;

/// Path prefixes of an activation. They are compared one by one for each request.
pub const PATH_PREFIXES_MAX: usize = 64;

/// Bytes of one name or path prefix of an activation.
pub const NAME_BYTES_MAX: usize = 256;

/// Bytes of one text of an outcome: message, rule, counter, tag, header line, path, query. The usual limit of header lines.
pub const TEXT_BYTES_MAX: usize = 8 * 1024;

/// Header lines of a response made by a plugin.
pub const RESPONSE_HEADERS_MAX: usize = 64;

/// Bytes of the body of a response made by a plugin.
pub const RESPONSE_BODY_BYTES_MAX: usize = 1024 * 1024;

/// Effects of one call.
pub const EFFECTS_MAX: usize = 16;

/// Edits of one call. A request with more header lines than this is rare.
pub const EDITS_MAX: usize = 64;

/// Bytes of one line of a plugin's log; longer ones are cut.
pub const LOG_LINE_BYTES_MAX: usize = 1024;

/// Frames of a backtrace. A panic of Rust takes eight of them before those of the author.
pub const BACKTRACE_FRAMES_MAX: usize = 24;

/// Bytes of the text of a backtrace.
pub const BACKTRACE_BYTES_MAX: usize = 4 * 1024;

/// What may pass from a plugin to the host in one call, in units of about one byte: the largest response body, and as
/// much again for everything beside it. wasmtime's own default is 128 MiB.
pub(crate) const HOSTCALL_FUEL: usize = 2 * RESPONSE_BODY_BYTES_MAX;

/// Elements of all tables of an instance. A table holds the functions that are called indirectly; large Rust plugins
/// have some thousands. Each takes eight bytes.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 64 * 1024;

/// Tables, and core instances, of one component. What `wit-component` writes has three instances and two tables; with a
/// JavaScript engine inside, and one instance per imported interface of WASI, it has 27 and two.
pub(crate) const CORE_PARTS_MAX: usize = 64;

/// Linear memories of one component; one is usual, an adapter may bring a second.
pub(crate) const MEMORIES_MAX: usize = 4;

/// Live resource handles of one component. The contract has no resources; a runtime of another language holds its three
/// standard streams, and a pollable or two while it writes.
pub(crate) const HANDLES_MAX: usize = 64;

/// Stack of a plugin. It lies on the stack of the calling thread, of which it takes a quarter at most.
pub(crate) const STACK_BYTES_MAX: usize = 512 * 1024;

/// Beat of the clock that interrupts plugins. Measured: finer beats cost CPU, coarser ones delay other requests.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// A call ends after this many times its CPU budget of wall time, however little CPU it was given.
pub(crate) const WALL_CEILING_FACTOR: u32 = 20;

/// ... but never before this, so that a machine that stalls does not fail healthy plugins.
pub(crate) const WALL_CEILING_MIN: Duration = Duration::from_secs(1);

/// `text`, cut to `bytes_max` at the boundary of a character.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// A plugin's words on one line: it may hold line breaks, and sequences that the terminal would obey on which an error is
/// shown.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_plugins_stand_on_one_line() {
        assert_eq!(one_line("it said \"ü\""), "it said \"ü\"");
        assert_eq!(one_line("a\n\u{1b}[2Jb"), "a\\n\\u{1b}[2Jb");
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "abc");
        assert_eq!(cut("abü", 3), "ab");
        assert_eq!(cut("", 3), "");
    }
}
