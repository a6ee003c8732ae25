//! Flag definitions in the store: they open gates for those whom their rules choose, reach servers as headers, come by any
//! client of the store, and are refused with a place where they make no sense.

use anyhow::{Context, Result, ensure};
use reqwest::{StatusCode, header};
use serde_json::{Value, json};
use sluice_tests::echo::Echo;
use sluice_tests::redis_server::RedisServer;
use sluice_tests::router::{Router, Setup};
use sluice_tests::stack::StoreKind;
use sluice_tests::{client, eventually};

/// Largest document, in bytes.
const DOCUMENT_BYTES_MAX: usize = 1 << 20;
/// Fresh connections that reach each of two workers: all go to one of them once in 10^6 runs.
const CONNECTIONS: usize = 20;

/// A gate for those at example.org, a header with everyone's theme.
pub(crate) const SHOP: &str = r#"{
  "flags": {
    "new-checkout": {
      "state": "ENABLED",
      "variants": {"on": true, "off": false},
      "defaultVariant": "off",
      "targeting": {"if": [{"ends_with": [{"var": "email"}, "@example.org"]}, "on"]}
    },
    "theme": {"state": "ENABLED", "variants": {"dark": "dark-1", "light": "light-1"}, "defaultVariant":   "dark"}
  }
}
"#;

fn policy(server: &str) -> String {
    format!(
        r#"
[upstreams.app]
servers = ["{server}"]

[plugins.feature-flags]
file = "feature-flags.wasm"
grants = {{ state = ["flag:beta", "flags:shop"], edits = true }}
# On a busy machine thousands of flags take longer to read than the 50 ms of the default.
limits = {{ state_cpu = "5s" }}

[plugins.feature-flags.config]
gates = [
  {{ flag = "new-checkout", set = "shop", paths = ["/checkout"] }},
  {{ flag = "beta", paths = ["/beta"] }},
]
headers = [{{ flag = "theme", set = "shop", name = "x-flag-theme" }}]
context = {{ targetingKey = "cookie:uid", email = "header:x-email" }}

[[routes]]
name = "app"
match = {{ path = {{ prefix = "/" }} }}
plugins = ["feature-flags"]
to = "app"
"#
    )
}

/// Routers on one store, before a server that answers with what it was told.
pub(crate) struct Shop {
    pub(crate) routers: Vec<Router>,
    pub(crate) redis: Option<RedisServer>,
    _server: Echo,
}

impl Shop {
    pub(crate) async fn start(kind: StoreKind) -> Result<Self> {
        Self::start_many(kind, 1).await
    }

    async fn start_many(kind: StoreKind, count: usize) -> Result<Self> {
        let server = Echo::start().await?;
        let redis = if kind == StoreKind::Redis { Some(RedisServer::start().await?) } else { None };
        let store = redis.as_ref().map_or_else(|| "embedded".to_owned(), RedisServer::url);
        let mut routers = Vec::new();
        for _ in 0..count {
            routers.push(Setup::new(&policy(&server.address.to_string()), &store)?.start().await?);
        }
        Ok(Self { routers, redis, _server: server })
    }

    pub(crate) fn router(&self) -> &Router {
        &self.routers[0]
    }

    fn set(&self, router: usize) -> String {
        format!("{}/v1/flagsets/shop", self.routers[router].admin)
    }

    /// Writes the document of the set `shop` by an admin port.
    pub(crate) async fn put(&self, document: &str) -> Result<reqwest::Response> {
        let request = client::http().put(format!("{}?reason=a%20test", self.set(0)));
        Ok(request.body(document.to_owned()).send().await?)
    }

    /// The same by a plain client of the store.
    async fn put_raw(&self, document: &[u8]) -> Result<()> {
        let redis = self.redis.as_ref().context("the routers are on Redis")?;
        let mut connection = redis.connect().await?;
        Ok(redis::cmd("SET").arg("{test}:flags:shop").arg(document).exec_async(&mut connection).await?)
    }
}

