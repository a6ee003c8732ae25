//! Writes what is generated from the reader: `docs/schema/infra.toml.schema.json` and the reference in `docs/infra.md`.

use std::fs;
use std::io;
use std::path::Path;

use sluice_infra_spec::schema;

fn main() -> io::Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    fs::write(docs.join("schema/infra.toml.schema.json"), format!("{:#}\n", schema::infra()))?;
    let page = fs::read_to_string(docs.join("infra.md"))?;
    let written = page.split(schema::MARKER).next().unwrap_or_default();
    fs::write(docs.join("infra.md"), format!("{written}{}\n{}", schema::MARKER, schema::reference()))
}
