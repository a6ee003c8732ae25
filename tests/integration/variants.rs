//! A rollout between three: each has its share, a growing one takes users from stable only, and an abort leaves none but stable.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sluice_tests::client;
use sluice_tests::echo::Echo;
use sluice_tests::router::{Router, Setup};

/// Users that are asked about.
const USERS: u32 = 4_000;
/// Users that ask at the same time.
const AT_ONCE: usize = 32;
/// How far a share may be from its weight: more than four standard deviations of half of the users.
const DEVIATION_MAX: usize = 140;
/// Shared by those who sign and those who check.
const KEY: &str = "a key of a test, 16 bytes or more";

/// A router before three servers that answer with what they were told.
pub(crate) struct Three {
    pub(crate) router: Router,
    _servers: [Echo; 3],
}

impl Three {
    pub(crate) async fn start() -> Result<Self> {
        let servers = [Echo::start().await?, Echo::start().await?, Echo::start().await?];
        let setup = Setup::new(&policy(&servers), "embedded")?;
        std::fs::write(setup.path("override.key"), KEY)?;
        // A table may stand after those that are written already.
        let file = setup.path("sluice.toml");
        let text = std::fs::read_to_string(&file)?;
        std::fs::write(&file, format!("{text}\n[rollouts]\noverride_key = {{ file = \"override.key\" }}\n"))?;
        Ok(Self { router: setup.start().await?, _servers: servers })
    }

    /// Sets weights, in percent, and waits until this router acts on them.
    pub(crate) async fn set(&self, weights: &Value) -> Result<Value> {
        let url = format!("{}/v1/rollouts/demo", self.router.admin);
        client::json(client::http().put(url).json(&json!({ "weights": weights }))).await
    }

    pub(crate) async fn abort(&self) -> Result<Value> {
        self.router.post("/v1/rollouts/demo/abort").await
    }

    pub(crate) fn get(&self, client: &Client, path: &str) -> RequestBuilder {
        client.get(format!("{}{path}", self.router.edge))
    }
}

fn policy(servers: &[Echo; 3]) -> String {
    let [stable, canary, beta] = servers;
    format!(
        r#"
[upstreams.stable]
servers = ["{}"]
[upstreams.canary]
servers = ["{}"]
[upstreams.beta]
servers = ["{}"]

[rollouts.demo]
key = "cookie:uid"
stable = "stable"
canary = "canary"
variants = {{ stable = "stable", canary = "canary", beta = "beta" }}
initial = 10.0
override = ["header:x-override", "cookie:override", "query:override"]

[plugins.canary]
file = "canary.wasm"
grants = {{ state = ["rollout:demo"] }}
config = {{ rollout = "demo", variants = ["stable", "canary", "beta"] }}

[[routes]]
name = "app"
rollout = "demo"
plugins = ["canary"]
to = "stable"
"#,
        stable.address, canary.address, beta.address
    )
}

/// The variant of each user.
type Seen = BTreeMap<u32, String>;

async fn ask(three: &Three) -> Result<Seen> {
    let client = client::keep_alive();
    let asked = stream::iter(0..USERS).map(|uid| {
        let request = client::as_user(three.get(&client, "/"), uid);
        async move {
            let response = request.send().await?;
            ensure!(response.status() == StatusCode::OK, "{response:?}");
            let variant = client::variant(&response).context("the router names the variant")?;
            response.bytes().await?;
            Ok((uid, variant))
        }
    });
    asked.buffer_unordered(AT_ONCE).try_collect().await
}

fn assert_shares(seen: &Seen, percents: [(&str, usize); 3]) {
    for (variant, percent) in percents {
        let count = seen.values().filter(|served| *served == variant).count();
        let wanted = seen.len() * percent / 100;
        assert!(count.abs_diff(wanted) <= DEVIATION_MAX, "{count} of {} are on {variant}, not {wanted}", seen.len());
    }
}

#[tokio::test]
async fn three_variants_have_their_shares_and_growth_moves_users_from_stable_only() -> Result<()> {
    let three = Three::start().await?;
    three.set(&json!({ "canary": 10.0, "beta": 20.0 })).await?;
    let first = ask(&three).await?;
    assert_shares(&first, [("canary", 10), ("beta", 20), ("stable", 70)]);

    three.set(&json!({ "canary": 40.0, "beta": 20.0 })).await?;
    let grown = ask(&three).await?;
    assert_shares(&grown, [("canary", 40), ("beta", 20), ("stable", 40)]);
    let moved = |from: &Seen, to: &Seen| {
        let moved = from.iter().filter(|(uid, variant)| to[uid] != **variant);
        moved.map(|(uid, variant)| (variant.clone(), to[uid].clone())).collect::<std::collections::BTreeSet<_>>()
    };
    let from_stable = |variant: &str| [("stable".to_owned(), variant.to_owned())].into();
    assert_eq!(moved(&first, &grown), from_stable("canary"));

    three.set(&json!({ "canary": 40.0, "beta": 30.0 })).await?;
    let both = ask(&three).await?;
    assert_eq!(moved(&grown, &both), from_stable("beta"));

    three.set(&json!({ "canary": 10.0, "beta": 20.0 })).await?;
    assert!(ask(&three).await? == first, "whoever was moved is back, and nobody else is moved");

    three.abort().await?;
    let aborted = ask(&three).await?;
    assert!(aborted.values().all(|variant| variant == "stable"), "an abort leaves stable alone");
    three.router.post("/v1/rollouts/demo/resume").await?;
    assert!(ask(&three).await? == first, "a resume brings everybody back to where they were");
    Ok(())
}
