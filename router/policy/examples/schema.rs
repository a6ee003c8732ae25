//! Writes what is generated from the readers: the JSON Schemas in `docs/schema` and the references in `docs/policy.md` and
//! `docs/plugin-tests.md`.

use std::fs;
use std::io;
use std::path::Path;

use sluice_policy::{reference, schema};

fn main() -> io::Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let schemas =
        [("routes.d", schema::routes()), ("sluice.toml", schema::process()), ("plugin-tests", schema::plugin_tests())];
    for (name, schema) in schemas {
        fs::write(docs.join(format!("schema/{name}.schema.json")), format!("{schema:#}\n"))?;
    }
    for (name, generated) in [("policy.md", reference::markdown()), ("plugin-tests.md", reference::plugin_tests())] {
        let page = fs::read_to_string(docs.join(name))?;
        let written = page.split(reference::MARKER).next().unwrap_or_default();
        fs::write(docs.join(name), format!("{written}{}\n{generated}", reference::MARKER))?;
    }
    Ok(())
}
