//! Signed overrides, and what an abort leaves of a rollout between three.

use sluice_model::alert::AlertId;
use sluice_model::override_token::OverrideKey;
use sluice_model::rollout::Rollout;
use sluice_model::slots::Share;
use sluice_model::weight::BasisPoints;
use sluice_proxy::Settings;
use sluice_snapshot::decisions::VariantBy;

use crate::client::{Reply, eventually};
use crate::origin::Origin;
use crate::router::{Router, now_ms, settings};

const KEY: &[u8] = b"0123456789abcdef";
const MINUTE_S: u64 = 60;

struct Three {
    router: Router,
    stable: Origin,
    canary: Origin,
    beta: Origin,
}

impl Three {
    async fn start(settings: Settings) -> Self {
        let canary = Origin::saying("canary").await;
        let servers = canary.address.to_string();
        Self::with_canary_at(settings, canary, &servers).await
    }

    /// Three variants, of which beta has no slot, and all servers of the canary are those.
    async fn with_canary_at(settings: Settings, canary: Origin, servers: &str) -> Self {
        let (stable, beta) = (Origin::saying("stable").await, Origin::saying("beta").await);
        let policy = format!(
            r#"
[upstreams.stable]
servers = ["{}"]
[upstreams.canary]
servers = ["{servers}"]
[upstreams.beta]
servers = ["{}"]
[rollouts.demo]
key = ["header:x-user"]
stable = "stable"
canary = "canary"
variants = {{ stable = "stable", canary = "canary", beta = "beta" }}
initial = 50.0
override = ["header:x-o", "cookie:o", "query:o", "query:p"]
[plugins.canary]
file = "canary.wasm"
grants = {{ state = ["rollout:demo"] }}
config = {{ rollout = "demo", variants = ["stable", "canary", "beta"] }}
[[routes]]
name = "app"
rollout = "demo"
plugins = ["canary"]
to = "stable"
"#,
            stable.address, beta.address
        );
        let three = Self { router: Router::start_with(&policy, settings), stable, canary, beta };
        three.run_at(0, 0);
        three
    }

    fn run_at(&self, canary_bps: u16, beta_bps: u16) {
        let points = |points| BasisPoints::new(points).unwrap();
        let mut rollout = Rollout::initial(points(canary_bps), "salt".to_owned(), "test", 0);
        rollout.state = sluice_model::rollout::RolloutState::Running;
        rollout.slots = rollout.slots.with(&Share::Other("beta".to_owned()), points(beta_bps)).unwrap();
        self.router.cells.find_rollout("demo").unwrap().apply(rollout);
    }

    async fn ask(&self, target: &str, lines: &str) -> Reply {
        let request = format!("GET {target} HTTP/1.1\r\nhost: test\r\nx-user: tom\r\n{lines}\r\n");
        self.router.client().await.ask(request).await
    }

    async fn variant_by(&self, reply: &Reply) -> Option<VariantBy> {
        let (id, decisions) = (reply.header("x-sluice-request-id").unwrap(), self.router.shared.traffic.decisions());
        eventually("the request is over", || decisions.find(id).is_some()).await;
        decisions.find(id).unwrap().facts.variant_by
    }

    /// Overrides that counted, and those that did not.
    fn counted(&self) -> (u64, u64) {
        let counters = self.router.shared.traffic.worker(0);
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
        (load(&counters.overrides), load(&counters.overrides_refused))
    }
}

fn with_key() -> Settings {
    Settings { override_key: Some(OverrideKey::new(KEY).unwrap()), ..settings() }
}

fn token(variant: &str) -> String {
    OverrideKey::new(KEY).unwrap().sign("demo", variant, now_ms() / 1_000 + MINUTE_S)
}

#[tokio::test]
async fn a_valid_override_names_the_variant_also_one_without_a_slot() {
    let three = Three::start(with_key()).await;
    assert_eq!(three.ask("/", "").await.text(), "stable");
    let token = token("beta");
    for (target, lines) in [
        ("/?a=1", format!("x-o: {token}\r\n")),
        ("/?a=1", format!("cookie: c=d; o={token}\r\n")),
        (&*format!("/?a=1&o={token}"), String::new()),
        (&*format!("/?p={token}&a=1&o={token}"), String::new()),
    ] {
        let reply = three.ask(target, &lines).await;
        assert_eq!((reply.text(), reply.header("x-sluice-variant")), ("beta", Some("beta")), "{target} {lines}");
        assert_eq!(three.variant_by(&reply).await, Some(VariantBy::Override));
    }
    assert_eq!(three.counted(), (4, 0));
    for request in three.beta.requests() {
        let head = format!("{request:?}");
        assert!(!head.contains(&token), "a token is for the router alone: {head}");
        assert!(request.line().contains("/?a=1 "), "{head}");
    }
}

