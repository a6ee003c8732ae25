//! Signed overrides on a real router: who holds one chooses the variant, and nobody else learns the token.

use anyhow::{Context, Result, ensure};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sluice_tests::{client, eventually};

use crate::variants::Three;

/// What was answered: the variant, the tag, and the head of the request as the server was told it.
struct Served {
    variant: String,
    tag: Option<String>,
    id: String,
    head: String,
}

async fn serve(request: RequestBuilder) -> Result<Served> {
    let response = request.header("cookie", "uid=7").send().await?;
    ensure!(response.status() == StatusCode::OK, "{response:?}");
    let variant = client::variant(&response).context("the router names the variant")?;
    let id = client::header(&response, "x-sluice-request-id").context("a request has an id")?;
    Ok(Served { variant, tag: client::header(&response, "x-sluice-tag"), id, head: response.text().await? })
}

async fn sign(three: &Three, variant: &str) -> Result<String> {
    let url = format!("{}/v1/rollouts/demo/override", three.router.admin);
    let signed = client::json(client::http().post(url).json(&json!({ "variant": variant, "for": "10m" }))).await?;
    Ok(signed["token"].as_str().with_context(|| format!("no token in {signed}"))?.to_owned())
}

async fn variant_by(three: &Three, id: &str) -> Value {
    let told = eventually("the request is kept", async || three.router.get(&format!("/v1/requests/{id}")).await).await;
    told["variant_by"].clone()
}

#[tokio::test]
async fn a_token_chooses_the_variant_wherever_the_policy_takes_it_from() -> Result<()> {
    let three = Three::start().await?;
    three.set(&json!({ "canary": 0.0, "beta": 0.0 })).await?;
    let http = client::http();
    assert_eq!(serve(three.get(&http, "/")).await?.variant, "stable");
    let token = sign(&three, "beta").await?;
    for request in [
        three.get(&http, "/cats?a=1").header("x-override", &token),
        three.get(&http, "/cats?a=1").header("cookie", format!("override={token}; theme=dark")),
        three.get(&http, &format!("/cats?a=1&override={token}")),
    ] {
        let served = serve(request).await?;
        assert_eq!((&*served.variant, served.tag), ("beta", None), "{}", served.head);
        assert_eq!(variant_by(&three, &served.id).await, "override");
        assert!(!served.head.contains(&token), "the server was told the token: {}", served.head);
        assert!(served.head.starts_with("GET /cats?a=1 HTTP/1.1\r\n"), "{}", served.head);
    }
    let log = three.router.process.output();
    assert!(!log.contains(&token), "a token stands in the log");

    three.abort().await?;
    let served = serve(three.get(&http, "/").header("x-override", &token)).await?;
    assert_eq!(served.variant, "beta", "an operator who signs knows of the abort");
    assert_eq!(serve(three.get(&http, "/")).await?.variant, "stable");
    Ok(())
}

#[tokio::test]
async fn a_token_that_does_not_count_changes_nothing_and_is_noted() -> Result<()> {
    let three = Three::start().await?;
    three.set(&json!({ "canary": 0.0, "beta": 0.0 })).await?;
    let http = client::http();
    let token = sign(&three, "beta").await?;
    let forged = token.replacen("beta", "canary", 1);
    for (wrong, tag) in [(&*forged, "override-forged"), ("beta", "override-malformed")] {
        let served = serve(three.get(&http, "/").header("x-override", wrong)).await?;
        assert_eq!((&*served.variant, served.tag.as_deref()), ("stable", Some(tag)));
        assert!(!served.head.contains("x-override"), "{}", served.head);
    }
    let scraped = client::http().get(format!("{}/metrics", three.router.admin)).send().await?.text().await?;
    assert!(scraped.contains("sluice_overrides_total{outcome=\"refused\"} 2\n"), "{scraped}");
    Ok(())
}
