//! The routers' folder: templates are rendered, and the whole is held to what routers accept, before anything is sent.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use minijinja::{Environment, UndefinedBehavior};
use sluice_infra_host::TrafficSource;
use sluice_infra_host::remote::{Digest, sha256_of};
use sluice_policy::{Faults, Source};

use crate::traffic;

/// The process of a router.
const PROCESS: &str = "sluice.toml";
/// Folder with its policy.
const ROUTES: &str = "routes.d";
/// Files that are templates end so; everything else goes as it is.
const TEMPLATE: &str = "toml";
/// Most files of the folder.
const FILES_MAX: usize = 1_024;
/// Largest template, in bytes; policies are no larger.
const TEMPLATE_BYTES_MAX: u64 = 1 << 20;
/// How deep folders may be nested.
const DEPTH_MAX: usize = 4;

/// What is wrong with the folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderFault {
    /// It cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It lacks the file of the process.
    #[error("{} has no {PROCESS}: `sluice-infra init` writes one", path.display())]
    NoProcess {
        /// The folder.
        path: PathBuf,
    },
    /// More than anybody needs.
    #[error("{} holds {what}", path.display())]
    TooMuch {
        /// The folder or file.
        path: PathBuf,
        /// Too much of what.
        what: String,
    },
    /// A template names what nobody knows, or is none.
    #[error("{file}:{line}: {message}")]
    Template {
        /// Which.
        file: String,
        /// Where.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// What comes out is no configuration of a router.
    #[error("the routers would refuse this, as it is filled in for one of them:\n{0}")]
    Refused(Faults),
}

/// The folder as it was read.
#[derive(Clone, Debug)]
pub struct RouterFolder {
    /// Path in the folder -> text.
    templates: BTreeMap<String, String>,
    /// Path in the folder -> file and its digest.
    blobs: BTreeMap<String, (PathBuf, Digest)>,
}

/// The folder as one router gets it.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// Path in the folder -> text.
    pub files: BTreeMap<String, String>,
    /// What the router counts with it, and where it tells.
    pub traffic: TrafficSource,
}

impl RouterFolder {
    /// Reads it. Files whose names begin with `.` are left out.
    ///
    /// # Errors
    /// [`FolderFault`]
    pub fn read(folder: &Path) -> Result<Self, FolderFault> {
        let mut read = Self { templates: BTreeMap::new(), blobs: BTreeMap::new() };
        read.add(folder, "", 0)?;
        if read.templates.contains_key(PROCESS) {
            Ok(read)
        } else {
            Err(FolderFault::NoProcess { path: folder.to_owned() })
        }
    }

    fn add(&mut self, folder: &Path, prefix: &str, depth: usize) -> Result<(), FolderFault> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source| FolderFault::Unreadable { path, source }
        };
        let too_much = |path: &Path, what: String| FolderFault::TooMuch { path: path.to_owned(), what };
        for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
            let path = entry.map_err(unreadable(folder))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| !name.starts_with('.'))
            else {
                continue;
            };
            let inside = format!("{prefix}{name}");
            let found = fs::metadata(&path).map_err(unreadable(&path))?;
            if found.is_dir() {
                if depth == DEPTH_MAX {
                    return Err(too_much(&path, format!("folders that are nested more than {DEPTH_MAX} times")));
                }
                self.add(&path, &format!("{inside}/"), depth + 1)?;
            } else if path.extension().is_some_and(|extension| extension == TEMPLATE) {
                if found.len() > TEMPLATE_BYTES_MAX {
                    return Err(too_much(&path, format!("more than {TEMPLATE_BYTES_MAX} bytes")));
                }
                self.templates.insert(inside, fs::read_to_string(&path).map_err(unreadable(&path))?);
            } else {
                let digest = sha256_of(&path).map_err(unreadable(&path))?;
                self.blobs.insert(inside, (path.clone(), digest));
            }
            if self.templates.len() + self.blobs.len() > FILES_MAX {
                return Err(too_much(folder, format!("more than {FILES_MAX} files")));
            }
        }
        Ok(())
    }

    /// Files that go as they are: path in the folder, file, digest.
    pub fn blobs(&self) -> impl Iterator<Item = (&str, &Path, &str)> {
        self.blobs.iter().map(|(inside, (file, digest))| (inside.as_str(), file.as_path(), digest.as_str()))
    }

    /// The templates filled in. What comes out is what a router accepts.
    ///
    /// # Errors
    /// [`FolderFault::Template`], [`FolderFault::Refused`]
    pub fn render(&self, values: &BTreeMap<&str, String>) -> Result<Rendered, FolderFault> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut files = BTreeMap::new();
        for (inside, text) in &self.templates {
            let rendered = environment.render_named_str(inside, text, values);
            let mut rendered = rendered.map_err(|error| fault(inside, values, &error))?;
            // Templates lose the line break at their end.
            if text.ends_with('\n') {
                rendered.push('\n');
            }
            files.insert(inside.clone(), rendered);
        }
        let traffic = accept(&files)?;
        Ok(Rendered { files, traffic })
    }
}

