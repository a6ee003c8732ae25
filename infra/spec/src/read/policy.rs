//! A file that holds nothing but scale policies: what `scale simulate` tries before it stands in an `infra.toml`.

use sluice_document::keys::{Keys, entries};
use sluice_document::reader::Reader;
use sluice_document::shape::{Form, Key, Shape};
use sluice_document::{Faults, Source};

use super::{POOLS_MAX, scale};
use crate::scale::ScaleSpec;

const SHAPE: Shape = Shape::new(
    "a file of scale policies",
    &[Key::required("pools", Form::Map(&Form::Table(&POOL), POOLS_MAX), "Policies, by the name of the pool")],
);

const POOL: Shape = Shape::new(
    "[pools.NAME]",
    &[Key::required("scale", Form::Table(&scale::SHAPE), "How the number of droplets follows load")],
);

/// Reads a file of `[pools.NAME.scale]` tables and nothing else: names of pools with their policies. The rules that
/// policies name are not looked for.
///
/// # Errors
/// All its faults.
pub fn parse_policies(source: &Source) -> Result<Vec<(String, ScaleSpec)>, Faults> {
    let mut reader = Reader::new(vec![source]);
    let document = reader.open(0);
    let policies = document.as_ref().map(|table| {
        let mut root = Keys::root(&reader, table, &SHAPE);
        let mut policies = Vec::new();
        root.required(&mut reader, "pools", "write [pools.NAME.scale]", |reader, value| {
            entries(reader, value, POOLS_MAX, |reader, name, value| {
                let Some(mut keys) = Keys::of(reader, value, &POOL) else { return };
                let draft = keys.required(reader, "scale", "write [pools.NAME.scale]", scale::read);
                keys.finish(reader);
                policies.extend(draft.map(|draft| (name.text, draft.scale)));
            });
            Some(())
        });
        root.finish(&mut reader);
        policies
    });
    reader.finish(policies)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source { file: "policy.toml".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_policy_needs_no_fleet() {
        let text = "[pools.web.scale]\nmin = 2\nmax = 9\ntarget = { rps_per_droplet = 45.9 }\n";
        let policies = parse_policies(&source(text)).unwrap();
        assert_eq!((policies[0].0.as_str(), policies[0].1.max), ("web", 9));
        assert!(parse_policies(&source("[pools.web]\nsize = \"s-1vcpu-1gb\"\n")).is_err());
    }
}