/// What the server is told of the next requests, on every worker; `None` = the gate is shut.
async fn checkout(router: &Router, email: &str) -> Result<Option<String>> {
    let mut answers = Vec::new();
    for _ in 0..CONNECTIONS {
        let request = client::http().get(format!("{}/checkout", router.edge)).header("x-email", email);
        let response = request.header("x-flag-theme", "forged").send().await?;
        answers.push(match response.status() {
            StatusCode::NOT_FOUND => None,
            status => {
                ensure!(status == StatusCode::OK, "{status}");
                let head = response.text().await?;
                let theme = head.lines().find_map(|line| line.strip_prefix("x-flag-theme: ").map(str::to_owned));
                Some(theme.unwrap_or_else(|| "none".to_owned()))
            }
        });
    }
    let first = answers.first().cloned().flatten();
    ensure!(answers.iter().all(|answer| *answer == first), "workers differ: {answers:?}");
    Ok(first)
}

async fn comes_to(router: &Router, email: &str, wanted: Option<&str>) {
    eventually(&format!("the checkout of {email} is {wanted:?}"), async || {
        let found = checkout(router, email).await?;
        ensure!(found.as_deref() == wanted, "{found:?}");
        Ok(())
    })
    .await;
}

async fn a_document_opens_a_gate_for_whom_its_rule_chooses(kind: StoreKind) -> Result<()> {
    let shop = Shop::start(kind).await?;
    let router = shop.router();
    assert_eq!(checkout(router, "ann@example.org").await?, None, "no document, no gate");

    let written = shop.put(SHOP).await?.error_for_status()?;
    let tag = client::header(&written, "etag").context("a write has an ETag")?;
    // The very next requests: a write returns after this router acts on it.
    assert_eq!(checkout(router, "ann@example.org").await?.as_deref(), Some("dark"));
    assert_eq!(checkout(router, "ann@example.net").await?, None);
    router.healthy().await;

    let flags = router.get("/v1/flags").await?;
    let flag = |name: &str| flags.as_array().and_then(|all| all.iter().find(|flag| flag["name"] == name)).cloned();
    let theme = flag("theme").context("theme is listed")?;
    assert_eq!((&theme["set"], &theme["value"], &theme["variant"]), (&json!("shop"), &json!("dark-1"), &json!("dark")));
    let gated = flag("new-checkout").context("new-checkout is listed")?;
    assert_eq!(
        (&gated["targeting"], &gated["value"], &gated["attributes"]),
        (&json!(true), &Value::Null, &json!(["email"]))
    );

    let changed = json!({"variant": "light", "reason": "a new look"});
    client::json(client::http().put(format!("{}/v1/flags/theme", router.admin)).json(&changed)).await?;
    assert_eq!(checkout(router, "ann@example.org").await?.as_deref(), Some("light"));
    let text = client::http().get(shop.set(0)).send().await?.text().await?;
    assert_eq!(
        text,
        SHOP.replace("\"dark\"}", "\"light\"}").replace("   \"dark\"", "   \"light\""),
        "only the variant moved"
    );

    let stale = client::http().put(shop.set(0)).header(header::IF_MATCH, tag).body(SHOP).send().await?;
    assert_eq!(stale.status(), StatusCode::PRECONDITION_FAILED);
    let again = client::http().put(shop.set(0)).header(header::IF_NONE_MATCH, "*").body(SHOP).send().await?;
    assert_eq!(again.status(), StatusCode::PRECONDITION_FAILED);

    let audit = router.get("/v1/audit?key=flags:shop").await?;
    assert_eq!((&audit[0]["reason"], &audit[1]["reason"]), (&json!("a new look"), &json!("a test")), "{audit}");
    assert_eq!((&audit[0]["by"], &audit[1]["old"]), (&json!("admin at 127.0.0.1"), &Value::Null), "{audit}");
    assert_eq!(audit[0]["old"], SHOP);

    let gone = client::http().delete(shop.set(0)).send().await?;
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    assert_eq!(checkout(router, "ann@example.org").await?, None);
    assert_eq!(client::http().delete(shop.set(0)).send().await?.status(), StatusCode::NOT_FOUND);
    Ok(())
}

