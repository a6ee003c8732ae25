//! The engine and its server, as a client sees them.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{Cloud as _, CloudError, CreateDroplet, DigitalOcean, DropletId, contract};

fn request(method: &str, path: &str, body: &Value) -> Request {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    Request {
        method: method.into(),
        path: path.into(),
        query: pairs.map(|(name, value)| (name.into(), value.into())).collect(),
        token: Some("t".into()),
        base: "http://simulator".into(),
        body: body.to_string().into_bytes(),
        is_dangerous: false,
    }
}

fn call(simulator: &Simulator, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let answer = simulator.answer(&request(method, path, body)).answer;
    (answer.status, serde_json::from_str(&answer.body).unwrap_or_default())
}

fn droplet(name: &str) -> Value {
    json!({"name": name, "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64", "tags": ["a"]})
}

fn simulator(droplets_max: u64) -> Simulator {
    Simulator::new(&SimulatorSettings { droplets_max, ..SimulatorSettings::default() })
}

#[test]
fn a_droplet_is_new_active_off_and_gone_and_billed_throughout() {
    let simulator = simulator(2);
    let (status, made) = call(&simulator, "POST", "/v2/droplets", &droplet("one"));
    assert_eq!((status, made["droplet"]["status"].as_str()), (202, Some("new")));
    let path = format!("/v2/droplets/{}", made["droplet"]["id"]);
    simulator.advance(Duration::from_secs(61));
    assert_eq!(call(&simulator, "GET", &path, &Value::Null).1["droplet"]["status"], "active");
    assert_eq!(call(&simulator, "POST", &format!("{path}/actions"), &json!({"type": "power_off"})).0, 201);
    assert_eq!(call(&simulator, "POST", &format!("{path}/actions"), &json!({"type": "power_on"})).0, 422);
    simulator.advance(Duration::from_secs(16));
    assert_eq!(call(&simulator, "GET", &path, &Value::Null).1["droplet"]["status"], "off");
    let before = simulator.bill()["total_usd"].as_f64().unwrap();
    simulator.advance(Duration::from_secs(36_000));
    assert!(simulator.bill()["total_usd"].as_f64().unwrap() > before + 0.07);
    assert_eq!(call(&simulator, "DELETE", &path, &Value::Null).0, 204);
    assert_eq!(call(&simulator, "GET", &path, &Value::Null).0, 200);
    simulator.advance(Duration::from_secs(76));
    assert_eq!(call(&simulator, "GET", &path, &Value::Null).0, 404);
}

#[test]
fn the_account_is_full_at_its_limit_and_data_that_is_not_ascii_fails_later() {
    let simulator = simulator(2);
    let mut spoilt = droplet("one");
    spoilt["user_data"] = "🐈".into();
    let (_, made) = call(&simulator, "POST", "/v2/droplets", &spoilt);
    assert_eq!(call(&simulator, "POST", "/v2/droplets", &droplet("two")).0, 202);
    let (status, refused) = call(&simulator, "POST", "/v2/droplets", &droplet("three"));
    assert_eq!(status, 422);
    assert_eq!(refused["message"], "creating this/these droplet(s) will exceed your droplet limit");
    simulator.advance(Duration::from_secs(61));
    assert_eq!(call(&simulator, "GET", &format!("/v2/droplets/{}", made["droplet"]["id"]), &Value::Null).0, 404);
}

#[test]
fn tokens_have_the_rights_that_they_name() {
    let simulator = simulator(2);
    let with = |token: Option<&str>, method: &str, path: &str| {
        let request = Request { token: token.map(Into::into), ..request(method, path, &droplet("x")) };
        simulator.answer(&request).answer.status
    };
    assert_eq!(with(None, "GET", "/v2/account"), 401);
    assert_eq!(with(Some("scopes=droplet:read"), "GET", "/v2/droplets"), 200);
    assert_eq!(with(Some("scopes=droplet:read"), "POST", "/v2/droplets"), 403);
}

