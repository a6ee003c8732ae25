//! Plugins in the path: the three of the repository, and one that misbehaves.

use sluice_model::rollout::{Applied, Command, Rollout};
use sluice_model::weight::BasisPoints;
use sluice_snapshot::Effect;

use crate::client::{Client, eventually};
use crate::misbehaviour::{hostile_policy, provoke};
use crate::origin::Origin;
use crate::router::Router;

const LIMIT_BYTES: usize = 50_000;

struct Demo {
    router: Router,
    stable: Origin,
    canary: Origin,
}

/// The demo's routes, with these lines for the plugin `upload-alert`.
async fn demo(upload: &str) -> Demo {
    let (stable, canary) = (Origin::saying("stable").await, Origin::saying("canary").await);
    let policy = format!(
        r#"
[upstreams.stable]
servers = ["{}"]
[upstreams.canary]
servers = ["{}"]
[rollouts.demo]
key = ["cookie:uid", "header:x-user", "client-address"]
stable = "stable"
canary = "canary"
variants = {{ stable = "stable", canary = "canary" }}
initial = 25.0
[plugins.feature-flags]
file = "feature-flags.wasm"
grants = {{ state = ["flag:featureFlags"] }}
config = {{ gates = [{{ flag = "featureFlags", paths = ["/set"] }}] }}
[plugins.canary]
file = "canary.wasm"
grants = {{ state = ["rollout:demo"] }}
config = {{ rollout = "demo" }}
[plugins.upload-alert]
file = "upload-alert.wasm"
on_failure = "open"
grants = {{ alerts = true, abort = true }}
config = {{ limit = "{LIMIT_BYTES}B", paths = ["/upload"], {upload} }}
[[routes]]
name = "app"
rollout = "demo"
plugins = ["feature-flags", "canary", "upload-alert"]
to = "stable"
"#,
        stable.address, canary.address
    );
    let router = Router::start(&policy);
    Demo { router, stable, canary }
}

impl Demo {
    /// Sets the weight as the store would.
    fn run_at(&self, percent: f64) -> Rollout {
        let weight = BasisPoints::from_percent(percent).unwrap();
        let rollout = Rollout::initial(weight, "salt".to_owned(), "test", 0);
        self.router.cells.find_rollout("demo").unwrap().apply(rollout.clone());
        rollout
    }

    async fn variant_of(&self, client: &mut Client, uid: usize) -> String {
        let reply = client.ask(format!("GET / HTTP/1.1\r\nhost: test\r\ncookie: uid=user-{uid}\r\n\r\n")).await;
        let variant = reply.header("x-sluice-variant").unwrap().to_owned();
        assert_eq!(reply.text(), variant);
        variant
    }

    fn is_aborted(&self) -> bool {
        self.router.cells.find_rollout("demo").unwrap().is_aborted()
    }

    /// Ids of the alerts raised so far.
    fn alerts(&self, receiver: &mut tokio::sync::mpsc::Receiver<Effect>) -> Vec<(String, u64)> {
        let effects = std::iter::from_fn(|| receiver.try_recv().ok());
        let alerts = effects.filter_map(|effect| match effect {
            Effect::Alert(alert) => Some((alert.id.to_string(), alert.observed)),
            Effect::InstanceLost { .. } | Effect::Quarantined { .. } => None,
        });
        alerts.collect()
    }
}

fn raw(bytes: usize) -> Vec<u8> {
    let head = format!("POST /upload HTTP/1.1\r\nhost: test\r\ncontent-length: {bytes}\r\n\r\n");
    [head.as_bytes(), &vec![b'x'; bytes]].concat()
}

fn chunked(bytes: usize) -> Vec<u8> {
    let mut wire = b"POST /upload HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for chunk in vec![b'x'; bytes].chunks(7_001) {
        wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    wire
}

