//! What to try while the demo runs: each original behaviour as a line to paste.

use super::admin::Addresses;
use super::folder::Folder;
use super::store::Store;
use crate::say;

/// Prints them to stderr.
pub(super) fn print(addresses: &Addresses, folder: &Folder, store: &Store) {
    let folder = folder.path().display().to_string();
    say::text(text(addresses, &folder, store));
}

fn text(Addresses { edge, admin }: &Addresses, folder: &str, store: &Store) -> String {
    let redis = match store {
        Store::Embedded => String::new(),
        Store::Redis(_) => {
            format!("  redis-cli -u {} SET featureFlags true      # so does any Redis client\n", store.url())
        }
    };
    format!(
        "
Try, in another terminal:

A feature flag
  curl -i {edge}/set                        # 404 while featureFlags is off
  curl -X POST {admin}/on                   # flips it
  target/debug/sluice flags list --admin {admin}; target/debug/sluice flags on featureFlags --admin {admin}
{redis}  curl {edge}/set; curl {edge}/get          # a message that lives 10 seconds

The canary: 25 % of the users, each always on the same side
  for uid in $(seq 20); do curl -so /dev/null -D - -H \"cookie: uid=$uid\" {edge}/get; done | grep x-sluice-variant
  curl -X PUT {admin}/v1/rollouts/demo -H 'content-type: application/json' -d '{{\"weight\": 50}}'
  target/debug/sluice rollout status demo --watch --admin {admin}    # steps: see {folder}/routes.d/demo.toml
  token=$(target/debug/sluice rollout override demo canary --admin {admin} | head -n 1)
  curl -so /dev/null -D - -H \"x-override: $token\" {edge}/get | grep x-sluice-variant

An upload above 50,000 bytes ends it, at its first byte too many
  head -c 50001 /dev/urandom | curl -i -H 'content-type: image/png' --data-binary @- {edge}/upload
  target/debug/sluice alerts list --admin {admin}; target/debug/sluice alerts firing --admin {admin}
  target/debug/sluice rollout history demo --admin {admin}; target/debug/sluice rollout resume demo --admin {admin}

The servers; kill -9 one of them and watch it leave by itself
  curl {edge}/listservers; curl {edge}/recent

Change it while it runs
  edit {folder}/routes.d/demo.toml
  copy a plugin over {folder}/plugins.d/canary.wasm, or a broken one: the one before serves on
  target/debug/sluice plugin list --admin {admin}; target/debug/sluice plugin rollback canary --admin {admin}
  curl -so /dev/null -D - -H 'x-sluice-trace: chain' {edge}/get | grep -i server-timing   # what each plugin said, in ms
  curl {admin}/v1/status                    # what is live, and what was refused and why

In a browser: {admin}/ (dashboard), {edge}/meow (cats). Logs: {folder}/logs
Ctrl-c stops everything.
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_the_real_addresses_and_redis_only_where_it_is() {
        let addresses = Addresses { edge: "http://127.0.0.1:1".to_owned(), admin: "http://127.0.0.1:2".to_owned() };
        let embedded = text(&addresses, "/tmp/x", &Store::Embedded);
        assert!(embedded.contains("curl -i http://127.0.0.1:1/set") && embedded.contains("http://127.0.0.1:2/on"));
        assert!(!embedded.contains("redis") && !embedded.contains("8080"));
        let shared = text(&addresses, "/tmp/x", &"redis://127.0.0.1:7".parse().unwrap());
        assert!(shared.contains("redis-cli -u redis://127.0.0.1:7 SET featureFlags true"));
    }
}
