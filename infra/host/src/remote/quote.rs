//! Arguments for the shell of a machine: ssh hands a command over as one line of text, which a shell there takes apart.

/// What needs no quotes in any shell that descends from Bourne's.
const PLAIN: &str = "%+,-./:=@_";

/// One word, as the shell will read it again.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || PLAIN.contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    // Within single quotes only the single quote itself means something (POSIX, Shell Command Language 2.2.2).
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Words as one line.
#[must_use]
pub fn command_line<W: AsRef<str>>(words: &[W]) -> String {
    words.iter().map(|word| quoted(word.as_ref())).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn through_a_shell(words: &[String]) -> Vec<u8> {
        let line = format!("printf '%s\\0' {}", command_line(words));
        Command::new("sh").arg("-c").arg(line).output().unwrap().stdout
    }

    #[test]
    fn plain_words_stay_readable() {
        assert_eq!(
            command_line(&["ls", "-l", "/srv/a_b", "it's", "$(reboot)", ""]),
            r"ls -l /srv/a_b 'it'\''s' '$(reboot)' ''"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_shell_reads_what_was_meant(words in proptest::collection::vec("[^\u{0}]{0,12}", 1..4)) {
            let expected: Vec<u8> = words.iter().flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect();
            prop_assert_eq!(through_a_shell(&words), expected);
        }
    }
}
