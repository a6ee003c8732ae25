//! Stands between a client and a server of the API, and keeps both sides of every exchange.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::document::{Document, Exchange};

/// More than any exchange of a test has.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Runs as long as it is held.
pub(crate) struct Recorder {
    pub(crate) url: String,
    kept: Kept,
    _task: JoinSet<()>,
}

type Kept = Arc<Mutex<Vec<Exchange>>>;

#[derive(Clone)]
struct Shared {
    upstream: SocketAddr,
    client: reqwest::Client,
    kept: Kept,
}

impl Recorder {
    /// Stands before the server at this address.
    pub(crate) async fn before(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let kept = Kept::default();
        let app = Router::new().fallback(pass).with_state(Shared { upstream, client, kept: Arc::clone(&kept) });
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, kept, _task: task }
    }

    /// Every exchange so far.
    pub(crate) fn kept(&self) -> Vec<Exchange> {
        self.kept.lock().unwrap().clone()
    }

    /// Every fault of a request or answer so far.
    pub(crate) fn faults(&self, document: &Document) -> Vec<String> {
        let both =
            |exchange: &Exchange| [document.faults_of_request(exchange), document.faults_of_answer(exchange)].concat();
        let mut faults: Vec<String> = self.kept().iter().flat_map(both).collect();
        faults.sort();
        faults.dedup();
        faults
    }
}

async fn pass(State(shared): State<Shared>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX).await.unwrap();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    // With the client's `Host`: links of pages are made from it.
    let sent = shared.client.request(parts.method.clone(), format!("http://{}{target}", shared.upstream));
    let Ok(answer) = sent.headers(parts.headers.clone()).body(body.clone()).send().await else {
        return Response::builder().status(StatusCode::BAD_GATEWAY).body(Body::empty()).unwrap();
    };
    let (status, headers) = (answer.status(), answer.headers().clone());
    let answer = answer.bytes().await.unwrap();
    shared.kept.lock().unwrap().push(Exchange {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        request_headers: parts.headers,
        request: body.to_vec(),
        status: status.as_u16(),
        answer_headers: headers.clone(),
        answer: answer.to_vec(),
    });
    let mut response = Response::new(Body::from(answer));
    *response.status_mut() = status;
    for (name, value) in &headers {
        response.headers_mut().append(name, value.clone());
    }
    response.headers_mut().remove(header::TRANSFER_ENCODING);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
