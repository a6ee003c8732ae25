//! The name of a plugin, which is that of its crate and of its file.

/// A crate's name is no longer, as cargo's registries have it.
const NAME_BYTES_MAX: usize = 64;
/// Names that cargo refuses for a package: Rust's keywords, and crates that every program has.
const RESERVED: [&str; 56] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// Why a name cannot be used, and what to call it instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NameFault {
    /// It is not spelt as plugins are.
    #[error(
        "`{name}` is no name for a plugin\n  hint: lower-case letters, digits and hyphens, a letter first, at most {NAME_BYTES_MAX} bytes{instead}"
    )]
    Spelling {
        /// As it was typed.
        name: String,
        /// `: `NAME``, if there is one like it.
        instead: String,
    },
    /// The name means something else to Rust, or to the SDK.
    #[error("`{name}` is the name of something else: {what}\n  hint: `my-{name}`")]
    Taken {
        /// As it was typed.
        name: String,
        /// Of what.
        what: &'static str,
    },
}

/// Checks a name; `is_crate` knows the crates that the SDK brings.
pub(super) fn check(name: &str, is_crate: impl Fn(&str) -> bool) -> Result<(), NameFault> {
    let taken = |what| Err(NameFault::Taken { name: name.to_owned(), what });
    if !is_spelt(name) {
        let like = like(name);
        let instead = if is_spelt(&like) { format!(", for example `{like}`") } else { String::new() };
        return Err(NameFault::Spelling { name: name.to_owned(), instead });
    }
    if RESERVED.contains(&name) {
        return taken("Rust keeps it for itself");
    }
    if is_crate(name) {
        return taken("a crate that the SDK brings");
    }
    Ok(())
}

fn is_spelt(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// What someone may have meant: `Hello_World.wasm` -> `hello-world`.
fn like(name: &str) -> String {
    let stem = name.rsplit('/').next().unwrap_or(name).trim_end_matches(".wasm");
    let spelt = stem.chars().map(|each| if each.is_ascii_alphanumeric() { each.to_ascii_lowercase() } else { '-' });
    spelt.collect::<String>().trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str) -> String {
        check(name, |name| name == "serde").unwrap_err().to_string()
    }

    #[test]
    fn good_names_pass_up_to_the_bound() {
        for name in ["a", "hello", "block-agents", "http2", &"n".repeat(NAME_BYTES_MAX)] {
            assert_eq!(check(name, |_| false), Ok(()), "{name}");
        }
        assert!(told(&"n".repeat(NAME_BYTES_MAX + 1)).contains("at most 64 bytes"));
    }

    #[test]
    fn others_are_refused_with_what_to_type_instead() {
        for (name, instead) in [
            ("Hello_World", "`hello-world`"),
            ("hello.wasm", "`hello`"),
            ("../up", "`up`"),
            ("-v-", "`v`"),
            ("größe", "`gr--e`"),
        ] {
            assert!(told(name).contains(instead), "{}", told(name));
        }
        for name in ["", "2fast", "."] {
            assert!(told(name).contains("a letter first") && !told(name).contains("example"), "{}", told(name));
        }
        assert!(told("match").contains("Rust keeps") && told("match").contains("`my-match`"));
        assert!(told("serde").contains("the SDK brings"));
    }
}
