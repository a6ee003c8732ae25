//! A route through the plugin that misbehaves, when asked by the header `x-hostile`.

use crate::client::{Client, Reply};
use crate::origin::Origin;

/// The plugin `hostile` that does `act`, before `origin`; `keys` are further lines of it.
pub(crate) fn hostile_policy(origin: &Origin, act: &str, keys: &str) -> String {
    let plugin = hostile_plugin("hostile", act, keys);
    format!("[upstreams.app]\nservers = [\"{}\"]\n{plugin}{ROUTE}", origin.address)
}

/// The same with another plugin beside it, `newer`, which no route names.
pub(crate) fn two_digests(origin: &Origin, old: &str, new: &str) -> String {
    format!("{}{}", hostile_policy(origin, old, ""), hostile_plugin("newer", new, ""))
}

const ROUTE: &str = "[[routes]]\nname = \"app\"\nplugins = [\"hostile\"]\nto = \"app\"\n";

fn hostile_plugin(name: &str, act: &str, keys: &str) -> String {
    format!(
        "[plugins.{name}]\nfile = \"hostile.wasm\"\n{keys}\n\
         grants = {{ state = [\"*\"], alerts = true, abort = true, counters = true, tags = true, edits = true, body = true }}\n\
         config = {{ do = \"{act}\", when = \"x-hostile\", above = 10 }}\n"
    )
}

/// Asks for trouble.
pub(crate) async fn provoke(client: &mut Client) -> Reply {
    client.ask(PROVOCATION).await
}

/// A request that asks for trouble.
pub(crate) const PROVOCATION: &str = "GET / HTTP/1.1\r\nhost: test\r\nx-hostile: 1\r\n\r\n";
