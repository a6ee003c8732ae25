//! Faults of servers: {connect, head, body, trailer} x {close, reset, stall} x {GET, POST}, for each pair of protocols.
//!
//! In every row: the right status, or a truncation that the client can see; an end in time; a POST sent once, and nothing
//! sent again once a byte of its answer went to the client; the failed connection never used again; nothing left in flight; and the
//! next request on the same worker is answered.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use http::Request;
use tokio::time::timeout;

use crate::client::{Client, PATIENCE, Reply, eventually};
use crate::faulty::{Fault, FaultyOrigin, HALF, Place, Protocol};
use crate::h2client::{self, H2Client};
use crate::origin::Origin;
use crate::router::{Router, settings};

/// What ends a row that stalls. Nothing else has a limit as short as this.
const SHORT: Duration = Duration::from_millis(200);
/// What every row may send again.
const RETRIES: usize = 1;
const PLACES: [Place; 4] = [Place::Connect, Place::Head, Place::Body, Place::Trailer];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Get,
    Post,
}

/// What the client gets.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// An answer of the router, with the reason that its `Proxy-Status` gives (RFC 9209 section 2.3.6).
    Refused(u16, &'static str),
    /// 200, and a body that visibly breaks off.
    Truncated,
}

struct Row {
    place: Place,
    fault: Fault,
    method: Method,
    origin: FaultyOrigin,
}

impl Row {
    fn name(&self) -> String {
        format!("{:?}-{:?}-{:?}", self.place, self.fault, self.method).to_lowercase()
    }

    fn expected(&self) -> Outcome {
        match (self.place, self.fault) {
            (Place::Connect, Fault::Reset) => Outcome::Refused(503, "connection_refused"),
            (Place::Connect, Fault::Stall) => Outcome::Refused(504, "connection_timeout"),
            (Place::Head, Fault::Stall) => Outcome::Refused(504, "first_byte_timeout"),
            (Place::Connect | Place::Head, _) => Outcome::Refused(502, "connection_terminated"),
            (Place::Body | Place::Trailer, _) => Outcome::Truncated,
        }
    }

    /// How often the request reaches the origin. After half a head it is not sent again; over HTTP/2 half of one is none,
    /// so what is idempotent may go again (RFC 9110 section 9.2.2), unless its client has waited long enough.
    fn sent(&self, server: Protocol) -> usize {
        match (self.place, self.fault, self.method, server) {
            (Place::Connect, ..) => 0,
            (Place::Head, Fault::Close | Fault::Reset | Fault::StreamReset, Method::Get, Protocol::Http2) => {
                1 + RETRIES
            }
            _ => 1,
        }
    }

    /// Upstream and route of this row. Only rows that stall have short limits, so that no other row meets one.
    fn write_policy(&self, server: Protocol, policy: &mut String) {
        let (name, address) = (self.name(), self.origin.address());
        let protocol = if server == Protocol::Http2 { "protocol = \"h2c\"\n" } else { "" };
        let millis = if self.fault == Fault::Stall { SHORT.as_millis() } else { 60_000 };
        write!(
            policy,
            "[upstreams.{name}]\nservers = [\"{address}\"]\n{protocol}[[routes]]\nname = \"{name}\"\nto = \"{name}\"\n\
             match = {{ path = {{ exact = \"/{name}\" }} }}\n\
             timeouts = {{ connect = \"{millis}ms\", first_byte = \"{millis}ms\" }}\nretries = {{ attempts = {RETRIES} }}\n"
        )
        .unwrap();
    }

    async fn check(&self, client: Protocol, server: Protocol, router: &Router) {
        let name = self.name();
        let client = Asking::connect(client, router).await;
        let reply = self.ask(&client).await;
        match self.expected() {
            Outcome::Refused(status, reason) => {
                let said = reply.header("proxy-status").unwrap_or_default();
                assert_eq!(reply.status, status, "{name}: {reply:?}");
                assert!(said.ends_with(&format!("details=\"{reason}\"")), "{name}: {said}");
            }
            Outcome::Truncated => {
                assert!(reply.status == 200 && reply.is_truncated, "{name}: {reply:?}");
                assert!(HALF.as_bytes().starts_with(&reply.body), "{name}: {reply:?}");
            }
        }
        assert_eq!(self.origin.requests().len(), self.sent(server), "{name}: requests at the origin");
        eventually(&format!("{name}: the failed connection is closed"), || self.origin.open_connections() == 0).await;

        let again = self.ask(&client).await;
        assert!(again.status == reply.status && again.is_truncated == reply.is_truncated, "{name} again: {again:?}");
        assert!(
            self.origin.requests().iter().all(|request| request.place == 0),
            "{name}: a failed connection is reused"
        );
        let next = client.ask(Method::Get, "/sound").await;
        assert_eq!((next.status, next.text()), (200, "ok"), "after {name}");
    }

    async fn ask(&self, client: &Asking) -> Reply {
        client.ask(self.method, &format!("/{}", self.name())).await
    }
}

/// A client of either protocol: over HTTP/1.1 with a connection for each request, over HTTP/2 with one for all of them,
/// for there a fault may cost only its stream.
enum Asking {
    Http1(SocketAddr),
    Http2(H2Client),
}

