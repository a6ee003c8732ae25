//! What the chain of a route costs a request, as the proxy runs it: which plugins concern it, fields, calls, verdicts.
//!
//! A real data plane of one worker answers pipelined requests; routes differ by host in nothing but their chain. No
//! server is asked: last in each chain stands a component that answers, and a route with nothing before it is the native
//! no-op that the others are compared with. Measured is the CPU time of everything but the client, in rounds that
//! alternate between the routes, so that what else the machine does meets all of them alike.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that cannot run has no result")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use sluice_model::rollout::Rollout;
use sluice_model::weight::BasisPoints;
use sluice_policy::{AccessLog, ListenerConfig, Source};
use sluice_proxy::{Settings, Shared};
use sluice_snapshot::plugin::Parts;
use sluice_snapshot::{Cells, EffectQueue, Plugin, Published, Seat, Snapshot, Traffic};
use sluice_wasm::{Engine, Instance};

/// Requests written at once: the kernel's part of each becomes small, and with it the noise.
const PIPELINED: usize = 32;
/// Requests of one round.
const ROUND_REQUESTS: usize = 8_000;
/// Rounds of each route; the median of them counts.
const ROUNDS: usize = 41;
/// Rounds in which caches, pools and branch predictors find their state.
const ROUNDS_WARM: usize = 4;

/// The verdict "respond" with status 200 and no outcome: the kind in the lowest bits, the status from bit 16 on.
const RESPOND_200: u64 = 200 << 16 | 2;

/// The demo's plugins; a component whose calls return at once, which shows what a call costs before its plugin does
/// anything; and the one that answers.
const POLICY: &str = r#"
[upstreams.stable]
servers = ["127.0.0.1:9"]
[rollouts.demo]
key = ["cookie:uid"]
stable = "stable"
canary = "canary"
variants = { stable = "stable", canary = "stable" }
initial = 25.0
[plugins.feature-flags]
file = "feature-flags.wasm"
grants = { state = ["flag:featureFlags"] }
config = { gates = [{ flag = "featureFlags", paths = ["/set"] }] }
[plugins.canary]
file = "canary.wasm"
grants = { state = ["rollout:demo"] }
config = { rollout = "demo" }
[plugins.canary-2]
file = "canary.wasm"
grants = { state = ["rollout:demo"] }
config = { rollout = "demo" }
[plugins.upload-alert]
file = "upload-alert.wasm"
grants = { alerts = true, abort = true }
config = { limit = "50000B", paths = ["/upload"], action = "abort_canary" }
[plugins.empty-1]
file = "empty.wasm"
[plugins.empty-2]
file = "empty.wasm"
[plugins.empty-3]
file = "empty.wasm"
[plugins.answer]
file = "answer.wasm"
"#;

