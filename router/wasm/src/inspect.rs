//! Inspection: what a file says of itself, whatever state it is in. Nothing of it is compiled and nothing runs; what is
//! not known about a damaged file is left open.

use wasmparser::{ComponentTypeRef, Parser, Payload, TypeBounds};

use crate::digest::Digest;
use crate::exports::CONTRACT_EXPORTS;
use crate::host::{LOGGING, TYPES};
use crate::manifest::{Manifest, ManifestError};
use crate::wasi::{self, Access};

/// Imports, and exports, that are listed at most: a file with more is no plugin.
pub const ITEMS_MAX: usize = 256;

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// What it is.
    pub kind: FileKind,
    /// Its size in bytes.
    pub bytes_len: usize,
    /// Its digest.
    pub digest: Digest,
    /// Where and how it is damaged; what stands before that place is listed.
    pub damage: Option<String>,
    /// Who it is and what it needs.
    pub manifest: Result<Manifest, ManifestError>,
    /// What it wants of its host, in order.
    pub imports: Vec<Import>,
    /// What it offers, in order.
    pub exports: Vec<ExportSeen>,
}

/// What a file is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A component.
    Component,
    /// A module that was not made a component.
    CoreModule,
    /// Anything else.
    Other,
}

/// One import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Its name; of a core module `MODULE.NAME`.
    pub name: String,
    /// What becomes of it.
    pub access: ImportAccess,
}

/// What becomes of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportAccess {
    /// It is of the contract.
    Contract,
    /// It is of WASI, and works.
    Wasi,
    /// It is of WASI and links, but each call of it traps: files, sockets, HTTP.
    Denied,
    /// It is refused, and the file with it.
    Refused,
}

/// One export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportSeen {
    /// Its name.
    pub name: String,
    /// Whether it is one that the host may call.
    pub is_of_contract: bool,
}

/// Reads what `file` says of itself.
#[must_use]
pub fn inspect(file: &[u8]) -> Inspection {
    let kind = if Parser::is_component(file) {
        FileKind::Component
    } else if Parser::is_core_wasm(file) {
        FileKind::CoreModule
    } else {
        FileKind::Other
    };
    let mut found = Found::default();
    let damage = match kind {
        FileKind::Other => None,
        FileKind::Component | FileKind::CoreModule => found.read(file).err().map(|error| error.to_string()),
    };
    Inspection {
        kind,
        bytes_len: file.len(),
        digest: Digest::of(file),
        damage,
        manifest: Manifest::read(file),
        imports: found.imports,
        exports: found.exports,
    }
}

#[derive(Default)]
struct Found {
    imports: Vec<Import>,
    exports: Vec<ExportSeen>,
}

