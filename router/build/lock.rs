//! The part of Cargo.lock that the SDK needs.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use crate::Result;

/// The package to hand on.
const SDK: &str = "sluice-plugin";
/// Left out with all that only it needs: see [`crate::bindings`].
const MACRO: &str = "wit-bindgen-rust-macro";

/// The entries, by name, as cargo writes them.
pub(crate) fn needed_by_the_sdk(lock: &Table) -> Result<Vec<(String, String)>> {
    let packages = lock.get("package").and_then(Value::as_array).ok_or("a lock file lists packages")?;
    let mut todo = vec![SDK];
    let mut needed: BTreeMap<(&str, &str), &Value> = BTreeMap::new();
    while let Some(wanted) = todo.pop() {
        let mut words = wanted.split(' ');
        let (name, version) = (words.next(), words.next());
        let is_it = |it: &&Value| text(it, "name") == name && (version.is_none() || text(it, "version") == version);
        let package = packages.iter().find(is_it).ok_or_else(|| format!("{wanted} is not locked"))?;
        let key = (text(package, "name").unwrap_or_default(), text(package, "version").unwrap_or_default());
        if needed.insert(key, package).is_none() {
            todo.extend(dependencies(package));
        }
    }
    let versions = |name: &str| needed.keys().filter(|(its, _)| *its == name).count();
    let twice: BTreeSet<&str> = needed.keys().map(|(name, _)| *name).filter(|name| versions(name) > 1).collect();
    Ok(needed.iter().map(|((name, _), package)| ((*name).to_owned(), block(package, &twice))).collect())
}

/// One entry. A version stands behind a dependency only where there are two of that name.
fn block(package: &Value, twice: &BTreeSet<&str>) -> String {
    let mut block = "[[package]]\n".to_owned();
    for key in ["name", "version", "source", "checksum"] {
        block.extend(text(package, key).map(|value| format!("{key} = {value:?}\n")));
    }
    let wanted = dependencies(package).map(|wanted| match wanted.split_once(' ') {
        Some((name, _)) if !twice.contains(name) => name,
        Some(_) | None => wanted,
    });
    let lines: String = wanted.map(|wanted| format!(" {wanted:?},\n")).collect();
    if lines.is_empty() { block } else { format!("{block}dependencies = [\n{lines}]\n") }
}

fn text<'a>(package: &'a Value, key: &str) -> Option<&'a str> {
    package.get(key).and_then(Value::as_str)
}

fn dependencies(package: &Value) -> impl Iterator<Item = &str> {
    let all = package.get("dependencies").and_then(Value::as_array).into_iter().flatten();
    all.filter_map(Value::as_str).filter(|name| *name != MACRO)
}
