//! Writes what is generated from the readers: the JSON Schemas in `docs/schema` and the reference in `docs/policy.md`.

use std::fs;
use std::io;
use std::path::Path;

use sluice_policy::{reference, schema};

fn main() -> io::Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for (name, schema) in [("routes.d", schema::routes()), ("sluice.toml", schema::process())] {
        fs::write(docs.join(format!("schema/{name}.schema.json")), format!("{schema:#}\n"))?;
    }
    let page = fs::read_to_string(docs.join("policy.md"))?;
    let written = page.split(reference::MARKER).next().unwrap_or_default();
    fs::write(docs.join("policy.md"), format!("{written}{}\n{}", reference::MARKER, reference::markdown()))
}