impl Found {
    /// Collects what stands at the outermost level.
    fn read(&mut self, file: &[u8]) -> Result<(), wasmparser::BinaryReaderError> {
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(file) {
            match payload? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(imports) if depth == 0 => {
                    for import in imports {
                        let import = import?;
                        let name = import.name.name;
                        if !is_alias(import.ty) {
                            self.import(name.to_owned(), access(name));
                        }
                    }
                }
                Payload::ComponentExportSection(exports) if depth == 0 => {
                    for export in exports {
                        self.export(export?.name.name);
                    }
                }
                Payload::ImportSection(imports) if depth == 0 => {
                    for import in imports.into_imports() {
                        let import = import?;
                        self.import(format!("{}.{}", import.module, import.name), access(import.module));
                    }
                }
                Payload::ExportSection(exports) if depth == 0 => {
                    for export in exports {
                        self.export(export?.name);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn import(&mut self, name: String, access: ImportAccess) {
        if self.imports.len() < ITEMS_MAX {
            self.imports.push(Import { name, access });
        }
    }

    fn export(&mut self, name: &str) {
        if self.exports.len() < ITEMS_MAX {
            self.exports.push(ExportSeen { name: name.to_owned(), is_of_contract: CONTRACT_EXPORTS.contains(&name) });
        }
    }
}

/// True for the name of a type of another import: nothing that a host gives.
const fn is_alias(ty: ComponentTypeRef) -> bool {
    matches!(ty, ComponentTypeRef::Type(TypeBounds::Eq(_)))
}

fn access(name: &str) -> ImportAccess {
    if LOGGING.contains(&name) || TYPES.contains(&name) {
        return ImportAccess::Contract;
    }
    match wasi::access(name) {
        Some(Access::Given) => ImportAccess::Wasi,
        Some(Access::Denied) => ImportAccess::Denied,
        None => ImportAccess::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(inside: &str) -> Vec<u8> {
        wat::parse_str(format!("(component {inside})")).unwrap()
    }

    fn imports(file: &[u8]) -> Vec<(String, ImportAccess)> {
        inspect(file).imports.into_iter().map(|import| (import.name, import.access)).collect()
    }

    #[test]
    fn each_import_says_what_becomes_of_it() {
        let file = component(
            r#"(type $t u32) (import "a-type" (type (eq $t)))
               (import "sluice:plugin/logging@0.2.0" (instance))
               (import "wasi:io/poll@0.2.3" (instance))
               (import "wasi:sockets/tcp@0.2.3" (instance))
               (import "evil:net/raw@1.0.0" (instance))
               (component (import "inside" (func)))"#,
        );
        let expected = [
            ("sluice:plugin/logging@0.2.0", ImportAccess::Contract),
            ("wasi:io/poll@0.2.3", ImportAccess::Wasi),
            ("wasi:sockets/tcp@0.2.3", ImportAccess::Denied),
            ("evil:net/raw@1.0.0", ImportAccess::Refused),
        ];
        assert_eq!(imports(&file), expected.map(|(name, access)| (name.to_owned(), access)));
        assert_eq!(inspect(&file).kind, FileKind::Component);
    }

    #[test]
    fn exports_of_the_contract_are_told_from_others() {
        let file = component(
            r#"(core module $m (func (export "f")))
               (core instance $i (instantiate $m))
               (func $f (canon lift (core func $i "f")))
               (export "on-request" (func $f))
               (export "other" (func $f))"#,
        );
        let seen: Vec<_> =
            inspect(&file).exports.into_iter().map(|export| (export.name, export.is_of_contract)).collect();
        assert_eq!(seen, [("on-request".to_owned(), true), ("other".to_owned(), false)]);
    }

    #[test]
    fn a_module_is_told_from_a_component() {
        let file = wat::parse_str(
            r#"(module (import "env" "open" (func)) (import "sluice:plugin/logging@0.2.0" "log" (func))
            (func (export "run")))"#,
        )
        .unwrap();
        let seen = inspect(&file);
        assert_eq!(seen.kind, FileKind::CoreModule);
        let import = |name: &str, access| Import { name: name.to_owned(), access };
        let log = import("sluice:plugin/logging@0.2.0.log", ImportAccess::Contract);
        assert_eq!(seen.imports, [import("env.open", ImportAccess::Refused), log]);
        assert_eq!(seen.exports, [ExportSeen { name: "run".to_owned(), is_of_contract: false }]);
    }

    #[test]
    fn what_stands_before_the_damage_is_told() {
        let whole = component(r#"(import "wasi:io/poll@0.2.3" (instance)) (core module (@custom "x" "0123456789"))"#);
        assert_eq!(inspect(&whole).damage, None);
        for cut in 8..whole.len() {
            let seen = inspect(&whole[..cut]);
            assert_eq!((seen.bytes_len, seen.kind), (cut, FileKind::Component), "{cut}");
        }
        let seen = inspect(&whole[..whole.len() - 4]);
        assert!(seen.damage.is_some() && seen.imports.len() == 1, "{seen:?}");
        for text in [&b""[..], b"\0asm", b"hello, world"] {
            assert_eq!((inspect(text).kind, inspect(text).damage), (FileKind::Other, None));
        }
    }

    #[test]
    fn a_list_ends_at_its_bound() {
        let many = |count: usize| {
            let imports: String = (0..count).map(|i| format!("(import \"a:b/c{i}@1.0.0\" (instance))")).collect();
            inspect(&component(&imports)).imports.len()
        };
        assert_eq!((many(ITEMS_MAX), many(ITEMS_MAX + 1)), (ITEMS_MAX, ITEMS_MAX));
    }
}