/// Host, what it shows, and the chain of its route before the component that answers.
const ROUTES: [(&str, &str, &str); 6] = [
    ("a.test", "nothing", ""),
    ("b.test", "one ruled out", r#""upload-alert","#),
    ("c.test", "the demo's chain: two called, one ruled out", r#""feature-flags", "upload-alert", "canary","#),
    ("d.test", "three called", r#""feature-flags", "canary", "canary-2","#),
    ("e.test", "one empty component", r#""empty-1","#),
    ("f.test", "three empty components", r#""empty-1", "empty-2", "empty-3","#),
];

fn policy() -> sluice_policy::Policy {
    let mut text = POLICY.to_owned();
    for (host, _, chain) in ROUTES {
        text.push_str(&format!(
            "[[routes]]\nname = \"{host}\"\nhosts = [\"{host}\"]\nrollout = \"demo\"\nplugins = [{chain} \"answer\"]\n\
             to = \"stable\"\n"
        ));
    }
    let source = Source { file: "bench.toml".to_owned(), text };
    sluice_policy::parse(&[source]).unwrap()
}

fn component(file: &str) -> Vec<u8> {
    // The guest has all phases; of these the request phase is left.
    let empty = include_str!("../../wasm/tests/host/guest.wat").replacen(r#"1032) "\0f""#, r#"1032) "\01""#, 1);
    match file {
        "empty.wasm" => wat::parse_str(empty).unwrap(),
        "answer.wasm" => {
            let answer = format!("(; on-request ;) (i64.const {RESPOND_200})");
            wat::parse_str(empty.replacen("(; on-request ;) (i64.const 0)", &answer, 1)).unwrap()
        }
        _ => {
            let folder = std::env::var_os("SLUICE_PLUGINS_DIR")
                .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins"), PathBuf::from);
            std::fs::read(folder.join(file)).expect("built by `cargo xtask plugins`")
        }
    }
}

fn load(engine: &Engine, spec: &sluice_policy::Plugin, cells: &Cells) -> Seat {
    let artifact = engine.compile(&component(&spec.file)).unwrap();
    let config = spec.config.to_string();
    let instance = || Instance::new(&artifact, &spec.name, &config, &spec.grants, &spec.limits).unwrap();
    let spare = instance();
    let parts = Parts::new(&artifact, spec, spare.activation(), cells).unwrap();
    Seat::serving(Arc::new(Plugin::new(parts, vec![instance()], spare)))
}

fn settings() -> Settings {
    Settings {
        listeners: vec![ListenerConfig::new("127.0.0.1:0".parse().unwrap())],
        workers: 1,
        header_read: Duration::from_secs(60),
        body_idle: Duration::from_secs(60),
        keep_alive_idle: Duration::from_secs(60),
        connections_max: 10,
        head_bytes_max: 64 << 10,
        header_fields_max: 100,
        streams_max: 128,
        requests_per_connection_max: u64::MAX,
        connection_age_max: Duration::from_secs(3_600),
        ping_interval: sluice_proxy::PING_INTERVAL,
        ping_timeout: sluice_proxy::PING_TIMEOUT,
        drain: Duration::from_secs(1),
        access_log: AccessLog::Off,
        chain_trace: sluice_policy::ChainTrace::default(),
        override_key: None,
    }
}

/// CPU time of this process without the thread that asks.
fn cpu_of_others() -> Duration {
    let read = |clock| Duration::try_from(clock_gettime(clock)).unwrap();
    read(ClockId::ProcessCPUTime) - read(ClockId::ThreadCPUTime)
}

/// A client that writes many requests at once and reads until all are answered.
struct Client {
    connection: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let connection = TcpStream::connect(address).unwrap();
        connection.set_nodelay(true).unwrap();
        Self { connection, buffer: vec![0; 256 << 10] }
    }

    /// As a browser sends it: twelve header fields.
    fn request(host: &str) -> String {
        format!(
            "GET /set HTTP/1.1\r\nhost: {host}\r\ncookie: uid=u-1234567890\r\nuser-agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\
             accept: text/html,application/xhtml+xml\r\naccept-language: en-GB,en;q=0.5\r\naccept-encoding: gzip, br\r\n\
             referer: http://{host}/\r\ncache-control: no-cache\r\npragma: no-cache\r\nsec-fetch-dest: document\r\n\
             sec-fetch-mode: navigate\r\nsec-fetch-site: same-origin\r\n\r\n"
        )
    }

    /// CPU time of the router per request, over one round.
    fn round(&mut self, host: &str) -> Duration {
        let batch = Self::request(host).repeat(PIPELINED);
        let before = cpu_of_others();
        for _ in 0..ROUND_REQUESTS / PIPELINED {
            self.connection.write_all(batch.as_bytes()).unwrap();
            let mut answered = 0;
            while answered < PIPELINED {
                let length = self.connection.read(&mut self.buffer).unwrap();
                assert!(length > 0, "the router closed the connection");
                // The status line stands once in an answer, and never across two reads: answers are written whole.
                answered += memchr::memmem::find_iter(&self.buffer[..length], b"HTTP/1.1 200").count();
                assert!(!self.buffer[..length].starts_with(b"HTTP/1.1 5"), "the chain failed");
            }
        }
        (cpu_of_others() - before) / u32::try_from(ROUND_REQUESTS).unwrap()
    }
}

fn main() {
    // `cargo test --benches` asks only whether it runs.
    let (rounds, warm) =
        if std::env::args().any(|argument| argument == "--bench") { (ROUNDS, ROUNDS_WARM) } else { (1, 0) };
    let cells = Arc::new(Cells::new());
    let traffic = Arc::new(Traffic::new(1));
    let engine = Engine::new().unwrap();
    let policy = policy();
    let seats = policy.plugins.iter().map(|spec| load(&engine, spec, &cells)).collect();
    let snapshot = Arc::new(Snapshot::new(1, Arc::new(policy), seats, &cells, &traffic));
    let shared =
        Shared { published: Arc::new(Published::new(snapshot, 1)), traffic, effects: Arc::new(EffectQueue::default()) };
    cells.apply_switch("featureFlags", Some(true));
    let rollout = Rollout::initial(BasisPoints::whole_percent(25), "salt".to_owned(), "bench", 0);
    cells.find_rollout("demo").expect("the policy declares it").apply(rollout);
    let proxy = sluice_proxy::start(settings(), shared).unwrap();
    let mut client = Client::connect(proxy.addresses()[0]);
    let mut times = vec![Vec::new(); ROUTES.len()];
    for round in 0..warm + rounds {
        for (times, (host, ..)) in times.iter_mut().zip(ROUTES) {
            let time = client.round(host);
            if round >= warm {
                times.push(time);
            }
        }
    }
    report(&times);
}

/// For each route the median of its rounds, and the median of what each round took longer than the first route's.
fn report(times: &[Vec<Duration>]) {
    let median = |mut values: Vec<i128>| {
        values.sort_unstable();
        values[values.len() / 2]
    };
    let nanoseconds = |time: &Duration| i128::try_from(time.as_nanos()).unwrap();
    println!("{:<46} {:>14} {:>14}", "route", "ns per request", "of that: chain");
    for (own, (_, shows, _)) in times.iter().zip(ROUTES) {
        let whole = median(own.iter().map(nanoseconds).collect());
        let more = own.iter().zip(&times[0]).map(|(own, none)| nanoseconds(own) - nanoseconds(none)).collect();
        println!("{shows:<46} {whole:>14} {:>14}", median(more));
    }
}
