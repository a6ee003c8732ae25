//! Text -> [`Spec`]: tables into drafts, then names resolved and what the tables say of each other checked.

mod app;
mod check;
mod cloud;
mod machine;
mod policy;
mod pool;
mod scale;
mod template;
mod watch;

use sluice_document::keys::{Keys, entries};
use sluice_document::names::Names;
use sluice_document::reader::{Named, Reader, Value};
use sluice_document::shape::{Form, Key, Shape};
use sluice_document::values::{integer, number, text};
use sluice_document::{Faults, Source};

use self::app::AppDraft;
pub use self::policy::parse_policies;
use self::pool::PoolDraft;
use self::watch::RuleDraft;
use crate::spec::{AgeFile, Spec};

/// Most pools of a fleet.
pub(crate) const POOLS_MAX: usize = 32;
/// Most apps of a fleet.
pub(crate) const APPS_MAX: usize = 16;
/// Highest budget, in US dollars: what is above it is a slip of the keyboard.
const MONTHLY_USD_MAX: f64 = 1_000_000.0;
/// The port of node_exporter.
const METRICS_PORT: u16 = 9_100;
/// Ports that a fleet may use.
pub(crate) const PORTS: std::ops::RangeInclusive<u64> = 1_024..=65_000;
/// Longest name of a fleet or pool, in bytes: both and a suffix make one label of a host name, 63 at most (RFC 1123 section 2.1).
pub(crate) const LABEL_BYTES_MAX: usize = 24;

/// A part of a host name.
pub(crate) const LABEL: Form = Form::Text("lower-case letters, digits and `-`", "^[a-z][a-z0-9-]{0,23}$");
/// A slug of a cloud.
pub(crate) const SLUG: Form = Form::Text("a slug", "^[a-z0-9][a-z0-9.-]*$");

pub(crate) const SHAPE: Shape = Shape::new(
    "infra.toml",
    &[
        Key::required("fleet", Form::Table(&FLEET), "The fleet as a whole"),
        Key::default("cloud", Form::Table(&cloud::SHAPE), "{}", "Where droplets come from; this machine without it"),
        Key::optional("budget", Form::Table(&BUDGET), "What the fleet may cost"),
        Key::optional("secrets", Form::Table(&AGE), "Where secrets of `{ age = \"NAME\" }` stand"),
        Key::required("pools", Form::Map(&Form::Table(&pool::SHAPE), POOLS_MAX), "Droplets of one kind, by name"),
        Key::default("apps", Form::Map(&Form::Table(&app::SHAPE), APPS_MAX), "{}", "Applications, by name"),
        Key::default("router", Form::Table(&machine::ROUTER), "{}", "What runs where the role is `router`"),
        Key::default("redis", Form::Table(&machine::REDIS), "{}", "What runs where the role is `redis`"),
        Key::optional(
            "rules",
            Form::Map(&Form::Table(&watch::SHAPE), watch::RULES_MAX),
            "What is worth an alert; without it `cpu-high` and `memory-high` (above 20 %) and `absent` (no data for a minute)",
        ),
    ],
);

const FLEET: Shape = Shape::new(
    "[fleet]",
    &[
        Key::required("name", LABEL, "Prefix of names and tags, and the `edge` of the store's keys"),
        Key::default("region", SLUG, "\"fra1\"", "Slug of the region"),
        Key::default("image", SLUG, "\"debian-13-x64\"", "Slug of the image of all droplets"),
        Key::default(
            "metrics_port",
            Form::Integer(PORTS),
            "9100",
            "Port of each machine's metrics, on its private address",
        ),
    ],
);

const BUDGET: Shape = Shape::new(
    "[budget]",
    &[Key::required(
        "monthly_usd_max",
        Form::Number(0.0..=MONTHLY_USD_MAX),
        "No plan and no scaling makes the fleet cost more in a month, US dollars",
    )],
);

const AGE: Shape = Shape::new(
    "[secrets]",
    &[
        Key::required("file", Form::text("a file"), "Encrypted with age: JSON, names to texts"),
        Key::required("identity", Form::text("a file"), "The identity that opens it"),
    ],
);

/// Reads an `infra.toml`.
///
/// # Errors
/// All its faults.
pub fn parse(source: &Source) -> Result<Spec, Faults> {
    let mut reader = Reader::new(vec![source]);
    let document = reader.open(0);
    let spec = document.as_ref().and_then(|table| {
        let root = Keys::root(&reader, table, &SHAPE);
        Draft::read(&mut reader, root)?.resolve(&mut reader)
    });
    reader.finish(spec)
}

/// What the file says, before its names are resolved.
struct Draft {
    spec: Option<Spec>,
    pools: Vec<PoolDraft>,
    apps: Vec<AppDraft>,
    rules: Vec<RuleDraft>,
    app_names: Names,
    pool_names: Names,
    rule_names: Names,
}