/// Says the place, and what there is to name.
fn fault(file: &str, values: &BTreeMap<&str, String>, error: &minijinja::Error) -> FolderFault {
    let known = values.keys().copied().collect::<Vec<_>>().join(", ");
    let hint = match error.kind() {
        minijinja::ErrorKind::UndefinedError => format!("; there are: {known}"),
        _ => String::new(),
    };
    let says = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    FolderFault::Template { file: file.to_owned(), line: error.line().unwrap_or(1), message: format!("{says}{hint}") }
}

/// A router would take them; what it then counts.
fn accept(files: &BTreeMap<String, String>) -> Result<TrafficSource, FolderFault> {
    let source = |(file, text): (&String, &String)| Source { file: file.clone(), text: text.clone() };
    let process = files
        .get_key_value(PROCESS)
        .map(source)
        .unwrap_or_else(|| Source { file: PROCESS.into(), text: String::new() });
    let process = sluice_policy::parse_process(&process).map_err(FolderFault::Refused)?;
    let routes: Vec<Source> = files.iter().filter(|(file, _)| is_policy(file)).map(source).collect();
    let policy = sluice_policy::parse(&routes).map_err(FolderFault::Refused)?;
    Ok(traffic::source(process.admin.address, &policy))
}

/// A file of `routes.d` itself, not of a folder in it.
fn is_policy(file: &str) -> bool {
    file.strip_prefix(ROUTES).and_then(|rest| rest.strip_prefix('/')).is_some_and(|name| !name.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(process: &str, routes: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(ROUTES)).unwrap();
        fs::create_dir(folder.path().join("plugins.d")).unwrap();
        fs::write(folder.path().join(PROCESS), process).unwrap();
        fs::write(folder.path().join("routes.d/app.toml"), routes).unwrap();
        fs::write(folder.path().join("plugins.d/canary.wasm"), b"\0asm").unwrap();
        fs::write(folder.path().join(".hidden"), b"x").unwrap();
        folder
    }

    fn values() -> BTreeMap<&'static str, String> {
        BTreeMap::from([("address", "10.0.0.1".to_owned()), ("edge_port", "8080".to_owned())])
    }

    const PROCESS_TEXT: &str = "[[listeners]]\naddress = \"{{ address }}:{{ edge_port }}\"\n";
    const ROUTES_TEXT: &str = "[upstreams.a]\nservers = [\"127.0.0.1:1\"]\n[[routes]]\nname = \"a\"\nto = \"a\"\n";

    #[test]
    fn templates_are_filled_in_and_the_rest_goes_as_it_is() {
        let folder = folder(PROCESS_TEXT, ROUTES_TEXT);
        let read = RouterFolder::read(folder.path()).unwrap();
        let files = read.render(&values()).unwrap().files;
        assert_eq!(files["sluice.toml"], "[[listeners]]\naddress = \"10.0.0.1:8080\"\n");
        assert_eq!(files.len(), 2);
        let blobs: Vec<&str> = read.blobs().map(|(inside, ..)| inside).collect();
        assert_eq!(blobs, ["plugins.d/canary.wasm"]);
    }

    #[test]
    fn a_name_that_nobody_knows_has_its_line_and_the_known_ones() {
        let folder = folder(&format!("\n{}", PROCESS_TEXT.replace("edge_port", "port")), ROUTES_TEXT);
        let error = RouterFolder::read(folder.path()).unwrap().render(&values()).unwrap_err().to_string();
        assert!(error.starts_with("sluice.toml:3: ") && error.ends_with("; there are: address, edge_port"), "{error}");
    }

    #[test]
    fn what_a_router_would_refuse_is_refused_here() {
        for (process, routes, file) in [
            (PROCESS_TEXT.replace("address =", "adress ="), ROUTES_TEXT.to_owned(), "sluice.toml:2:1"),
            (PROCESS_TEXT.to_owned(), ROUTES_TEXT.replace("to = \"a\"", "to = \"b\""), "routes.d/app.toml:5:6"),
        ] {
            let folder = folder(&process, &routes);
            let error = RouterFolder::read(folder.path()).unwrap().render(&values()).unwrap_err().to_string();
            assert!(error.contains(file), "{error}");
        }
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(RouterFolder::read(empty.path()), Err(FolderFault::NoProcess { .. })));
        assert!(matches!(RouterFolder::read(&empty.path().join("no")), Err(FolderFault::Unreadable { .. })));
    }
}