fn multipart(bytes: usize) -> Vec<u8> {
    let field = "--B\r\ncontent-disposition: form-data; name=\"note\"\r\n\r\nlong enough to matter\r\n";
    let file = "--B\r\ncontent-disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\n";
    let body = [field.as_bytes(), file.as_bytes(), &vec![b'x'; bytes], b"\r\n--B--\r\n"].concat();
    let head = format!(
        "POST /upload HTTP/1.1\r\nhost: test\r\ncontent-type: multipart/form-data; boundary=B\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

#[tokio::test]
async fn a_flag_opens_and_shuts_its_path() {
    let demo = demo("action = \"alert\"").await;
    demo.run_at(0.0);
    let mut client = demo.router.client().await;
    for (path, value, status) in [
        ("/set", None, 404),
        ("/set", Some(true), 200),
        ("/%73et/x", Some(true), 200),
        ("/%73et/x", Some(false), 404),
        ("/get", Some(false), 200),
        ("/settle", Some(false), 200),
    ] {
        demo.router.cells.apply_switch("featureFlags", value);
        assert_eq!(client.get(path).await.status, status, "{path} while {value:?}");
    }
}

#[tokio::test]
async fn users_stick_to_their_variant_and_more_weight_moves_nobody_back() {
    let demo = demo("action = \"alert\"").await;
    let mut client = demo.router.client().await;
    let mut canaries = Vec::new();
    for percent in [25.0, 50.0] {
        demo.run_at(percent);
        let mut now = Vec::new();
        for uid in 0..400 {
            if demo.variant_of(&mut client, uid).await == "canary" {
                now.push(uid);
            }
        }
        let wanted = percent * 4.0;
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let share = now.len() as f64;
        assert!((share - wanted).abs() < 50.0, "{share} of 400 at {percent} %");
        assert!(canaries.iter().all(|uid| now.contains(uid)), "nobody moved back");
        canaries = now;
    }
}

#[tokio::test]
async fn an_upload_at_the_limit_passes_and_one_byte_more_aborts() {
    for (what, upload) in [("raw", raw as fn(usize) -> Vec<u8>), ("chunked", chunked), ("multipart", multipart)] {
        let demo = demo("action = \"abort_canary\"").await;
        let mut effects = demo.router.shared.effects.take_receiver().unwrap();
        let started = demo.run_at(100.0);
        let mut client = demo.router.client().await;
        assert_eq!(client.ask(upload(LIMIT_BYTES)).await.text(), "canary", "{what}");
        assert!(!demo.is_aborted() && demo.alerts(&mut effects).is_empty(), "{what}");

        let offence = client.ask(upload(LIMIT_BYTES + 1)).await;
        assert_eq!(offence.status, 200, "{what}");
        // A declared length is judged before a server is picked; a counted one is on its way already.
        assert_eq!(offence.text(), if what == "raw" { "stable" } else { "canary" }, "{what}");
        assert!(demo.is_aborted(), "{what}");
        let first = demo.alerts(&mut effects);
        assert!(matches!(&first[..], [(_, observed)] if *observed == 50_001), "{what}: {first:?}");
        assert_eq!(demo.variant_of(&mut client, 1).await, "stable", "{what}");

        let cell = demo.router.cells.find_rollout("demo").unwrap();
        let pending = cell.pending().remove(0);
        let change = |rollout: &Rollout, command| match rollout.apply(&command, "test", 1).unwrap() {
            Applied::Changed(next) => next,
            Applied::Unchanged => panic!("no change"),
        };
        let aborted = change(&started, Command::Abort { id: pending.id, reason: pending.reason });
        cell.apply(change(&aborted, Command::Resume));
        assert_eq!(demo.variant_of(&mut client, 1).await, "canary", "{what}: resumed");
        assert_eq!(client.ask(upload(LIMIT_BYTES + 1)).await.status, 200);
        assert!(demo.is_aborted(), "{what}: a second offence aborts again");
        assert_ne!(demo.alerts(&mut effects)[0].0, first[0].0, "{what}: and is another alert");
    }
}

#[tokio::test]
async fn a_rejected_upload_is_answered_before_or_in_the_middle_of_its_body() {
    let demo = demo("action = \"reject\"").await;
    demo.run_at(0.0);
    for upload in [raw(LIMIT_BYTES + 1), chunked(3_000_000), multipart(3_000_000)] {
        let mut client = demo.router.client().await;
        let reply = client.ask(upload).await;
        assert_eq!((reply.status, reply.header("connection")), (413, Some("close")));
        assert!(client.is_closed().await);
    }
    assert!(demo.stable.requests().is_empty(), "no whole upload arrived");
    assert_eq!(demo.router.client().await.ask(chunked(LIMIT_BYTES)).await.status, 200);
    assert_eq!(demo.canary.connections(), 0);
}

#[tokio::test]
async fn an_upload_is_counted_even_if_nobody_takes_it() {
    let Demo { router, stable, canary } = demo("action = \"abort_canary\"").await;
    drop((stable, canary));
    let cell = router.cells.find_rollout("demo").unwrap();
    cell.apply(Rollout::initial(BasisPoints::ZERO, "salt".to_owned(), "test", 0));
    let mut client = router.client().await;
    let reply = client.ask(chunked(LIMIT_BYTES + 1)).await;
    assert_eq!(reply.status, 503);
    eventually("the rest is counted", || cell.is_aborted()).await;
}

async fn hostile(act: &str, on_failure: &str) -> (Router, Origin) {
    let origin = Origin::saying("ok").await;
    (Router::start(&hostile_policy(&origin, act, &format!("on_failure = {on_failure}"))), origin)
}

#[tokio::test]
async fn a_fault_costs_one_request() {
    for act in ["trap-in-request", "trap-in-response", "spin-in-request", "nonsense-verdict", "hoard-memory"] {
        let (router, _origin) = hostile(act, "\"closed\"").await;
        let mut effects = router.shared.effects.take_receiver().unwrap();
        let mut client = router.client().await;
        assert_eq!(client.get("/").await.status, 200, "{act}");
        let reply = provoke(&mut client).await;
        assert_eq!(reply.status, 503, "{act}");
        assert_eq!(
            reply.header("proxy-status"),
            Some("sluice; error=proxy_internal_error; details=\"plugin_failed\""),
            "{act}"
        );
        let lost = effects.try_recv();
        assert!(matches!(lost, Ok(Effect::InstanceLost { .. })), "{act}: {lost:?}");
        assert_eq!(client.get("/").await.status, 200, "{act}: the spare serves");
        assert_eq!(provoke(&mut client).await.status, 503, "{act}");
        assert_eq!(client.get("/").await.status, 503, "{act}: no instance is left, and the policy is closed");
        let faults = router.plugin(0).stats.faults();
        assert_eq!(faults.values().sum::<u64>(), 3, "{act}: {faults:?}");
    }
}

#[tokio::test]
async fn the_failure_policy_decides() {
    let (router, _origin) = hostile("trap-in-request", "\"open\"").await;
    let mut client = router.client().await;
    for _ in 0..4 {
        assert_eq!(provoke(&mut client).await.text(), "ok");
    }
    let (router, _origin) = hostile("trap-in-request", "{ closed = 502 }").await;
    assert_eq!(provoke(&mut router.client().await).await.status, 502);
}

#[tokio::test]
async fn a_fault_in_the_middle_of_a_body_ends_that_upload() {
    let (router, origin) = hostile("trap-in-body-size", "\"closed\"").await;
    let mut client = router.client().await;
    let upload =
        "POST / HTTP/1.1\r\nhost: test\r\nx-hostile: 1\r\ntransfer-encoding: chunked\r\n\r\nb\r\n12345678901\r\n";
    let reply = client.ask(format!("{upload}0\r\n\r\n")).await;
    assert_eq!(reply.status, 503);
    assert!(origin.requests().is_empty());
    assert_eq!(router.client().await.get("/").await.status, 200);
}

#[tokio::test]
async fn effects_reach_their_places() {
    let (router, _origin) = hostile("tag", "\"closed\"").await;
    assert_eq!(provoke(&mut router.client().await).await.header("x-sluice-tag"), Some("hostile"));
    let (router, origin) = hostile("respond", "\"closed\"").await;
    assert_eq!(provoke(&mut router.client().await).await.status, 418);
    assert!(origin.requests().is_empty());
    let (router, _origin) = hostile("count", "\"closed\"").await;
    let mut client = router.client().await;
    for _ in 0..3 {
        assert_eq!(provoke(&mut client).await.status, 200);
    }
    assert_eq!(router.plugin(0).stats.counters()["requests"], 3);
}
