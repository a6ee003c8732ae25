//! What the tables say of each other.

use sluice_document::reader::Reader;

use super::app::AppDraft;
use super::pool::PoolDraft;
use crate::app::App;
use crate::pool::Role;
use crate::secret::Secret;
use crate::spec::{CloudSpec, Spec};

/// One Redis, on one droplet; routers that reach it; what holds data does not scale.
pub(crate) fn roles(reader: &mut Reader<'_>, pools: &[PoolDraft]) {
    let Some(first) = pools.first() else { return };
    let with = |role: Role| pools.iter().filter(move |draft| draft.pool.roles.contains(&role));
    let redis: Vec<&PoolDraft> = with(Role::Redis).collect();
    match redis.as_slice() {
        [] => reader.missing(
            &first.place,
            "no pool has the role `redis`",
            "add \"redis\" to the roles of the routers' pool",
        ),
        [only] => {
            if only.pool.count != 1 || only.pool.scale.is_some() {
                reader.fault(
                    &only.place,
                    "the pool with the role `redis` has one droplet",
                    "write count = 1, without `scale`",
                );
            }
        }
        [_, second, ..] => reader.fault(&second.place, "two pools have the role `redis`", "take it from one of them"),
    }
    if with(Role::Router).next().is_none() {
        reader.missing(&first.place, "no pool has the role `router`", "write roles = [\"router\", \"redis\"] in one");
    }
}

/// Ports that could meet on one droplet are different.
pub(crate) fn ports(reader: &mut Reader<'_>, spec: &Spec, pools: &[PoolDraft], apps: &[AppDraft]) {
    let fixed = [
        ("router.edge_port", spec.router.edge_port),
        ("router.admin_port", spec.router.admin_port),
        ("redis.port", spec.redis.port),
        ("fleet.metrics_port", spec.metrics_port),
    ];
    for AppDraft { app, place } in apps {
        let taken = app.port..app.port.saturating_add(App::PORTS);
        for (name, port) in fixed.iter().filter(|(_, port)| taken.contains(port)) {
            let message = format!("`{name}` {port} is among the {} ports of app `{}`", App::PORTS, app.name);
            reader.fault(place, message, "choose another `port` for the app");
        }
    }
    for (index, (name, port)) in fixed.iter().enumerate() {
        if let (Some((other, _)), Some(pool)) =
            (fixed[..index].iter().find(|(_, before)| before == port), pools.first())
        {
            reader.fault(&pool.place, format!("`{other}` and `{name}` are both {port}"), "choose another one");
        }
    }
}

/// Secrets in the encrypted file need that file.
pub(crate) fn secrets(reader: &mut Reader<'_>, spec: &Spec, pools: &[PoolDraft]) {
    let in_age = |secret: &Secret| matches!(secret, Secret::Age(_));
    let token = matches!(&spec.cloud, CloudSpec::DigitalOcean { token, .. } if in_age(token));
    if (token || in_age(&spec.redis.password))
        && spec.age.is_none()
        && let Some(first) = pools.first()
    {
        let hint = "write [secrets] file = \"secrets.age\", identity = \"key.txt\"";
        reader.missing(&first.place, "a secret stands in an age file, and [secrets] names none", hint);
    }
}
