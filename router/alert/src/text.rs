//! Texts from plugins, clients and servers, made fit for a line that people read: a header of a mail, a log, a chat.

/// What stands behind a text that was cut.
const CUT: char = '\u{2026}';

/// One line of at most `chars_max` characters: whatever breaks a line, moves a cursor or turns the direction of writing
/// is a space, and spaces in a row are one.
#[must_use]
pub fn one_line(text: &str, chars_max: usize) -> String {
    let mut line = String::new();
    let mut length = 0;
    let mut space_waits = false;
    for character in text.chars() {
        if character.is_whitespace() || is_unseemly(character) {
            space_waits = length > 0;
            continue;
        }
        let needed = 1 + usize::from(space_waits);
        if length + needed > chars_max {
            return cut(line, chars_max);
        }
        if space_waits {
            line.push(' ');
        }
        line.push(character);
        length += needed;
        space_waits = false;
    }
    line
}

/// Control characters, and those of Unicode that change how others are shown (bidirectional formatting, UAX 9).
fn is_unseemly(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn cut(mut line: String, chars_max: usize) -> String {
    while line.chars().count() >= chars_max && line.pop().is_some() {}
    if chars_max > 0 {
        line.push(CUT);
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_is_cut_one_past_its_bound() {
        assert_eq!(one_line("12345", 5), "12345");
        assert_eq!(one_line("123456", 5), "1234\u{2026}");
        assert_eq!(one_line("1234 6", 5), "1234\u{2026}");
        assert_eq!(one_line("12345  \n", 5), "12345");
        assert_eq!(one_line("x", 0), "");
    }

    #[test]
    fn a_mail_header_cannot_be_smuggled_in() {
        assert_eq!(
            one_line(" size\r\nBcc: all@example.org\0\u{1b}[2J\u{202e}x ", 99),
            "size Bcc: all@example.org [2J x"
        );
    }

    proptest! {
        #[test]
        fn a_line_is_one_line_of_bounded_length(text in any::<String>(), chars_max in 0_usize..50) {
            let line = one_line(&text, chars_max);
            prop_assert!(line.chars().count() <= chars_max);
            prop_assert!(!line.chars().any(is_unseemly));
            prop_assert_eq!(one_line(&line, chars_max), line);
        }
    }
}