#[test]
fn ten_thousand_droplets_are_listed_once_each_in_pages() {
    const DROPLETS: u64 = 10_000;
    let simulator = simulator(DROPLETS);
    for call_number in 0..DROPLETS / 10 {
        let mut many = droplet("x");
        many["names"] = (0..10).map(|place| format!("d{call_number}-{place}")).collect::<Vec<_>>().into();
        many.as_object_mut().unwrap().remove("name");
        simulator.advance(Duration::from_secs(1));
        assert_eq!(call(&simulator, "POST", "/v2/droplets", &many).0, 202);
    }
    let mut ids = std::collections::BTreeSet::new();
    let mut next = Some("/v2/droplets?tag_name=a&per_page=200".to_owned());
    while let Some(path) = next {
        simulator.advance(Duration::from_secs(1));
        let (_, page) = call(&simulator, "GET", &path, &Value::Null);
        ids.extend(page["droplets"].as_array().unwrap().iter().map(|droplet| droplet["id"].as_u64().unwrap()));
        let address = page["links"]["pages"]["next"].as_str();
        next = address.map(|address| address.trim_start_matches("http://simulator").to_owned());
    }
    assert_eq!(ids.len(), 10_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_same_seed_and_calls_give_the_same_answers(seed: u64, steps in proptest::collection::vec(0..6_u8, 1..40)) {
        let run = || {
            let simulator = Simulator::new(&SimulatorSettings { seed, ..SimulatorSettings::default() });
            let faults = "[[fault]]\nkind = \"error-after\"\nprobability = 0.3\n";
            simulator.set_faults(FaultPlan::parse(faults).unwrap());
            let answers: Vec<Reply> = steps.iter().enumerate().map(|(number, step)| {
                simulator.advance(Duration::from_secs(u64::from(*step) * 7));
                let request = match step {
                    0 | 1 => request("POST", "/v2/droplets", &droplet(&format!("d{number}"))),
                    2 => request("GET", "/v2/droplets?per_page=3", &Value::Null),
                    3 => request("GET", "/v2/actions", &Value::Null),
                    4 => request("DELETE", "/v2/droplets?tag_name=a", &Value::Null),
                    _ => request("POST", "/v2/reserved_ips", &json!({"region": "fra1"})),
                };
                simulator.answer(&request)
            }).collect();
            (answers, simulator.state())
        };
        let (first, second) = (run(), run());
        prop_assert_eq!(&first, &second);
        let resumed = Simulator::resume(&first.1.to_string(), None).unwrap();
        prop_assert_eq!(resumed.state(), first.1);
    }
}

/// A server, and what ends it.
async fn served(simulator: &Simulator) -> (DigitalOcean, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (simulator, mut server) = (simulator.clone(), JoinSet::new());
    server.spawn(async move { serve(listener, simulator, CancellationToken::new()).await.unwrap() });
    (DigitalOcean::simulator(url, "t".into()).unwrap().answer_within(Duration::from_secs(2)), server)
}

fn wanted(name: &str) -> CreateDroplet {
    CreateDroplet {
        name: name.into(),
        region: "fra1".into(),
        size: "s-1vcpu-1gb".into(),
        image: "debian-13-x64".into(),
        ssh_keys: vec![],
        tags: vec!["sluice:test".into()],
        user_data: "#cloud-config\n{}".into(),
    }
}

fn fast() -> SimulatorSettings {
    SimulatorSettings { speed: Some(400.0), ..SimulatorSettings::default() }
}

#[tokio::test]
async fn the_contract_holds_through_the_client() {
    let (client, _server) = served(&Simulator::new(&fast())).await;
    contract::run(&client, wanted("c")).await.unwrap();
    contract::quota(&client, wanted("q")).await.unwrap();
}

#[tokio::test]
async fn a_droplet_that_was_made_behind_a_broken_answer_is_unclear_and_found_by_its_tag() {
    let simulator = Simulator::new(&fast());
    let (client, _server) = served(&simulator).await;
    let kinds = [FaultKind::ErrorAfter, FaultKind::TimeoutAfter, FaultKind::ResetMidBody];
    for (made, kind) in kinds.into_iter().enumerate() {
        simulator.set_faults(FaultPlan::once(kind));
        let end = client.create_droplet(&wanted(&format!("d{made}"))).await;
        assert!(matches!(end, Err(CloudError::Unclear { .. })), "{kind:?}: {end:?}");
        assert_eq!(client.droplets("sluice:test").await.unwrap().len(), made + 1);
    }
    simulator.set_faults(FaultPlan::once(FaultKind::Quota));
    assert!(matches!(client.create_droplet(&wanted("q")).await, Err(CloudError::Quota { .. })));
    simulator.set_faults(FaultPlan::once(FaultKind::TryAgain));
    assert!(matches!(client.create_droplet(&wanted("t")).await, Err(CloudError::Transient { .. })));
    assert_eq!(client.droplet(&DropletId("1".into())).await.unwrap(), None);
}

#[test]
fn the_reference_of_faults_is_that_of_the_code() {
    let page = include_str!("../../../../docs/infra-clouds.md");
    for (kind, word, route) in FaultKind::ALL {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{word}` |")));
        let row = row.unwrap_or_else(|| panic!("{kind:?} is not in docs/infra-clouds.md"));
        assert!(row.ends_with(&format!("| `{route}` |")), "{row}");
    }
}

/// The runtime's time stands still but while all wait: a boot of a minute costs nothing, and the simulator's time follows.
#[tokio::test(start_paused = true)]
async fn the_contract_holds_in_process() {
    let simulator = Simulator::new(&SimulatorSettings { speed: Some(1.0), ..SimulatorSettings::default() });
    let begin_ms = simulator.now_ms();
    contract::run(&simulator, wanted("c")).await.unwrap();
    contract::crowd(&simulator, wanted("m"), 20).await.unwrap();
    tokio::time::sleep(Duration::from_secs(120)).await;
    contract::quota(&simulator, wanted("q")).await.unwrap();
    assert!(simulator.now_ms() >= begin_ms + 18_000 + 120_000, "it took its time");
}

#[tokio::test(start_paused = true)]
async fn a_broken_delivery_is_unclear_in_process_too() {
    let simulator = Simulator::new(&SimulatorSettings { speed: Some(1.0), ..SimulatorSettings::default() });
    let kinds = [FaultKind::ErrorAfter, FaultKind::TimeoutAfter, FaultKind::ResetMidBody];
    for (made, kind) in kinds.into_iter().enumerate() {
        simulator.set_faults(FaultPlan::once(kind));
        let end = simulator.create_droplet(&wanted(&format!("d{made}"))).await;
        assert!(matches!(end, Err(CloudError::Unclear { .. })), "{kind:?}: {end:?}");
        simulator.set_faults(FaultPlan::once(FaultKind::TooManyRequests));
        assert_eq!(simulator.droplets("sluice:test").await.unwrap().len(), made + 1);
    }
}
