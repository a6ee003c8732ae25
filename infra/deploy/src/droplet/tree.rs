//! Whether the files of a release may lie on this machine: none of them leads out of its folder.
//!
//! Git itself keeps `..` and `.git` out of what it checks out. It does not mind symbolic links that lead elsewhere, nor how
//! much there is.

use std::collections::BTreeSet;

use crate::GitError;
use crate::git::Git;

/// Most files of a release: a large `node_modules` has a tenth of it.
pub const FILES_MAX: usize = 200_000;
/// Most bytes of a release.
pub const BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Longest path, and longest target of a link (PATH_MAX of Linux).
pub const PATH_BYTES_MAX: usize = 4_096;
/// Most symbolic links.
pub const LINKS_MAX: usize = 20_000;
const LINK: &str = "120000";

/// Why the files of a release are not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TreeFault {
    /// Too many.
    #[error("more than {FILES_MAX} files")]
    Files,
    /// Too large.
    #[error("{bytes} bytes, and at most {BYTES_MAX} are taken")]
    Bytes {
        /// How large.
        bytes: u64,
    },
    /// Too many links.
    #[error("more than {LINKS_MAX} symbolic links")]
    Links,
    /// A path that leads elsewhere, or stands for two things.
    #[error("`{path}` is no path of a release")]
    Path {
        /// Which.
        path: String,
    },
    /// A link that leads elsewhere.
    #[error("the link `{path}` leads to `{target}`, out of the release")]
    Link {
        /// Which.
        path: String,
        /// Where to.
        target: String,
    },
    /// What is neither file nor link, e.g. a submodule.
    #[error("`{path}` is neither a file nor a link; submodules are not taken")]
    Kind {
        /// Which.
        path: String,
    },
    /// The list of files cannot be read.
    #[error("the list of files cannot be read at `{entry}`")]
    List {
        /// Where.
        entry: String,
    },
}

/// What a release holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// How many.
    pub count: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// A link, before it is known where it leads.
struct Link {
    path: String,
    object: String,
}

/// Looks at all files of a tree.
pub(super) async fn examine(git: &Git, tree: &str) -> Result<Files, super::DropletError> {
    let listed = git.bytes(&["ls-tree", "-r", "-l", "-z", "--full-tree", tree], &[]).await?;
    let (files, links) = check(&listed).map_err(super::Refusal::from)?;
    let targets = targets(git, &links).await?;
    for (link, target) in links.iter().zip(targets) {
        if !stays_inside(&link.path, &target) {
            let fault = TreeFault::Link { path: link.path.clone(), target: shown(target.as_bytes()) };
            return Err(super::Refusal::from(fault).into());
        }
    }
    Ok(files)
}

/// Checks the list that `git ls-tree -r -l -z` prints: `MODE KIND OBJECT SIZE<TAB>PATH<NUL>`.
fn check(listed: &[u8]) -> Result<(Files, Vec<Link>), TreeFault> {
    let (mut files, mut links, mut paths) = (Files::default(), Vec::new(), BTreeSet::new());
    for entry in listed.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
        let unreadable = || TreeFault::List { entry: shown(entry) };
        let text = std::str::from_utf8(entry).map_err(|_other| TreeFault::Path { path: shown(entry) })?;
        let (head, path) = text.split_once('\t').ok_or_else(unreadable)?;
        let words: Vec<&str> = head.split_whitespace().collect();
        let &[mode, kind, object, size] = words.as_slice() else { return Err(unreadable()) };
        if kind != "blob" {
            return Err(TreeFault::Kind { path: shown(path.as_bytes()) });
        }
        if !is_inside(path) || !paths.insert(path) {
            return Err(TreeFault::Path { path: shown(path.as_bytes()) });
        }
        files.count += 1;
        files.bytes = files.bytes.saturating_add(size.parse().map_err(|_other| unreadable())?);
        if mode == LINK {
            links.push(Link { path: path.to_owned(), object: object.to_owned() });
        }
        if files.count > FILES_MAX {
            return Err(TreeFault::Files);
        }
    }
    if files.bytes > BYTES_MAX {
        return Err(TreeFault::Bytes { bytes: files.bytes });
    }
    if links.len() > LINKS_MAX {
        return Err(TreeFault::Links);
    }
    let above =
        |path: &&&str| path.match_indices('/').any(|(at, _)| path.get(..at).is_some_and(|above| paths.contains(above)));
    if let Some(path) = paths.iter().find(above) {
        return Err(TreeFault::Path { path: shown(path.as_bytes()) });
    }
    Ok((files, links))
}

/// Where links lead, in their order.
async fn targets(git: &Git, links: &[Link]) -> Result<Vec<String>, GitError> {
    if links.is_empty() {
        return Ok(Vec::new());
    }
    let objects: String = links.iter().map(|link| format!("{}\n", link.object)).collect();
    let said = git.bytes(&["cat-file", "--batch"], objects.as_bytes()).await?;
    let (mut rest, mut targets) = (said.as_slice(), Vec::new());
    while let Some((target, after)) = next_blob(rest) {
        targets.push(String::from_utf8_lossy(target).into_owned());
        rest = after;
    }
    // A link whose target was not told leads nowhere good.
    targets.resize(links.len(), String::new());
    Ok(targets)
}

