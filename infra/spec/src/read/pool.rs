//! `[pools.NAME]`.

use sluice_document::keys::Keys;
use sluice_document::names::Index;
use sluice_document::reader::{Named, Place, Reader, Value};
use sluice_document::shape::{Form, Key, Shape};
use sluice_document::values::{choice, filled_list, integer, name_text};

use super::scale::{self, ScaleDraft};
use super::{SLUG, slug};
use crate::pool::{Pool, Role};

/// Most droplets of a pool; DigitalOcean's largest autoscale pool has 500.
pub(crate) const DROPLETS_MAX: u64 = 500;
const ROLES: [(&str, Role); 3] = [("router", Role::Router), ("redis", Role::Redis), ("app", Role::App)];

pub(crate) const SHAPE: Shape = Shape::new(
    "[pools.NAME]",
    &[
        Key::required(
            "roles",
            Form::List(&Form::Words(&["router", "redis", "app"]), 1, ROLES.len()),
            "What runs on each droplet",
        ),
        Key::default("size", SLUG, "\"s-1vcpu-1gb\"", "Slug of the size"),
        Key::default("count", Form::Integer(0..=DROPLETS_MAX), "1", "How many droplets, unless `scale` says so"),
        Key::optional("app", Form::Name, "The app, where the role is `app`"),
        Key::optional("variant", Form::Name, "Its variant, e.g. `stable` or `canary`, where the role is `app`"),
        Key::optional("scale", Form::Table(&scale::SHAPE), "How the number of droplets follows load"),
    ],
);

/// A pool whose names are not yet resolved.
pub(crate) struct PoolDraft {
    pub(crate) pool: Pool,
    pub(crate) place: Place,
    app: Option<Named>,
    scale: Option<ScaleDraft>,
}

impl PoolDraft {
    pub(crate) fn resolve(&self, reader: &mut Reader<'_>, apps: &Index, rules: &Index) {
        if let Some(app) = &self.app {
            apps.resolve(reader, "app", app);
        }
        if let Some(scale) = &self.scale {
            scale.resolve(reader, rules);
        }
    }
}

pub(crate) fn read<'d>(reader: &mut Reader<'_>, name: Named, value: &'d Value<'d>) -> Option<PoolDraft> {
    let mut keys = Keys::of(reader, value, &SHAPE)?;
    let place = name.place.clone();
    let roles = keys.required(reader, "roles", "write roles = [\"app\"]", |reader, value| {
        filled_list(reader, value, ROLES.len(), |reader, value| choice(reader, value, "role", &ROLES))
    });
    let size = keys.optional(reader, "size", slug).unwrap_or_else(|| "s-1vcpu-1gb".to_owned());
    let count =
        keys.optional(reader, "count", |reader, value| integer(reader, value, &(0..=DROPLETS_MAX))).unwrap_or(1_u32);
    let app = keys.optional(reader, "app", name_text);
    let variant = keys.optional(reader, "variant", name_text);
    let scale = keys.optional(reader, "scale", scale::read);
    // Of roles that are none, nothing follows.
    if let Some(roles) = roles.as_ref().filter(|roles| !roles.is_empty()) {
        match (roles.contains(&Role::App), &app, &variant) {
            (true, None, _) => {
                keys.missing(reader, &place, &["app"], "`app` is missing", "say which app runs there: app = \"meow\"")
            }
            (true, _, None) => {
                keys.missing(
                    reader,
                    &place,
                    &["variant"],
                    "`variant` is missing",
                    "write variant = \"stable\" or \"canary\"",
                );
            }
            (false, Some(stray), _) | (false, None, Some(stray)) => {
                reader.fault(&stray.place, "no app runs in this pool", "add \"app\" to its roles, or remove this");
            }
            (true, Some(_), Some(_)) | (false, None, None) => {}
        }
    }
    keys.finish(reader);
    let mut roles = roles?;
    roles.sort_unstable();
    roles.dedup();
    let pool = Pool {
        name: name.text,
        roles,
        size,
        count,
        app: app.as_ref().map(|app| app.text.clone()),
        variant: variant.map(|variant| variant.text),
        scale: scale.as_ref().map(|scale| scale.scale.clone()),
    };
    Some(PoolDraft { pool, place, app, scale })
}
