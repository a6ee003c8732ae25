//! B17 over HTTP/2: trailers through every pair of protocols.

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::timeout;

use crate::client::PATIENCE;
use crate::h2client::{self, H2Client};
use crate::h2origin::{by_hand, everything_over_h2_to};
use crate::h2wire::{DATA, END_HEADERS, END_STREAM, HEADERS, literals};
use crate::router::Router;
use crate::wire::Wire;

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntrailer: grpc-status, x-sum\r\ntransfer-encoding: chunked\r\n\r\n\
     2\r\nok\r\n0\r\ngrpc-status: 5\r\nx-sum: 9\r\ncontent-length: 7\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// The head of a response of status 200, indexed (RFC 7541 appendix A).
const STATUS_200: [u8; 1] = [0x88];

/// The trailers of the answer to a request without a body.
async fn trailers_of(client: &H2Client) -> HeaderMap {
    let read = async {
        let (response, _whole) = client.open(h2client::get("/"), true).await.unwrap();
        let mut body = response.await.unwrap().into_body();
        while let Some(chunk) = body.data().await {
            body.flow_control().release_capacity(chunk.unwrap().len()).unwrap();
        }
        body.trailers().await.unwrap().unwrap_or_default()
    };
    timeout(PATIENCE, read).await.expect("a response in time")
}

fn router_over_h2(address: std::net::SocketAddr) -> Router {
    Router::start(&everything_over_h2_to(&[address], ""))
}

#[tokio::test]
async fn b17_trailers_of_an_http1_server_reach_a_client_over_http2() {
    let wire = Wire::start(&[("\r\n\r\n", CHUNKED)]).await;
    let router = wire.router();
    let trailers = trailers_of(&H2Client::connect(router.address).await).await;
    assert_eq!((trailers["grpc-status"].as_bytes(), trailers["x-sum"].as_bytes()), (&b"5"[..], &b"9"[..]));
    assert!(!trailers.contains_key("content-length"), "what frames a message is no trailer");
}

#[tokio::test]
async fn b17_trailers_of_an_http2_server_reach_a_client_over_http2() {
    let origin = by_hand(|mut wire, _| async move {
        let stream = wire.until(HEADERS, 0).await.stream;
        wire.frame(HEADERS, END_HEADERS, stream, &STATUS_200).await;
        wire.frame(DATA, 0, stream, b"ok").await;
        let trailers = literals([("grpc-status", "5"), ("content-length", "7")]);
        wire.frame(HEADERS, END_HEADERS | END_STREAM, stream, &trailers).await;
        let _end = wire.end().await;
    })
    .await;
    let router = router_over_h2(origin.address);
    let trailers = trailers_of(&H2Client::connect(router.address).await).await;
    assert_eq!(trailers["grpc-status"], "5");
    assert!(!trailers.contains_key("content-length"));
}

#[tokio::test]
async fn b17_trailers_of_a_client_over_http2_reach_an_http1_server_that_was_told_of_them() {
    let wire = Wire::start(&[("x-sum: 9\r\n\r\n", OK)]).await;
    let router = wire.router();
    let client = H2Client::connect(router.address).await;
    let mut request = h2client::post("/");
    request.headers_mut().insert("trailer", "x-sum".parse().unwrap());
    let asked = async {
        let (response, mut body) = client.open(request, false).await.unwrap();
        body.send_data(Bytes::from_static(b"abc"), false).unwrap();
        let trailers = [("x-sum", "9"), ("host", "evil")];
        let trailers = trailers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        body.send_trailers(HeaderMap::from_iter(trailers)).unwrap();
        h2client::read(response.await.unwrap()).await.unwrap()
    };
    assert_eq!(timeout(PATIENCE, asked).await.expect("a response in time").text(), "ok");
    let sent = wire.sent().remove(0);
    assert!(sent.contains("transfer-encoding: chunked\r\n") && sent.ends_with("\r\n0\r\nx-sum: 9\r\n\r\n"), "{sent}");
}