#[tokio::test]
async fn an_override_that_does_not_count_is_noted_and_never_an_error() {
    let three = Three::start(with_key()).await;
    let key = OverrideKey::new(KEY).unwrap();
    let now_s = now_ms() / 1_000;
    let other = OverrideKey::new(*b"fedcba9876543210").unwrap();
    for (token, tag) in [
        (key.sign("demo", "beta", now_s - 1), "override-expired"),
        (key.sign("other", "beta", now_s + MINUTE_S), "override-forged"),
        (other.sign("demo", "beta", now_s + MINUTE_S), "override-forged"),
        (key.sign("demo", "gamma", now_s + MINUTE_S), "override-of-no-variant"),
        ("beta".to_owned(), "override-malformed"),
        ("\u{e9}".to_owned(), "override-malformed"),
    ] {
        let reply = three.ask("/", &format!("x-o: {token}\r\n")).await;
        assert_eq!((reply.status, reply.text()), (200, "stable"), "{token}");
        assert_eq!(reply.header("x-sluice-tag"), Some(tag), "{token}");
    }
    assert_eq!(three.counted(), (0, 6));
    assert!(three.stable.requests().iter().all(|request| request.header("x-o").is_none()));
}

#[tokio::test]
async fn without_a_key_no_override_counts_and_none_is_passed_on() {
    let three = Three::start(settings()).await;
    let reply = three.ask("/", &format!("x-o: {}\r\n", token("beta"))).await;
    assert_eq!((reply.text(), reply.header("x-sluice-tag")), ("stable", Some("override-without-key")));
    assert_eq!(three.stable.request().header("x-o"), None);
}

#[tokio::test]
async fn an_abort_sends_every_variant_to_stable_but_what_a_signed_override_names() {
    let three = Three::start(with_key()).await;
    three.run_at(0, 10_000);
    assert_eq!(three.ask("/", "").await.text(), "beta");
    three.router.cells.find_rollout("demo").unwrap().abort(&AlertId::derive(&["one"]), "too large");
    let reply = three.ask("/", "").await;
    assert_eq!(reply.text(), "stable");
    let reply = three.ask("/", &format!("x-o: {}\r\n", token("canary"))).await;
    assert_eq!((reply.text(), three.variant_by(&reply).await), ("canary", Some(VariantBy::Override)));
    assert_eq!(three.canary.requests().len(), 1);
}

#[tokio::test]
async fn an_override_to_a_variant_without_a_live_server_is_stables() {
    let three = Three::with_canary_at(with_key(), Origin::saying("canary").await, "127.0.0.1:1").await;
    let reply = three.ask("/", &format!("x-o: {}\r\n", token("canary"))).await;
    assert_eq!((reply.status, reply.text()), (200, "stable"));
    assert_eq!(three.variant_by(&reply).await, Some(VariantBy::NoCanaryLives));
}

#[tokio::test]
async fn an_abort_on_one_worker_counts_on_the_next_request_of_every_other() {
    let workers = 4;
    let three = Three::start(Settings { workers, ..settings() }).await;
    three.run_at(5_000, 5_000);
    // The kernel deals connections out: with many of them every worker has some.
    let mut clients = Vec::new();
    for _ in 0..8 * workers {
        let mut client = three.router.client().await;
        assert_ne!(client.ask("GET / HTTP/1.1\r\nhost: test\r\nx-user: tom\r\n\r\n").await.text(), "stable");
        clients.push(client);
    }
    let accepted = three.router.shared.traffic.workers().iter();
    let busy = accepted.filter(|worker| worker.accepted.load(std::sync::atomic::Ordering::Relaxed) > 0).count();
    assert!(busy > 1, "all connections are on one worker");
    // Nobody but the cell hears of it: there is no control here, and no store.
    three.router.cells.find_rollout("demo").unwrap().abort(&AlertId::derive(&["one"]), "too large");
    for client in &mut clients {
        assert_eq!(client.ask("GET / HTTP/1.1\r\nhost: test\r\nx-user: tom\r\n\r\n").await.text(), "stable");
    }
}
