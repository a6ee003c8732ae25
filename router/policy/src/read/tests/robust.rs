//! No text makes the readers panic, and a fault always has a place inside its file.

use proptest::prelude::*;

use super::source;
use crate::{Faults, parse, parse_plugin_tests, parse_process};

const DEMO: &str = include_str!("../../../fixtures/demo.toml");
const PROCESS: &str = include_str!("../../../fixtures/sluice.toml");
const BROKEN: &str = include_str!("../../../fixtures/broken.toml");
const PLUGIN_TESTS: &str = include_str!("../../../fixtures/plugin-tests.toml");
const FULL: &str = include_str!("../../../fixtures/full.toml");
const FULL_PROCESS: &str = include_str!("../../../fixtures/process.toml");

/// What an editor that was interrupted, or a hand that slipped, leaves behind.
const SPLICES: [&str; 20] = [
    "",
    "\"",
    "[",
    "]",
    "{",
    "}",
    "=",
    ",",
    "\n",
    "'''",
    "\0",
    "é",
    "0x",
    "1e999",
    "[[routes]]\n",
    "99999999999999999999",
    "{ regex = \"(a|\" }",
    "[\"500-400\"]",
    "{x}",
    "http://[::1",
];

fn read(text: &str) {
    let file = source("a.toml", text);
    let shown = [parse(std::slice::from_ref(&file)).err(), parse_process(&file).err(), parse_plugin_tests(&file).err()];
    for Faults(faults) in shown.into_iter().flatten() {
        assert!(!faults.is_empty());
        for fault in &faults {
            let line = text.split('\n').nth(fault.line - 1).unwrap_or_else(|| panic!("{fault} is outside of {text:?}"));
            assert!(fault.column <= line.chars().count() + 1, "{fault} is outside of {line:?}");
            assert_eq!(fault.excerpt.lines().count(), 2, "{fault}");
        }
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        read(&text);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        read(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_words_of_the_format_panic(text in "((\\[\\[?(routes|plugins|upstreams|rollouts|error_pages|tests|release|on_failure|breaker|budget|x)\\.?[a\"]?\\]?\\]?|name|to|match|redirect|rewrite|cors|mirror|limits|release|on_failure|breaker|trial|watch|load|false|expect|request|=|\\{|\\}|\"[a/%*:]{0,4}\"|-?[0-9]{1,3}|,| |\n){1,4}){0,24}") {
        read(&text);
    }

    #[test]
    fn no_damaged_file_panics(
        base in prop::sample::select(vec![DEMO, PROCESS, BROKEN, FULL, FULL, FULL_PROCESS, PLUGIN_TESTS]),
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..12, prop::sample::select(&SPLICES[..])), 1..6),
    ) {
        let mut text: Vec<char> = base.chars().collect();
        for (at, length, splice) in cuts {
            let start = at.index(text.len() + 1);
            let end = (start + length).min(text.len());
            text.splice(start..end, splice.chars());
        }
        read(&text.into_iter().collect::<String>());
    }
}
