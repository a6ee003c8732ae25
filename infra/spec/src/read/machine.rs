//! `[router]` and `[redis]`.

use sluice_document::keys::Keys;
use sluice_document::reader::{Reader, Value};
use sluice_document::shape::{Form, Key, Shape};
use sluice_document::values::text;

use super::cloud::{SECRET, secret};
use super::{PORTS, port};
use crate::secret::Secret;
use crate::spec::{RedisSpec, RouterSpec};

const EDGE_PORT: u16 = 8_080;
const ADMIN_PORT: u16 = 9_900;
const REDIS_PORT: u16 = 6_379;
const PASSWORD_VARIABLE: &str = "SLUICE_REDIS_PASSWORD";

pub(crate) const ROUTER: Shape = Shape::new(
    "[router]",
    &[
        Key::default(
            "folder",
            Form::text("a folder"),
            "\"router\"",
            "With sluice.toml, routes.d and plugins.d, beside this file",
        ),
        Key::default("edge_port", Form::Integer(PORTS), "8080", "Port of the edge, open to the world"),
        Key::default("admin_port", Form::Integer(PORTS), "9900", "Port of the admin API, on the router's loopback"),
    ],
);

pub(crate) const REDIS: Shape = Shape::new(
    "[redis]",
    &[
        Key::default("port", Form::Integer(PORTS), "6379", "Port, on the private address"),
        Key::optional("password", Form::Table(&SECRET), "Password; without it the variable SLUICE_REDIS_PASSWORD"),
    ],
);

pub(crate) fn default_router() -> RouterSpec {
    RouterSpec { folder: "router".to_owned(), edge_port: EDGE_PORT, admin_port: ADMIN_PORT }
}

pub(crate) fn default_redis() -> RedisSpec {
    RedisSpec { port: REDIS_PORT, password: Secret::Env(PASSWORD_VARIABLE.to_owned()) }
}

pub(crate) fn router<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<RouterSpec> {
    let mut keys = Keys::of(reader, value, &ROUTER)?;
    let default = default_router();
    let folder = keys.optional(reader, "folder", text).map_or(default.folder, |folder| folder.text);
    let edge_port = keys.optional(reader, "edge_port", port).unwrap_or(default.edge_port);
    let admin_port = keys.optional(reader, "admin_port", port).unwrap_or(default.admin_port);
    keys.finish(reader);
    Some(RouterSpec { folder, edge_port, admin_port })
}

pub(crate) fn redis<'d>(reader: &mut Reader<'_>, value: &'d Value<'d>) -> Option<RedisSpec> {
    let mut keys = Keys::of(reader, value, &REDIS)?;
    let default = default_redis();
    let port = keys.optional(reader, "port", port).unwrap_or(default.port);
    let password = keys.optional(reader, "password", secret).unwrap_or(default.password);
    keys.finish(reader);
    Some(RedisSpec { port, password })
}
