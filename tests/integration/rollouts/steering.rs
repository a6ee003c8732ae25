//! An operator's verbs on one router with the embedded store: what they do, what they refuse, what they leave in the history.

use anyhow::Result;
use serde_json::json;
use sluice_tests::client;
use sluice_tests::origin::Origin;
use sluice_tests::router::{POLICY_FILE, Router, Setup};

use super::{becomes, cli, history, nothing, order, policy, refusal, set, shown};

const MANUAL: &str = "steps = [{ weight = 5, gate = \"manual\" }, { weight = 50, gate = \"manual\" }, \
                      { weight = 100, gate = \"manual\" }]";

async fn start(about: &str) -> Result<(Router, Origin)> {
    let origin = Origin::start(200).await?;
    let address = origin.address.to_string();
    Ok((Router::start(&policy(&address, &address, about)).await?, origin))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_with_manual_gates_goes_on_when_an_operator_says_so() -> Result<()> {
    let (router, _origin) = start(MANUAL).await?;
    let rollout = shown(&router, "demo").await?;
    assert_eq!((&rollout["state"], &rollout["step"]), (&json!("off"), &json!(null)), "{rollout:#}");
    assert!(refusal(&router, "demo", "advance", nothing()).await?.contains("start it"));

    let rollout = order(&router, "demo", "start", json!({"release": "v42", "reason": "friday"})).await?;
    assert_eq!((&rollout["state"], &rollout["release"]), (&json!("running"), &json!("v42")));
    assert_eq!((&rollout["step"]["number"], &rollout["step"]["of"]), (&json!(1), &json!(3)));
    assert_eq!(rollout["effective_weight"], 5.0);
    becomes(&router, "demo", "waits for its gate", |rollout| {
        rollout["waits_for"].as_str().is_some_and(|text| text.contains("waits for an operator"))
    })
    .await;

    order(&router, "demo", "pause", nothing()).await?;
    let refused = refusal(&router, "demo", "advance", nothing()).await?;
    assert!(refused.contains("409") && refused.contains("only a running rollout goes on"), "{refused}");
    order(&router, "demo", "resume", nothing()).await?;
    for (number, weight) in [(2, 50.0), (3, 100.0)] {
        let rollout = order(&router, "demo", "advance", json!({"reason": "looks good"})).await?;
        assert_eq!((&rollout["step"]["number"], &rollout["effective_weight"]), (&json!(number), &json!(weight)));
    }
    let rollout = order(&router, "demo", "advance", nothing()).await?;
    assert_eq!((&rollout["state"], &rollout["step"]), (&json!("promoted"), &json!(null)));

    let lines = history(&router, "demo").await?;
    let has = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
    assert_eq!((has("admin at 127.0.0.1: running step 1"), has("(friday)")), (2, 1), "{lines:#?}");
    assert_eq!((has("(looks good)"), has(": paused step 1"), has(": promoted")), (2, 1, 1), "{lines:#?}");

    let before = shown(&router, "demo").await?["salt"].clone();
    let rollout = order(&router, "demo", "start", json!({"release": "v43"})).await?;
    assert_eq!((&rollout["state"], &rollout["effective_weight"]), (&json!("running"), &json!(5.0)));
    assert_ne!(rollout["salt"], before, "a new release deals its users anew");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_outlives_edits_and_restarts_and_ends_with_a_resume() -> Result<()> {
    let (mut router, origin) = start("initial = 25.0").await?;
    let rollout = order(&router, "demo", "abort", json!({"reason": "checkout looks odd"})).await?;
    assert_eq!((&rollout["state"], &rollout["effective_weight"]), (&json!("aborted"), &json!(0.0)));
    assert_eq!((&rollout["reason"], &rollout["weight"]), (&json!("checkout looks odd"), &json!(25.0)));

    let address = origin.address.to_string();
    let edited = policy(&address, &address, "initial = 90.0\nsteps = [{ weight = 50, pause = \"1s\" }]");
    router.publish(|router| router.replace(POLICY_FILE, edited.as_bytes())).await?;
    router.process.terminate().await?;
    router.restart().await?;
    let rollout = shown(&router, "demo").await?;
    assert_eq!((&rollout["state"], &rollout["reason"]), (&json!("aborted"), &json!("checkout looks odd")));
    for refused in [
        set(&router, "demo", json!({"weight": 5.0})).await,
        order(&router, "demo", "promote", nothing()).await,
        order(&router, "demo", "start", nothing()).await,
    ] {
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("409") && refused.contains("resume it"), "{refused}");
    }
    let rollout = order(&router, "demo", "resume", json!({"reason": "it was the network"})).await?;
    assert_eq!((&rollout["state"], &rollout["effective_weight"]), (&json!("running"), &json!(25.0)));
    assert_eq!(rollout["reason"], "it was the network");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weights_are_set_for_any_variant_and_nonsense_is_refused() -> Result<()> {
    let (router, _origin) = start("").await?;
    let rollout = set(&router, "demo", json!({"weights": {"canary": 10.0, "beta": 0.25}, "reason": "a look"})).await?;
    let share = |name: &str| {
        let variants = rollout["variants"].as_array().into_iter().flatten();
        variants.filter(|variant| variant["name"] == name).map(|variant| variant["effective_weight"].clone()).next()
    };
    assert_eq!((share("canary"), share("beta")), (Some(json!(10.0)), Some(json!(0.25))), "{rollout:#}");
    assert_eq!((share("stable"), &rollout["state"]), (Some(json!(89.75)), &json!("running")));
    for (told, status, says) in [
        (json!({"weight": 101.0}), "400", "between 0 and 100"),
        (json!({"weight": 0.001}), "400", "two decimals"),
        (json!({"weight": 1.0, "weights": {"beta": 1.0}}), "400", "either"),
        (json!({"weights": {"stable": 5.0}}), "400", "what the others leave"),
        (json!({"weights": {"gamma": 5.0}}), "400", "beta, canary, stable"),
        (json!({"weights": {"canary": 60.0, "beta": 60.0}}), "409", "more than 100 percent"),
        (json!({"wieght": 5.0}), "400", "wieght"),
    ] {
        let refused = set(&router, "demo", told.clone()).await.unwrap_err().to_string();
        assert!(refused.contains(status) && refused.contains(says), "{told}: {refused}");
    }
    assert!(order(&router, "other", "pause", nothing()).await.unwrap_err().to_string().contains("404"));
    assert!(refusal(&router, "demo", "stop", nothing()).await?.contains("advance"));
    assert!(refusal(&router, "demo", "pause", json!({"release": "v2"})).await?.contains("belongs to start"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_shows_a_page_and_says_what_to_type() -> Result<()> {
    let (router, _origin) = start(MANUAL).await?;
    let (status, told) = cli(&router, &["start", "demo", "--release", "v42", "--reason", "friday"]).await?;
    assert_eq!(status, 0, "{told}");
    assert!(told.starts_with("demo running, step 1 of 3: canary 5 %"), "{told}");
    becomes(&router, "demo", "is looked at", |rollout| rollout["waits_for"].is_string()).await;
    let (_, page) = cli(&router, &["status", "demo"]).await?;
    for part in ["demo  running  v42", "step 1 of 3", "*  1     canary 5 %", "until `advance`", "waits for", "friday"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let (_, list) = cli(&router, &["status"]).await?;
    assert!(list.contains("WAITS FOR") && list.contains("1 of 3"), "{list}");

    let (status, told) = cli(&router, &["abort", "demo", "--reason", "odd"]).await?;
    assert!(status == 0 && told.contains("sluice rollout resume demo"), "{told}");
    let (status, told) = cli(&router, &["set", "demo", "25"]).await?;
    assert!(status == 1 && told.contains("hint: `sluice rollout resume demo`"), "{told}");
    let (status, told) = cli(&router, &["resume", "demo", "--from-start"]).await?;
    assert!(status == 0 && told.contains("step 1 of 3"), "{told}");
    let (status, told) = cli(&router, &["set", "demo", "canary=5", "beta=0.5", "--json"]).await?;
    assert!(status == 0 && told.contains("\"effective_weight\": 0.5"), "{told}");
    let (_, told) = cli(&router, &["history", "demo"]).await?;
    for part in ["WHEN (UTC)", "admin at 127.0.0.1", "running, step 1, 5 %", "aborted", "odd"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let (status, told) = cli(&router, &["status", "other"]).await?;
    assert!(status == 1 && told.contains("no policy declares `other`"), "{told}");
    let (status, told) = cli(&router, &["set", "demo", "much"]).await?;
    assert!(status == 1 && told.contains("`much` is no weight"), "{told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_override_needs_a_key_and_a_field_and_serves_its_holder() -> Result<()> {
    let (router, _origin) = start("").await?;
    let wanted = json!({"variant": "canary", "for": "10m"});
    let refused = refusal(&router, "demo", "override", wanted.clone()).await?;
    assert!(refused.contains("409") && refused.contains("override_key"), "{refused}");

    let origin = Origin::start(200).await?;
    let address = origin.address.to_string();
    let setup = Setup::new(&policy(&address, &address, "override = [\"header:x-override\"]"), "embedded")?;
    std::fs::write(setup.path("override.key"), "0123456789abcdef0123456789abcdef\n")?;
    let config = std::fs::read_to_string(setup.path("sluice.toml"))?;
    std::fs::write(setup.path("sluice.toml"), config + "\n[rollouts]\noverride_key = { file = \"override.key\" }\n")?;
    let router = setup.start().await?;
    let signed = order(&router, "demo", "override", wanted).await?;
    let token = signed["token"].as_str().unwrap_or_default();
    assert!(token.starts_with("canary."), "{signed}");
    assert_eq!(signed["usage"][0], format!("curl -H 'x-override: {token}' URL"));
    let variant = async |token: &str| -> Result<Option<String>> {
        let request = client::http().get(&router.edge).header("x-user", "1").header("x-override", token);
        Ok(client::variant(&request.send().await?))
    };
    assert_eq!(variant(token).await?.as_deref(), Some("canary"), "at weight 0");
    assert_eq!(variant("canary.1.00000000000000000000000000000000").await?.as_deref(), Some("stable"));
    for (told, says) in [
        (json!({"variant": "gamma"}), "no variant `gamma`"),
        (json!({"variant": "canary", "for": "31"}), "unit"),
        (json!({"variant": "canary", "for": "721h"}), "30 days"),
        (nothing(), "which variant"),
    ] {
        let refused = refusal(&router, "demo", "override", told).await?;
        assert!(refused.contains("400") && refused.contains(says), "{says}: {refused}");
    }
    let (status, told) = cli(&router, &["override", "demo", "canary", "--for", "2h"]).await?;
    assert!(status == 0 && told.contains("curl -H 'x-override: canary."), "{told}");
    Ok(())
}