impl Asking {
    async fn connect(protocol: Protocol, router: &Router) -> Self {
        match protocol {
            Protocol::Http1 => Self::Http1(router.address),
            Protocol::Http2 => Self::Http2(H2Client::connect(router.address).await),
        }
    }

    async fn ask(&self, method: Method, path: &str) -> Reply {
        match (self, method) {
            (Self::Http1(address), Method::Get) => Client::connect(*address).await.get(path).await,
            (Self::Http1(address), Method::Post) => {
                let request = format!("POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\nonce");
                Client::connect(*address).await.ask(request).await
            }
            (Self::Http2(client), Method::Get) => ask_http2(client, h2client::get(path), None).await,
            (Self::Http2(client), Method::Post) => ask_http2(client, h2client::post(path), Some("once")).await,
        }
    }
}

async fn ask_http2(client: &H2Client, request: Request<()>, body: Option<&str>) -> Reply {
    let asked = async {
        let (response, mut sending) = client.open(request, body.is_none()).await.unwrap();
        if let Some(body) = body {
            h2client::send(&mut sending, body.into()).await.unwrap();
        }
        let (parts, mut receiving) = response.await.expect("a head").into_parts();
        let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        let mut reply =
            Reply { status: parts.status.as_u16(), headers: headers.collect(), body: Vec::new(), is_truncated: false };
        while let Some(chunk) = receiving.data().await {
            let Ok(chunk) = chunk else {
                reply.is_truncated = true;
                return reply;
            };
            reply.body.extend_from_slice(&chunk);
        }
        reply.is_truncated = receiving.trailers().await.is_err();
        reply
    };
    timeout(PATIENCE, asked).await.expect("a response in time")
}

/// All rows with one way to fail, before one worker, all at once.
async fn check_all(client: Protocol, server: Protocol, fault: Fault) {
    let mut rows = Vec::new();
    for place in PLACES {
        for method in [Method::Get, Method::Post] {
            let origin = FaultyOrigin::start(server, place, fault).await;
            rows.push(Row { place, fault, method, origin });
        }
    }
    let sound = Origin::saying("ok").await;
    let mut policy = format!(
        "[upstreams.sound]\nservers = [\"{}\"]\n[[routes]]\nname = \"sound\"\nto = \"sound\"\n\
         match = {{ path = {{ exact = \"/sound\" }} }}\n",
        sound.address
    );
    rows.iter().for_each(|row| row.write_policy(server, &mut policy));
    let body_idle = if fault == Fault::Stall { SHORT } else { settings().body_idle };
    let router = Router::start_with(&policy, sluice_proxy::Settings { body_idle, ..settings() });
    join_all(rows.iter().map(|row| row.check(client, server, &router))).await;
    eventually("nothing is in flight", || router.in_flight() == 0).await;
}

#[tokio::test]
async fn http1_to_http1_servers_that_close() {
    check_all(Protocol::Http1, Protocol::Http1, Fault::Close).await;
}

#[tokio::test]
async fn http1_to_http1_servers_that_reset() {
    check_all(Protocol::Http1, Protocol::Http1, Fault::Reset).await;
}

#[tokio::test]
async fn http1_to_http1_servers_that_stall() {
    check_all(Protocol::Http1, Protocol::Http1, Fault::Stall).await;
}

#[tokio::test]
async fn http2_to_http1_servers_that_close() {
    check_all(Protocol::Http2, Protocol::Http1, Fault::Close).await;
}

#[tokio::test]
async fn http2_to_http1_servers_that_reset() {
    check_all(Protocol::Http2, Protocol::Http1, Fault::Reset).await;
}

#[tokio::test]
async fn http2_to_http1_servers_that_stall() {
    check_all(Protocol::Http2, Protocol::Http1, Fault::Stall).await;
}

#[tokio::test]
async fn http1_to_http2_servers_that_close() {
    check_all(Protocol::Http1, Protocol::Http2, Fault::Close).await;
}

#[tokio::test]
async fn http1_to_http2_servers_that_reset() {
    check_all(Protocol::Http1, Protocol::Http2, Fault::Reset).await;
}

#[tokio::test]
async fn http1_to_http2_servers_that_stall() {
    check_all(Protocol::Http1, Protocol::Http2, Fault::Stall).await;
}

#[tokio::test]
async fn http1_to_http2_servers_that_reset_a_stream() {
    check_all(Protocol::Http1, Protocol::Http2, Fault::StreamReset).await;
}

#[tokio::test]
async fn http2_to_http2_servers_that_close() {
    check_all(Protocol::Http2, Protocol::Http2, Fault::Close).await;
}

#[tokio::test]
async fn http2_to_http2_servers_that_reset() {
    check_all(Protocol::Http2, Protocol::Http2, Fault::Reset).await;
}

#[tokio::test]
async fn http2_to_http2_servers_that_stall() {
    check_all(Protocol::Http2, Protocol::Http2, Fault::Stall).await;
}

#[tokio::test]
async fn http2_to_http2_servers_that_reset_a_stream() {
    check_all(Protocol::Http2, Protocol::Http2, Fault::StreamReset).await;
}