impl Draft {
    fn read(reader: &mut Reader<'_>, mut root: Keys<'_>) -> Option<Self> {
        let (mut pools, mut apps, mut rules) = (Vec::new(), Vec::new(), watch::defaults());
        let (mut pool_names, mut app_names, mut rule_names) = (Names::default(), Names::default(), Names::default());
        let place = root.place().clone();
        for rule in &rules {
            rule_names.declare(reader, "rule", &Named { text: rule.rule.name.clone(), place: place.clone() });
        }
        let fleet = root.required(reader, "fleet", "write [fleet] with a `name`", fleet);
        let cloud = root.optional(reader, "cloud", cloud::read);
        let has_cloud_fault = cloud.is_none() && root.find("cloud").is_some();
        let monthly_cents_max = root.optional(reader, "budget", budget);
        let age = root.optional(reader, "secrets", age);
        root.required(reader, "pools", "write [pools.NAME] with `roles` and `size`", |reader, value| {
            entries(reader, value, POOLS_MAX, |reader, name, value| {
                label(reader, &name);
                pool_names.declare(reader, "pool", &name);
                pools.extend(pool::read(reader, name, value));
            });
            Some(())
        });
        root.optional(reader, "apps", |reader, value| {
            entries(reader, value, APPS_MAX, |reader, name, value| {
                app_names.declare(reader, "app", &name);
                apps.extend(app::read(reader, name, value));
            });
            Some(())
        });
        let router = root.optional(reader, "router", machine::router).unwrap_or_else(machine::default_router);
        let redis = root.optional(reader, "redis", machine::redis).unwrap_or_else(machine::default_redis);
        if let Some(value) = root.find("rules") {
            (rules, rule_names) = (Vec::new(), Names::default());
            entries(reader, value, watch::RULES_MAX, |reader, name, value| {
                rule_names.declare(reader, "rule", &name);
                rules.extend(watch::read(reader, name, value));
            });
        }
        root.finish(reader);
        let spec = fleet.filter(|_| !has_cloud_fault).map(|(fleet, region, image, metrics_port)| Spec {
            fleet,
            cloud: cloud.unwrap_or(crate::CloudSpec::Local),
            region,
            image,
            monthly_cents_max,
            pools: Vec::new(),
            apps: Vec::new(),
            router,
            redis,
            rules: Vec::new(),
            metrics_port,
            age,
        });
        Some(Self { spec, pools, apps, rules, app_names, pool_names, rule_names })
    }

    fn resolve(self, reader: &mut Reader<'_>) -> Option<Spec> {
        let (apps, pools, rules) =
            (self.app_names.into_index(), self.pool_names.into_index(), self.rule_names.into_index());
        self.pools.iter().for_each(|pool| pool.resolve(reader, &apps, &rules));
        self.rules.iter().for_each(|rule| rule.resolve(reader, &pools));
        let mut spec = self.spec?;
        // Of a file with faults, what its tables say of each other may be but their consequence.
        if reader.is_faultless() {
            check::roles(reader, &self.pools);
            check::ports(reader, &spec, &self.pools, &self.apps);
            check::secrets(reader, &spec, &self.pools);
        }
        spec.pools = self.pools.into_iter().map(|draft| draft.pool).collect();
        spec.apps = self.apps.into_iter().map(|draft| draft.app).collect();
        spec.rules = self.rules.into_iter().map(|draft| draft.rule).collect();
        Some(spec)
    }
}

type Fleet = (String, String, String, u16);

fn fleet<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<Fleet> {
    let mut keys = Keys::of(reader, value, &FLEET)?;
    let name = keys.required(reader, "name", "write name = \"meow\"", text);
    if let Some(name) = &name {
        label(reader, name);
    }
    let region = keys.optional(reader, "region", slug).unwrap_or_else(|| "fra1".to_owned());
    let image = keys.optional(reader, "image", slug).unwrap_or_else(|| "debian-13-x64".to_owned());
    let port = keys.optional(reader, "metrics_port", port).unwrap_or(METRICS_PORT);
    keys.finish(reader);
    Some((name?.text, region, image, port))
}

fn budget<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<u64> {
    let mut keys = Keys::of(reader, value, &BUDGET)?;
    let dollars = keys.required(reader, "monthly_usd_max", "write monthly_usd_max = 100", |reader, value| {
        number(reader, value, &(0.0..=MONTHLY_USD_MAX))
    });
    keys.finish(reader);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1e8, checked above")]
    dollars.map(|dollars| (dollars * 100.0).round() as u64)
}

fn age<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<AgeFile> {
    let mut keys = Keys::of(reader, value, &AGE)?;
    let file = keys.required(reader, "file", "write file = \"secrets.age\"", text);
    let identity = keys.required(reader, "identity", "write identity = \"key.txt\"", text);
    keys.finish(reader);
    Some(AgeFile { file: file?.text, identity: identity?.text })
}

/// Refuses what cannot be part of a host name.
pub(crate) fn label(reader: &mut Reader<'_>, name: &Named) {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let begins = name.text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if !begins || !name.text.bytes().all(allowed) || name.text.ends_with('-') || name.text.len() > LABEL_BYTES_MAX {
        let hint = format!(
            "lower-case letters, digits and `-`, a letter first, at most {LABEL_BYTES_MAX} bytes: it becomes part of host names"
        );
        reader.fault(
            &name.place,
            format!("{} is no part of a host name", sluice_document::reader::quoted(&name.text)),
            hint,
        );
    }
}

pub(crate) fn slug<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<String> {
    let named = text(reader, value)?;
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    if named.text.bytes().all(allowed) {
        return Some(named.text);
    }
    let message = format!("{} is no slug", sluice_document::reader::quoted(&named.text));
    reader.fault(&named.place, message, "lower-case letters, digits, `-` and `.`, e.g. \"s-1vcpu-1gb\"");
    None
}

pub(crate) fn port<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<u16> {
    integer(reader, value, &PORTS)
}

#[cfg(test)]
mod tests;
