//! The handlers as a client sees them: requests through the whole router, over data in memory.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use hyper::body::Frame;
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::{App, UPLOADS_IN_FLIGHT_MAX, router};
use crate::image::{IMAGE_BYTES_MAX, ImageId};
use crate::release::Release;
use crate::storage::{Memory, Storage};

/// Both releases on the same data, as in a deployment.
struct Site {
    stable: Router,
    canary: Router,
    storage: Arc<Memory>,
    draining: watch::Sender<bool>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Site {
    fn new() -> Self {
        let (storage, draining) = (Arc::new(Memory::default()), watch::Sender::new(false));
        let app = |release, name: &str| {
            let storage = Arc::clone(&storage) as Arc<dyn Storage>;
            router(App::new(release, name.parse().unwrap(), storage, draining.subscribe()))
        };
        let (stable, canary) = (app(Release::Stable, "meow-1"), app(Release::Canary, "meow-2"));
        Self { stable, canary, storage, draining }
    }

    async fn get(&self, path: &str) -> Answer {
        ask(&self.stable, Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn upload(&self, content_type: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post("/upload").header(CONTENT_TYPE, content_type).body(body.into()).unwrap();
        ask(&self.stable, request).await
    }
}

async fn ask(router: &Router, request: Request<Body>) -> Answer {
    let (head, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    Answer { status: head.status, headers: head.headers, body }
}

/// A GIF of exactly so many bytes.
fn gif(bytes: usize) -> Vec<u8> {
    let mut image = vec![0; bytes];
    image[..6].copy_from_slice(b"GIF89a");
    image
}

const FORM: &str = "multipart/form-data; boundary=cut";

fn form(field: &str, content: &[u8]) -> Vec<u8> {
    let head = format!(
        "--cut\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"../../etc/<script>.png\"\r\n\
         Content-Type: text/html\r\n\r\n"
    );
    [head.as_bytes(), content, b"\r\n--cut--\r\n"].concat()
}

#[tokio::test]
async fn the_message_is_set_by_both_methods_and_read() {
    for method in [Method::GET, Method::POST] {
        let site = Site::new();
        let before = site.get("/get").await;
        assert_eq!((before.status, before.text().starts_with("no message")), (StatusCode::NOT_FOUND, true));
        let request = Request::builder().method(method).uri("/set").body(Body::empty()).unwrap();
        let set = ask(&site.canary, request).await;
        assert_eq!((set.status, set.text()), (StatusCode::OK, "this message will self-destruct in 10 seconds"));
        assert_eq!(site.get("/get").await.text(), set.text());
    }
}

#[tokio::test]
async fn every_response_is_stamped_errors_too() {
    let site = Site::new();
    for path in ["/", "/meow", "/nothing-here", "/healthz", "/get"] {
        let answer = site.get(path).await;
        assert_eq!(answer.headers["x-meow-release"], "stable", "{path}");
        assert_eq!(answer.headers["x-meow-server"], "meow-1");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers[CACHE_CONTROL], "no-store");
    }
    let wrong_method = ask(&site.canary, Request::delete("/set").body(Body::empty()).unwrap()).await;
    assert_eq!(wrong_method.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(wrong_method.headers["allow"], "GET,HEAD,POST");
    assert_eq!(wrong_method.headers["x-meow-release"], "canary");
}

#[tokio::test]
async fn recent_lists_what_was_visited_but_no_probes() {
    let site = Site::new();
    for path in ["/set", "/healthz", "/get?secret=1", "/version", "/nothing-here"] {
        site.get(path).await;
    }
    assert_eq!(site.get("/recent").await.text(), "/recent\n/nothing-here\n/get\n/set\n");
    let request = Request::get("/recent").header(ACCEPT, "application/json").body(Body::empty()).unwrap();
    let json = ask(&site.canary, request).await;
    assert_eq!(json.json(), serde_json::json!(["/recent", "/recent", "/nothing-here", "/get", "/set"]));
    assert_eq!(json.headers[CONTENT_TYPE], "application/json");
}

#[tokio::test]
async fn a_recorded_path_is_bounded() {
    let site = Site::new();
    let path = format!("/{}", "x".repeat(5000));
    assert_eq!(site.get(&path).await.status, StatusCode::NOT_FOUND);
    assert!(site.storage.recent_paths().await.unwrap()[0].len() <= 256);
}

#[tokio::test]
async fn an_upload_comes_back_as_it_was_under_its_true_type() {
    let site = Site::new();
    let content = gif(100);
    for (content_type, body) in [("image/png", content.clone()), (FORM, form("image", &content))] {
        let uploaded = site.upload(content_type, body).await;
        assert_eq!(uploaded.status, StatusCode::OK, "{}", uploaded.text());
        assert_eq!(uploaded.json()["bytes"], 100);
        assert!(!uploaded.headers.contains_key(LOCATION));
        let image = site.get(&format!("/image/{}", uploaded.json()["id"].as_str().unwrap())).await;
        assert_eq!((&image.headers[CONTENT_TYPE], &image.body[..]), (&"image/gif".parse().unwrap(), &content[..]));
        assert_eq!(image.headers["x-content-type-options"], "nosniff");
    }
}

#[tokio::test]
async fn what_is_no_image_is_refused() {
    let site = Site::new();
    for (content_type, body, status) in [
        ("image/png", b"<script>alert(1)</script>".to_vec(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("image/png", Vec::new(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("text/plain", gif(10), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (FORM, form("image", b"<svg/>"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (FORM, form("other", &gif(10)), StatusCode::BAD_REQUEST),
        (FORM, b"no form at all".to_vec(), StatusCode::BAD_REQUEST),
        ("multipart/form-data", form("image", &gif(10)), StatusCode::BAD_REQUEST),
    ] {
        let refused = site.upload(content_type, body).await;
        assert_eq!(refused.status, status, "{content_type}: {}", refused.text());
    }
    let untyped = ask(&site.stable, Request::post("/upload").body(gif(10).into()).unwrap()).await;
    assert_eq!(untyped.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(site.storage.newest_images(9).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_size_limit_holds_to_the_byte() {
    let site = Site::new();
    for (bytes, status) in [(IMAGE_BYTES_MAX, StatusCode::OK), (IMAGE_BYTES_MAX + 1, StatusCode::PAYLOAD_TOO_LARGE)] {
        assert_eq!(site.upload("image/gif", gif(bytes)).await.status, status, "raw, {bytes}");
        assert_eq!(site.upload(FORM, form("image", &gif(bytes))).await.status, status, "form, {bytes}");
    }
    let declared = Request::post("/upload").header(CONTENT_TYPE, "image/gif").header(CONTENT_LENGTH, "99999999999");
    let refused = ask(&site.stable, declared.body(gif(10).into()).unwrap()).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(start_paused = true)]
async fn uploads_in_flight_are_bounded() {
    let site = Site::new();
    let mut held = Vec::new();
    let mut uploads = tokio::task::JoinSet::new();
    for _ in 0..UPLOADS_IN_FLIGHT_MAX {
        let (sender, body) = http_body_util::channel::Channel::<Bytes>::new(1);
        held.push(sender);
        let request = Request::post("/upload").header(CONTENT_TYPE, "image/gif").body(Body::new(body)).unwrap();
        let router = site.stable.clone();
        uploads.spawn(async move { ask(&router, request).await.status });
    }
    tokio::task::yield_now().await;
    assert_eq!(site.upload("image/gif", gif(10)).await.status, StatusCode::SERVICE_UNAVAILABLE);
    held.iter_mut().for_each(|sender| sender.try_send(Frame::data(gif(10).into())).unwrap());
    drop(held);
    assert_eq!(uploads.join_all().await, [StatusCode::OK; UPLOADS_IN_FLIGHT_MAX]);
    assert_eq!(site.upload("image/gif", gif(10)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_canary_leaves_out_images_above_50_000_bytes_and_stable_shows_all() {
    let site = Site::new();
    let mut paths = Vec::new();
    for bytes in [50_000, 50_001] {
        let id = site.upload("image/gif", gif(bytes)).await.json()["id"].as_str().unwrap().to_owned();
        paths.push(format!("<img src=\"/image/{id}\""));
    }
    let stable = site.get("/meow").await;
    let canary = ask(&site.canary, Request::get("/meow").body(Body::empty()).unwrap()).await;
    assert!(stable.text().contains(&paths[0]) && stable.text().contains(&paths[1]));
    assert!(canary.text().contains(&paths[0]) && !canary.text().contains(&paths[1]));
    assert!(stable.text().contains("50,001 bytes") && !stable.text().contains("Left out"));
    assert!(canary.text().contains("50,000 bytes, gif") && canary.text().contains("Left out: 1"));
    assert!(stable.text().contains("<strong>stable</strong>") && stable.text().contains("<code>meow-1</code>"));
    assert!(canary.text().contains("<strong>canary</strong>") && canary.text().contains("<code>meow-2</code>"));
}

#[tokio::test]
async fn the_page_shows_the_20_newest() {
    let site = Site::new();
    assert!(site.get("/meow").await.text().contains("No images yet"));
    for bytes in 100..121 {
        site.upload("image/gif", gif(bytes)).await;
    }
    let page = site.get("/meow").await;
    assert_eq!(page.text().matches("<img ").count(), 20);
    assert!(page.text().contains(">120 bytes") && page.text().contains(">101 bytes"));
    assert!(!page.text().contains(">100 bytes"));
}

#[tokio::test]
async fn an_image_path_leads_nowhere_else() {
    let site = Site::new();
    let unknown = ImageId::random().to_string();
    for id in [unknown.as_str(), "..%2F..%2Fetc%2Fpasswd", "%00", "x", "..%2fimages.lock"] {
        assert_eq!(site.get(&format!("/image/{id}")).await.status, StatusCode::NOT_FOUND, "{id}");
    }
}

#[tokio::test]
async fn version_and_health_say_who_and_how() {
    let site = Site::new();
    let version = ask(&site.canary, Request::get("/version").body(Body::empty()).unwrap()).await.json();
    let expected = serde_json::json!({
        "app": "meow", "release": "canary", "version": env!("CARGO_PKG_VERSION"), "id": "meow-2"
    });
    assert_eq!(version, expected);
    let healthy = site.get("/healthz").await;
    assert_eq!((healthy.status, healthy.headers.contains_key(CONNECTION)), (StatusCode::OK, false));
    site.draining.send_replace(true);
    assert_eq!(site.get("/healthz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    let still_served = site.get("/meow").await;
    assert_eq!((still_served.status, &still_served.headers[CONNECTION]), (StatusCode::OK, &"close".parse().unwrap()));
}