/// `OBJECT blob SIZE<LF>CONTENT<LF>`.
fn next_blob(said: &[u8]) -> Option<(&[u8], &[u8])> {
    let line_end = said.iter().position(|byte| *byte == b'\n')?;
    let size: usize = std::str::from_utf8(said.get(..line_end)?).ok()?.rsplit(' ').next()?.parse().ok()?;
    let content = said.get(line_end + 1..)?;
    Some((content.get(..size)?, content.get(size + 1..)?))
}

/// True for a path of plain names.
fn is_inside(path: &str) -> bool {
    let is_name = |name: &str| !name.is_empty() && name != "." && name != ".." && !name.eq_ignore_ascii_case(".git");
    path.len() <= PATH_BYTES_MAX && path.split('/').all(is_name)
}

/// True if a link leads to a place in the release, whatever other links there are: its `..` come first, no more of them
/// than there are folders above the link. Those folders are real ones, for a path below a link is refused.
fn stays_inside(path: &str, target: &str) -> bool {
    if target.is_empty() || target.len() > PATH_BYTES_MAX || target.starts_with('/') || target.contains('\0') {
        return false;
    }
    let depth = path.matches('/').count();
    let ups = target.split('/').take_while(|name| *name == "..").count();
    let mut rest = target.split('/').skip(ups);
    ups <= depth && rest.all(|name| name != ".." && !name.eq_ignore_ascii_case(".git"))
}

/// Of a hostile name, what can be printed.
fn shown(name: &[u8]) -> String {
    const SHOWN_BYTES_MAX: usize = 200;
    name.get(..SHOWN_BYTES_MAX).unwrap_or(name).escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(mode: &str, kind: &str, size: &str, path: &str) -> Vec<u8> {
        format!("{mode} {kind} 0123 {size:>7}\t{path}\0").into_bytes()
    }

    fn file(path: &str) -> Vec<u8> {
        entry("100644", "blob", "10", path)
    }

    #[test]
    fn files_and_links_are_counted() {
        let listed = [file("a"), file("b/c"), entry("120000", "blob", "3", "b/d")].concat();
        let (files, links) = check(&listed).unwrap();
        assert_eq!(files, Files { count: 3, bytes: 23 });
        assert_eq!(links[0].path, "b/d");
    }

    #[test]
    fn hostile_paths_are_refused() {
        for path in ["../x", "a/../b", "/etc/passwd", "a//b", "./a", ".git/config", "a/.GIT/b", &"x/".repeat(3_000), ""]
        {
            assert!(matches!(check(&file(path)), Err(TreeFault::Path { .. })), "{path}");
        }
        let not_text = [b"100644 blob 0123 1\t".as_slice(), b"\xff\0"].concat();
        assert!(matches!(check(&not_text), Err(TreeFault::Path { .. })));
        assert!(matches!(check(&[file("a"), file("a")].concat()), Err(TreeFault::Path { .. })), "twice");
        assert!(matches!(check(&[file("a"), file("a/b")].concat()), Err(TreeFault::Path { .. })), "file and folder");
        let far = [file("a"), file("a-b"), file("a/b")].concat();
        assert!(matches!(check(&far), Err(TreeFault::Path { .. })), "with another one between");
        assert!(matches!(check(&entry("160000", "commit", "-", "sub")), Err(TreeFault::Kind { .. })));
        assert!(matches!(check(b"nonsense\0"), Err(TreeFault::List { .. })));
    }

    #[test]
    fn the_bounds_hold_at_their_edges() {
        let many: Vec<u8> = (0..FILES_MAX).flat_map(|number| file(&number.to_string())).collect();
        assert_eq!(check(&many).unwrap().0.count, FILES_MAX);
        assert_eq!(check(&[many, file("more")].concat()).err(), Some(TreeFault::Files));
        let large = entry("100644", "blob", &BYTES_MAX.to_string(), "a");
        assert_eq!(check(&large).unwrap().0.bytes, BYTES_MAX);
        assert_eq!(check(&[large, file("b")].concat()).err(), Some(TreeFault::Bytes { bytes: BYTES_MAX + 10 }));
        let links = |count: usize| (0..count).flat_map(|number| entry("120000", "blob", "1", &number.to_string()));
        assert!(check(&links(LINKS_MAX).collect::<Vec<u8>>()).is_ok());
        assert_eq!(check(&links(LINKS_MAX + 1).collect::<Vec<u8>>()).err(), Some(TreeFault::Links));
    }

    #[test]
    fn links_lead_nowhere_else() {
        for (path, target) in [("a", "b"), ("a/b", "../c"), ("node_modules/.bin/x", "../x/bin.js"), ("a", "./b/c")] {
            assert!(stays_inside(path, target), "{path} -> {target}");
        }
        for (path, target) in [
            ("a", "/etc/passwd"),
            ("a", ".."),
            ("a/b", "../../c"),
            // Through another link this would be one folder higher than it looks.
            ("a/b", "c/.."),
            ("a/b", "../c/../d"),
            ("a", ""),
            ("a", "b\0c"),
            ("a", ".git/config"),
        ] {
            assert!(!stays_inside(path, target), "{path} -> {target}");
        }
    }

    #[test]
    fn targets_are_read_as_git_prints_them() {
        let said = b"0123 blob 3\na\nb\n4567 blob 1\nc\n";
        let (first, rest) = next_blob(said).unwrap();
        let (second, rest) = next_blob(rest).unwrap();
        assert_eq!((first, second, rest), (b"a\nb".as_slice(), b"c".as_slice(), b"".as_slice()));
        assert!(next_blob(b"0123 missing\n").is_none());
    }
}