async fn what_makes_no_sense_is_refused_with_every_place(kind: StoreKind) -> Result<()> {
    let shop = Shop::start(kind).await?;
    shop.put(SHOP).await?.error_for_status()?;
    let bad = SHOP.replace("\"ends_with\"", "\"ends_wiht\"").replace("{\"if\"", "{\"iff\"");
    for (document, line, says) in [
        (SHOP.replace("\"state\": \"ENABLED\",\n", "\"state\": \"ON\",\n"), 4, "state"),
        (SHOP.replace("\"variants\"", "variants"), 5, "key"),
        (bad, 7, "iff"),
        (SHOP.replace("   \"dark\"", "\"drak\""), 9, "drak"),
    ] {
        let refused = shop.put(&document).await?;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{says}");
        let body: Value = refused.json().await?;
        let place = &body["error"]["places"][0];
        assert_eq!(place["line"], line, "{body}");
        assert!(body["error"]["message"].as_str().is_some_and(|message| message.contains(says)), "{body}");
    }
    assert_eq!(checkout(shop.router(), "ann@example.org").await?.as_deref(), Some("dark"), "nothing changed");
    let unknown = client::http().put(format!("{}/v1/flags/thene", shop.router().admin)).json(&json!({"value": true}));
    let unknown = unknown.send().await?;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    assert!(unknown.text().await?.contains("did you mean `theme`"));
    let none = client::http().put(format!("{}/v1/flags/theme", shop.router().admin)).json(&json!({"variant": "blue"}));
    assert_eq!(none.send().await?.status(), StatusCode::BAD_REQUEST);
    Ok(())
}

async fn a_document_of_the_largest_size_is_taken_and_no_byte_more(kind: StoreKind) -> Result<()> {
    let shop = Shop::start(kind).await?;
    let room = DOCUMENT_BYTES_MAX - SHOP.len();
    let largest = format!("{SHOP}{}", " ".repeat(room));
    shop.put(&largest).await?.error_for_status()?;
    assert_eq!(checkout(shop.router(), "ann@example.org").await?.as_deref(), Some("dark"));
    let larger = shop.put(&format!("{largest} ")).await?;
    assert_eq!(larger.status(), StatusCode::PAYLOAD_TOO_LARGE);
    shop.router().healthy().await;
    Ok(())
}

