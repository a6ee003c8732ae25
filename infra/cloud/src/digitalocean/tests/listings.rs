//! Pages, links and entries of listings.

use serde_json::json;

use super::server::{Server, answer};
use crate::cloud::Cloud as _;
use crate::error::CloudError;

fn page(ids: &[u64], next: Option<&str>) -> String {
    let droplets: Vec<_> = ids.iter().map(|id| json!({"id": id, "name": "a", "status": "active"})).collect();
    json!({"droplets": droplets, "links": {"pages": {"next": next, "shape": "round"}}, "meta": {"total": 3}})
        .to_string()
}

#[tokio::test]
async fn all_pages_are_read_and_each_droplet_is_there_once() {
    let server = Server::with(|url| {
        let next = format!("{url}/v2/droplets?tag_name=t&page=2&per_page=200");
        // The second one moved while we read.
        [answer(200, &page(&[1, 2], Some(&next))), answer(200, &page(&[2, 3], None))].into()
    })
    .await;
    let ids: Vec<String> =
        server.client().droplets("t").await.unwrap().into_iter().map(|droplet| droplet.id.0).collect();
    assert_eq!(ids, ["1", "2", "3"]);
    let seen = server.seen();
    assert!(seen[0].starts_with("GET /v2/droplets?tag_name=t&per_page=200 "), "{}", seen[0]);
    assert!(seen[1].starts_with("GET /v2/droplets?tag_name=t&page=2&per_page=200 "), "{}", seen[1]);
}

#[tokio::test]
async fn a_link_to_another_place_is_not_followed() {
    let elsewhere = Server::start([]).await;
    let (other_port, own) = (format!("{}/v2/droplets?page=2", elsewhere.url), "http://127.0.0.1".to_owned());
    for link in [
        other_port,
        format!("{own}/v2/droplets?page=2"),
        "http://user@OWN/v2/droplets?page=2".to_owned(),
        "http://OWN/v2/account".to_owned(),
        "https://OWN/v2/droplets".to_owned(),
        "/v2/droplets?page=2".to_owned(),
        "no link at all".to_owned(),
    ] {
        let server = Server::with(|url| {
            let link = link.replace("OWN", url.trim_start_matches("http://"));
            [answer(200, &page(&[1], Some(&link)))].into()
        })
        .await;
        let end = server.client().droplets("t").await;
        assert!(matches!(end, Err(CloudError::Answer { .. })), "{link}: {end:?}");
        assert_eq!(server.seen().len(), 1);
    }
    assert_eq!(elsewhere.seen(), [""; 0]);
}

#[tokio::test]
async fn a_listing_without_end_is_given_up() {
    let server = Server::with(|url| {
        let next = format!("{url}/v2/droplets?page=1");
        (0..150).map(|_| answer(200, &page(&[1], Some(&next)))).collect()
    })
    .await;
    let end = server.client().droplets("t").await;
    assert!(matches!(end, Err(CloudError::Answer { .. })), "{end:?}");
    assert_eq!(server.seen().len(), 100);
}

#[tokio::test]
async fn a_listing_that_makes_no_sense_is_not_an_empty_one() {
    for body in ["{}", "[]", "", r#"{"droplets": 7}"#, r#"{"droplets": [{"name": "no id", "status": "new"}]}"#] {
        let server = Server::start([answer(200, body)]).await;
        let end = server.client().droplets("t").await;
        assert!(matches!(end, Err(CloudError::Answer { .. })), "{body}: {end:?}");
    }
    let server = Server::start([answer(200, r#"{"droplets": null, "links": {}}"#)]).await;
    assert_eq!(server.client().droplets("t").await.unwrap(), [], "this is how Go writes an empty list");
}
