//! Texts as unified diffs, within a bound.

use similar::TextDiff;

/// Longest texts that are compared line by line; files of configuration are far below.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Unchanged lines shown around a change; what diff(1) shows.
const CONTEXT_LINES: usize = 3;

/// What changes from `old` to `new`; a short note if that would be too long.
pub(super) fn unified(path: &str, old: &str, new: &str) -> String {
    if old.len() > TEXT_BYTES_MAX || new.len() > TEXT_BYTES_MAX {
        return format!("{} lines -> {} lines\n", old.lines().count(), new.lines().count());
    }
    let diff = TextDiff::from_lines(old, new);
    diff.unified_diff().context_radius(CONTEXT_LINES).header(path, path).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_shown_with_what_stands_around_it() {
        let diff = unified("/etc/a", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n");
        assert_eq!(diff, "--- /etc/a\n+++ /etc/a\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
    }

    #[test]
    fn long_texts_are_only_counted() {
        let at = "x".repeat(TEXT_BYTES_MAX - 1) + "\n";
        assert!(unified("/a", &at, "x\n").contains("@@"));
        assert_eq!(unified("/a", &(at + "x"), "x\n"), "2 lines -> 1 lines\n");
    }
}
