//! The simulator over HTTP, asked by our client through the recorder: it keeps the contract, and each of its answers is one
//! that the official document allows.

use std::time::Duration;

use sluice_infra_cloud::digitalocean::{
    ActionStatus, AutoscaleConfig, AutoscaleTemplate, AutoscaleWanted, ForwardingRule, LoadBalancerWanted, Metric,
};
use sluice_infra_cloud::simulator::{FaultPlan, Simulator, SimulatorSettings, serve};
use sluice_infra_cloud::{Cloud as _, CloudError, CreateDroplet, DigitalOcean, DropletId, DropletStatus, contract};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::document::Document;
use crate::recorder::Recorder;

/// How much faster simulated time runs: a boot of a minute takes a tenth of a second.
const SPEED: f64 = 600.0;
/// Short, since a test waits for it in vain.
const SOON: Duration = Duration::from_millis(500);

struct Scene {
    simulator: Simulator,
    recorder: Recorder,
    client: DigitalOcean,
    document: Document,
    _stop: DropGuard,
    _task: JoinSet<()>,
}

async fn scene(droplets_max: u64) -> Scene {
    let simulator =
        Simulator::new(&SimulatorSettings { droplets_max, speed: Some(SPEED), ..SimulatorSettings::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let recorder = Recorder::before(listener.local_addr().unwrap()).await;
    let stop = CancellationToken::new();
    let (served, stopped) = (simulator.clone(), stop.clone());
    let mut task = JoinSet::new();
    task.spawn(async move {
        let _end = serve(listener, served, stopped).await;
    });
    let client = DigitalOcean::simulator(recorder.url.clone(), "rehearsal".to_owned()).unwrap().entries_per_page(5);
    Scene { simulator, recorder, client, document: Document::official(), _stop: stop.drop_guard(), _task: task }
}

impl Scene {
    /// Every exchange so far is one that the document allows.
    fn is_faithful(&self) {
        assert!(!self.recorder.kept().is_empty());
        assert_eq!(self.recorder.faults(&self.document), [""; 0]);
    }

    fn fail(&self, plan: serde_json::Value) {
        self.simulator.set_faults(serde_json::from_value::<FaultPlan>(plan).unwrap());
    }
}

fn wanted() -> CreateDroplet {
    CreateDroplet {
        name: "fleet-app".into(),
        region: "fra1".into(),
        size: "s-1vcpu-1gb".into(),
        image: "debian-13-x64".into(),
        ssh_keys: Vec::new(),
        tags: vec!["sluice".into()],
        user_data: "#cloud-config\n{}\n".into(),
    }
}

#[tokio::test]
async fn it_keeps_the_contract() {
    let scene = scene(25).await;
    contract::run(&scene.client, wanted()).await.unwrap();
    scene.is_faithful();
}

#[tokio::test]
async fn it_pages() {
    let scene = scene(25).await;
    contract::crowd(&scene.client, wanted(), 12).await.unwrap();
    scene.is_faithful();
}

#[tokio::test]
async fn its_account_gets_full() {
    let scene = scene(3).await;
    contract::quota(&scene.client, wanted()).await.unwrap();
    scene.is_faithful();
}

#[tokio::test]
async fn a_create_that_fails_after_it_was_done_is_found_by_its_tag() {
    let scene = scene(25).await;
    for (number, kind) in ["error-after", "timeout-after", "reset-mid-body"].into_iter().enumerate() {
        scene.fail(serde_json::json!({ "fault": [{ "kind": kind, "route": "POST /v2/droplets", "nth": 1 }] }));
        let tag = format!("sluice:op:{number}");
        let client =
            DigitalOcean::simulator(scene.recorder.url.clone(), "rehearsal".to_owned()).unwrap().answer_within(SOON);
        let end = client.create_droplet(&CreateDroplet { tags: vec![tag.clone()], ..wanted() }).await;
        assert!(matches!(end, Err(CloudError::Unclear { .. })), "{kind}: {end:?}");
        assert_eq!(client.droplets(&tag).await.unwrap().len(), 1, "{kind}: it was made, and once");
    }
    scene.fail(serde_json::json!({ "fault": [{ "kind": "quota" }] }));
    let end = scene.client.create_droplet(&wanted()).await;
    assert!(matches!(end, Err(CloudError::Quota { .. })), "{end:?}");
    scene.fail(serde_json::json!({ "fault": [{ "kind": "try-again" }] }));
    let end = scene.client.create_droplet(&wanted()).await;
    assert!(matches!(end, Err(CloudError::Transient { .. })), "{end:?}");
    scene.is_faithful();
}

/// A droplet that is active.
async fn active(client: &DigitalOcean) -> DropletId {
    let id = client.create_droplet(&wanted()).await.unwrap().id;
    loop {
        let droplet = client.droplet(&id).await.unwrap().unwrap();
        if droplet.status == DropletStatus::Active {
            return id;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn everything_beside_droplets_is_there_too() {
    let scene = scene(25).await;
    let client = &scene.client;
    let id = active(client).await;
    let actions = client.droplet_actions(&id).await.unwrap();
    assert_eq!(client.action(actions[0].id).await.unwrap().unwrap().status, ActionStatus::Completed);
    assert_eq!(client.action(7).await.unwrap(), None);
    client.ensure_tag("pydo").await.unwrap();
    assert!(client.tags().await.unwrap().contains(&"pydo".to_owned()));
    client.delete_tag("pydo").await.unwrap();
    assert!(!client.vpcs().await.unwrap().is_empty());
    let address = client.reserve_ip("fra1").await.unwrap().ip;
    client.assign_ip(address, &id).await.unwrap();
    assert!(client.reserved_ips().await.unwrap().iter().any(|reserved| reserved.ip == address));
    client.release_ip(address).await.unwrap();
    let now_seconds = scene.simulator.now_ms() / 1000;
    for metric in [Metric::Cpu, Metric::Load1, Metric::MemoryTotal, Metric::MemoryAvailable] {
        client.metric(metric, &id, now_seconds - 600, now_seconds).await.unwrap();
    }
    client.delete_droplets("sluice").await.unwrap();
    client.balance().await.unwrap();
    assert_eq!(client.account_state().await.unwrap().status, "active");
    scene.is_faithful();
}

#[tokio::test]
async fn a_load_balancer_is_busy_for_a_while_and_a_pool_keeps_its_droplets() {
    let scene = scene(25).await;
    let client = &scene.client;
    let rule = ForwardingRule {
        entry_protocol: "http".into(),
        entry_port: 80,
        target_protocol: "http".into(),
        target_port: 8080,
    };
    let wanted = LoadBalancerWanted {
        name: "edge".into(),
        region: "fra1".into(),
        tag: "sluice".into(),
        forwarding_rules: vec![rule],
    };
    let balancer = client.create_load_balancer(&wanted).await.unwrap();
    let end = client.update_load_balancer(&balancer.id, &wanted).await;
    assert!(matches!(end, Ok(_) | Err(CloudError::Transient { .. })), "{end:?}");
    assert_eq!(client.load_balancers().await.unwrap().len(), 1);
    scene.simulator.advance(Duration::from_secs(600));
    client.update_load_balancer(&balancer.id, &wanted).await.unwrap();
    scene.simulator.advance(Duration::from_secs(600));
    client.delete_load_balancer(&balancer.id).await.unwrap();
    let template = AutoscaleTemplate {
        region: "fra1".into(),
        size: "s-1vcpu-1gb".into(),
        image: "debian-13-x64".into(),
        ssh_keys: Vec::new(),
        tags: vec!["pool".into()],
    };
    let config = AutoscaleConfig {
        min_instances: 1,
        max_instances: 3,
        target_cpu_utilization: Some(0.5),
        cooldown_minutes: Some(5),
    };
    let wanted = AutoscaleWanted { name: "pool".into(), config, droplet_template: template };
    let pool = client.create_autoscale_pool(&wanted).await.unwrap();
    assert_eq!(client.autoscale_pools().await.unwrap().len(), 1);
    client.delete_autoscale_pool(&pool.id).await.unwrap();
    scene.is_faithful();
}