async fn a_switch_that_only_a_plugin_reads_is_followed(kind: StoreKind) -> Result<()> {
    let shop = Shop::start(kind).await?;
    let router = shop.router();
    let beta = format!("{}/beta", router.edge);
    assert_eq!(client::http().get(&beta).send().await?.status(), StatusCode::NOT_FOUND);
    let set = client::http().put(format!("{}/v1/flags/beta", router.admin)).json(&json!({"value": true}));
    client::json(set).await?;
    assert_eq!(client::http().get(&beta).send().await?.status(), StatusCode::OK);
    router.healthy().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_opens_a_gate_embedded() -> Result<()> {
    a_document_opens_a_gate_for_whom_its_rule_chooses(StoreKind::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_opens_a_gate_redis() -> Result<()> {
    a_document_opens_a_gate_for_whom_its_rule_chooses(StoreKind::Redis).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_is_refused_embedded() -> Result<()> {
    what_makes_no_sense_is_refused_with_every_place(StoreKind::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_is_refused_redis() -> Result<()> {
    what_makes_no_sense_is_refused_with_every_place(StoreKind::Redis).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_document_is_taken_embedded() -> Result<()> {
    a_document_of_the_largest_size_is_taken_and_no_byte_more(StoreKind::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_document_is_taken_redis() -> Result<()> {
    a_document_of_the_largest_size_is_taken_and_no_byte_more(StoreKind::Redis).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_that_only_a_plugin_reads_is_followed_embedded() -> Result<()> {
    a_switch_that_only_a_plugin_reads_is_followed(StoreKind::Embedded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_that_only_a_plugin_reads_is_followed_redis() -> Result<()> {
    a_switch_that_only_a_plugin_reads_is_followed(StoreKind::Redis).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_redis_client_can_write_a_document_and_nonsense_changes_nothing() -> Result<()> {
    let shop = Shop::start(StoreKind::Redis).await?;
    let router = shop.router();
    shop.put_raw(SHOP.as_bytes()).await?;
    comes_to(router, "ann@example.org", Some("dark")).await;

    shop.put_raw(SHOP.replace("\"state\": \"ENABLED\",\n", "\"state\": \"ON\",\n").as_bytes()).await?;
    let fault = router.fault("document before counts").await;
    assert_eq!(
        (&fault["source"], &fault["subject"], &fault["file"]),
        (&json!("flag"), &json!("flags:shop"), &json!("flags:shop"))
    );
    assert_eq!((&fault["line"], &fault["path"]), (&json!(4), &json!("flags.new-checkout.state")), "{fault}");
    assert!(fault["excerpt"].as_str().is_some_and(|excerpt| excerpt.contains("\"ON\"")), "{fault}");
    assert_eq!(checkout(router, "ann@example.org").await?.as_deref(), Some("dark"));

    shop.put_raw(b"\xff\xfe{").await?;
    router.fault_in("flags:shop", "document before counts").await;
    let too_large = format!("{SHOP}{}", " ".repeat(DOCUMENT_BYTES_MAX + 1 - SHOP.len()));
    shop.put_raw(too_large.replace("\"dark\"}", "\"light\"}").as_bytes()).await?;
    eventually("the size is at fault", async || {
        let status = router.get("/v1/status").await?.to_string();
        ensure!(status.contains("1048577") || status.contains("1 MiB"), "{status}");
        Ok(())
    })
    .await;
    assert_eq!(checkout(router, "ann@example.org").await?.as_deref(), Some("dark"));
    shop.put_raw(SHOP.replace("\"defaultVariant\":   \"dark\"", "\"defaultVariant\": \"light\"").as_bytes()).await?;
    comes_to(router, "ann@example.org", Some("light")).await;
    router.healthy().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definition_of_a_switch_is_a_fault_and_the_switch_wins() -> Result<()> {
    let shop = Shop::start(StoreKind::Redis).await?;
    let router = shop.router();
    let shadow = r#""featureFlags": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"},
    "theme""#;
    shop.put_raw(SHOP.replace("\"theme\"", shadow).as_bytes()).await?;
    let fault = router.fault("the switch counts").await;
    assert_eq!(
        (&fault["source"], &fault["file"], &fault["line"]),
        (&json!("flag"), &json!("flags:shop"), &json!(9)),
        "{fault}"
    );
    let flag = router.get("/v1/flags/featureFlags").await?;
    assert_eq!((&flag["kind"], &flag["set"]), (&json!("switch"), &Value::Null));
    comes_to(router, "ann@example.org", Some("dark")).await;

    shop.put_raw(SHOP.as_bytes()).await?;
    router.healthy().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_routers_see_the_same() -> Result<()> {
    let shop = Shop::start_many(StoreKind::Redis, 2).await?;
    shop.put(SHOP).await?.error_for_status()?;
    comes_to(&shop.routers[1], "ann@example.org", Some("dark")).await;
    let text = client::http().get(shop.set(1)).send().await?.text().await?;
    assert_eq!(text, SHOP);
    let one = client::header(&client::http().get(shop.set(0)).send().await?, "etag");
    let other = client::header(&client::http().get(shop.set(1)).send().await?, "etag");
    assert!(one.is_some() && one == other, "{one:?} {other:?}");
    eventually("both list the same flags", async || {
        let (one, other) = (shop.routers[0].get("/v1/flags").await?, shop.routers[1].get("/v1/flags").await?);
        ensure!(one == other, "{one} {other}");
        Ok(())
    })
    .await;
    Ok(())
}
