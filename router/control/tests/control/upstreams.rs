//! Names that are resolved again and again by a real name server, and servers that are checked.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::{RData, Record, RecordType};
use sluice_control::FaultSource;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::site::{Running, Site, eventually, plain_policy};

/// What a name server says of every name.
#[derive(Clone, Debug)]
enum Says {
    Addresses(Vec<IpAddr>),
    Failure,
    NoSuchName,
}

/// A name server on a port of its own; gone with its drop.
struct NameServer {
    address: SocketAddr,
    says: Arc<Mutex<Says>>,
    _serving: AbortOnDropHandle<()>,
}

impl NameServer {
    async fn start(says: Says) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let says = Arc::new(Mutex::new(says));
        let said = Arc::clone(&says);
        let serving = TaskTracker::new().spawn(async move {
            let mut packet = [0; 512];
            loop {
                let (bytes, peer) = socket.recv_from(&mut packet).await.unwrap();
                let answer = answer(&packet[..bytes], &said.lock().unwrap().clone());
                socket.send_to(&answer, peer).await.unwrap();
            }
        });
        Self { address, says, _serving: AbortOnDropHandle::new(serving) }
    }

    fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }
}

fn answer(question: &[u8], says: &Says) -> Vec<u8> {
    let question = Message::from_vec(question).unwrap();
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    assert_eq!(answer.metadata.message_type, MessageType::Response);
    let query = question.queries[0].clone();
    let (name, wanted) = (query.name().clone(), query.query_type());
    answer.add_query(query);
    match says {
        Says::Failure => answer.metadata.response_code = ResponseCode::ServFail,
        Says::NoSuchName => answer.metadata.response_code = ResponseCode::NXDomain,
        Says::Addresses(addresses) => {
            for ip in addresses {
                let data = RData::from(*ip);
                let is_wanted =
                    (wanted == RecordType::A && ip.is_ipv4()) || (wanted == RecordType::AAAA && ip.is_ipv6());
                if is_wanted {
                    answer.add_answer(Record::from_rdata(name.clone(), 3_600, data));
                }
            }
        }
    }
    answer.to_vec().unwrap()
}

fn addresses(texts: &[&str]) -> Says {
    Says::Addresses(texts.iter().map(|text| text.parse().unwrap()).collect())
}

fn named_policy(host: &str) -> String {
    plain_policy("app")
        .replace("servers = [\"127.0.0.1:9001\"]", &format!("dns = {{ name = \"{host}:9001\", refresh = \"100ms\" }}"))
}

async fn resolves_to(running: &Running, host: &str, wanted: &[&str]) {
    eventually(&format!("{host} is {wanted:?}"), || {
        let known = running.handle.cells().upstream("stable").read();
        if known.addresses(host, 9_001) == wanted { Ok(()) } else { Err(format!("{known:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_followed_and_its_last_good_answer_outlives_failures() {
    let server = NameServer::start(addresses(&["192.0.2.7", "2001:db8::1"])).await;
    let site = Site::new();
    site.write_policy("demo.toml", &named_policy("app.internal"));
    let running = site.start_with(vec![server.address]).await;
    let known = running.handle.cells().upstream("stable").read();
    let first = ["192.0.2.7:9001", "[2001:db8::1]:9001"];
    assert_eq!(known.addresses("app.internal", 9_001), first, "known before the first request");
    assert_eq!(running.revision(), 1);

    server.say(addresses(&["192.0.2.9", "192.0.2.8"]));
    let second = ["192.0.2.8:9001", "192.0.2.9:9001"];
    resolves_to(&running, "app.internal", &second).await;
    for failure in [Says::Failure, Says::NoSuchName, addresses(&[])] {
        server.say(failure);
        let fault = running.fault(FaultSource::Upstream, "`app.internal` does not resolve").await;
        assert_eq!(fault.subject, "stable");
        assert!(fault.message.contains("its last known servers stay"), "{fault}");
        resolves_to(&running, "app.internal", &second).await;
        server.say(addresses(&["192.0.2.8", "192.0.2.9"]));
        running.no_faults().await;
    }

    site.write_policy("demo.toml", &named_policy("other.internal"));
    running.reaches(2).await;
    resolves_to(&running, "other.internal", &second).await;
    resolves_to(&running, "app.internal", &[]).await;
    server.say(Says::Failure);
    running.fault(FaultSource::Upstream, "other.internal").await;
    site.write_policy("demo.toml", &plain_policy("app"));
    running.reaches(3).await;
    running.no_faults().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_never_resolved_is_a_fault_and_everything_else_serves() {
    let server = NameServer::start(Says::NoSuchName).await;
    let site = Site::new();
    site.write_policy("demo.toml", &named_policy("app.internal"));
    let running = site.start_with(vec![server.address]).await;
    assert_eq!(running.revision(), 1);
    running.fault(FaultSource::Upstream, "it has no servers").await;
    server.say(addresses(&["192.0.2.1"]));
    resolves_to(&running, "app.internal", &["192.0.2.1:9001"]).await;
    running.no_faults().await;
    running.stop().await;
}

/// A server that answers checks with the status that it is told to.
struct Checked {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    checks: Arc<AtomicUsize>,
    heads: Arc<Mutex<String>>,
    _serving: AbortOnDropHandle<()>,
}

impl Checked {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (status, checks, heads) = (Arc::new(AtomicU16::new(200)), Arc::default(), Arc::default());
        let (says, counts, seen) =
            (Arc::clone(&status), Arc::<AtomicUsize>::clone(&checks), Arc::<Mutex<String>>::clone(&heads));
        let serving = TaskTracker::new().spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = vec![0; 1_024];
                let bytes = stream.read(&mut head).await.unwrap_or_default();
                *seen.lock().unwrap() = String::from_utf8_lossy(&head[..bytes]).into_owned();
                counts.fetch_add(1, Ordering::SeqCst);
                let status = says.load(Ordering::SeqCst);
                let _gone =
                    stream.write_all(format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n").as_bytes()).await;
            }
        });
        Self { address, status, checks, heads, _serving: AbortOnDropHandle::new(serving) }
    }

    /// Waits for some more checks.
    async fn is_checked(&self, times: usize) {
        let before = self.checks.load(Ordering::SeqCst);
        eventually("checks go on", || {
            let seen = self.checks.load(Ordering::SeqCst) - before;
            if seen >= times { Ok(()) } else { Err(format!("{seen} of {times}")) }
        })
        .await;
    }
}

/// Two servers of `stable`, checked in this way.
fn checked_policy(servers: &[&Checked], check: &str) -> String {
    let listed: Vec<String> = servers.iter().map(|server| format!("\"{}\"", server.address)).collect();
    let servers = format!("servers = [{}]\n{check}", listed.join(", "));
    plain_policy("app").replace("servers = [\"127.0.0.1:9001\"]", &servers)
}

async fn unhealthy_is(running: &Running, wanted: &[&Checked]) {
    let mut wanted: Vec<String> = wanted.iter().map(|server| server.address.to_string()).collect();
    wanted.sort();
    eventually(&format!("unhealthy: {wanted:?}"), || {
        let known = running.handle.cells().upstream("stable").read();
        if known.unhealthy == wanted { Ok(()) } else { Err(format!("{known:?}")) }
    })
    .await;
}

const CHECK: &str = "health = { path = \"/healthz?deep=1\", host = \"check.example\", interval = \"20ms\", timeout = \"5s\", \
                     healthy_after = 2, unhealthy_after = 3, statuses = \"200-299\" }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_fail_their_checks_are_made_known_and_come_back() {
    let (one, two) = (Checked::start().await, Checked::start().await);
    let site = Site::new();
    site.write_policy("demo.toml", &checked_policy(&[&one, &two], CHECK));
    let running = site.start().await;
    one.is_checked(3).await;
    unhealthy_is(&running, &[]).await;
    let head = one.heads.lock().unwrap().to_lowercase();
    assert!(head.starts_with("get /healthz?deep=1 http/1.1\r\n") && head.contains("host: check.example\r\n"), "{head}");

    one.status.store(503, Ordering::SeqCst);
    unhealthy_is(&running, &[&one]).await;
    // A reload that leaves the check alone leaves the verdict alone, and so does one that changes it.
    site.write_policy("demo.toml", &checked_policy(&[&one, &two], CHECK).replace("\"app\"", "\"other\""));
    running.reaches(2).await;
    unhealthy_is(&running, &[&one]).await;
    site.write_policy(
        "demo.toml",
        &checked_policy(&[&one, &two], &CHECK.replace("unhealthy_after = 3", "unhealthy_after = 4")),
    );
    running.reaches(3).await;
    two.is_checked(3).await;
    unhealthy_is(&running, &[&one]).await;

    one.status.store(204, Ordering::SeqCst);
    unhealthy_is(&running, &[]).await;
    two.status.store(302, Ordering::SeqCst);
    unhealthy_is(&running, &[&two]).await;
    site.write_policy("demo.toml", &checked_policy(&[&one], CHECK));
    running.reaches(4).await;
    unhealthy_is(&running, &[]).await;
    one.is_checked(1).await;
    let before = two.checks.load(Ordering::SeqCst);
    one.is_checked(10).await;
    assert!(two.checks.load(Ordering::SeqCst) <= before + 1, "who left is not checked any more");

    one.status.store(500, Ordering::SeqCst);
    unhealthy_is(&running, &[&one]).await;
    site.write_policy("demo.toml", &checked_policy(&[&one], ""));
    running.reaches(5).await;
    unhealthy_is(&running, &[]).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_gone_or_silent_fails_its_checks() {
    let good = Checked::start().await;
    let gone = Checked::start().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_address = silent.local_addr().unwrap().to_string();
    let site = Site::new();
    let check = CHECK.replace("timeout = \"5s\"", "timeout = \"50ms\"");
    let policy = checked_policy(&[&good, &gone], &check);
    site.write_policy("demo.toml", &policy.replace("servers = [", &format!("servers = [\"{silent_address}\", ")));
    let gone_address = gone.address.to_string();
    drop(gone);
    let running = site.start().await;
    eventually("both fail", || {
        let known = running.handle.cells().upstream("stable").read();
        let both = known.is_unhealthy(&gone_address) && known.is_unhealthy(&silent_address);
        if both { Ok(()) } else { Err(format!("{known:?}")) }
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_speak_http2_are_checked_over_http2() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let status = Arc::new(AtomicU16::new(503));
    let says = Arc::clone(&status);
    let serving = TaskTracker::new().spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut connection) = h2::server::handshake(stream).await else { continue };
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                assert_eq!(request.uri().authority().unwrap(), "check.example");
                assert_eq!(request.uri().path_and_query().unwrap(), "/healthz?deep=1");
                let answer = http::Response::builder().status(says.load(Ordering::SeqCst)).body(()).unwrap();
                respond.send_response(answer, true).unwrap();
            }
        }
    });
    let _serving = AbortOnDropHandle::new(serving);
    let site = Site::new();
    let servers = format!("servers = [\"{address}\"]\nprotocol = \"h2c\"\n{CHECK}");
    site.write_policy("demo.toml", &plain_policy("app").replace("servers = [\"127.0.0.1:9001\"]", &servers));
    let running = site.start().await;
    let verdict = |wanted: bool| {
        let cell = running.handle.cells().upstream("stable");
        let address = address.to_string();
        eventually("the verdict", move || {
            let known = cell.read();
            if known.is_unhealthy(&address) == wanted { Ok(()) } else { Err(format!("{known:?}")) }
        })
    };
    verdict(true).await;
    status.store(200, Ordering::SeqCst);
    verdict(false).await;
    running.stop().await;
}
