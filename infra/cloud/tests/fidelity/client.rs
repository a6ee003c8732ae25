//! Every call of the client, answered with the example that the official document has for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, Response};
use serde_json::{Value, json};
use sluice_infra_cloud::digitalocean::{
    AutoscaleConfig, AutoscaleTemplate, AutoscaleWanted, ForwardingRule, LoadBalancerWanted, Metric,
};
use sluice_infra_cloud::{
    Cloud as _, CloudError, CreateDroplet, DigitalOcean, DropletId, DropletStatus, Firewall, FirewallRule, Protocol,
    Source,
};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::document::Document;
use crate::recorder::Recorder;
use crate::samples::sample;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPl6xUqxo1EOBFZHGMHXZUmjlwcQLvo5IJZQWfFBv0Yf me";
/// The pinned part of the document leaves it out.
const BALANCE: &str = "/v2/customers/my/balance";

/// Answers as the document's examples do; each listing has one page.
async fn example(State(document): State<Arc<Document>>, request: Request) -> Response<Body> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let operation = document.operation(&method, &path).map(|(_, operation)| operation).unwrap_or_default();
    let status = document.statuses(&operation).into_iter().find(|status| status.starts_with('2'));
    let (schema, examples) = document.examples(&operation, status.as_deref().unwrap_or_default());
    // A creation has examples of one droplet and of many.
    let one = examples.iter().find(|example| example.get("droplet").is_some()).or_else(|| examples.first()).cloned();
    let mut body = one.or_else(|| document.at(&schema).map(|_| sample(&document, &schema)));
    if path == BALANCE {
        body = Some(json!({"month_to_date_usage": "23.44", "account_balance": "-12.23"}));
    }
    if let Some(links) = body.as_mut().and_then(|body| body.get_mut("links")).filter(|_| method == Method::GET) {
        *links = json!({});
    }
    let status: u16 = status.and_then(|status| status.parse().ok()).unwrap_or(200);
    let body = body.filter(|_| status != 204).map_or_else(String::new, |body: Value| body.to_string());
    let mut response = Response::builder().status(status).header("content-type", "application/json");
    for (name, value) in [("limit", "5000"), ("remaining", "4000"), ("reset", "4000000000")] {
        response = response.header(format!("ratelimit-{name}"), value);
    }
    response.body(Body::from(body)).unwrap()
}

#[tokio::test]
async fn every_request_is_in_the_document_and_its_examples_are_understood() {
    let document = Arc::new(Document::official());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let recorder = Recorder::before(listener.local_addr().unwrap()).await;
    let app = Router::new().fallback(example).with_state(Arc::clone(&document));
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, app).await.unwrap() });

    let client = DigitalOcean::simulator(recorder.url.clone(), "t".to_owned()).unwrap();
    droplets(&client).await.unwrap();
    everything_else(&client).await.unwrap();

    assert_eq!(recorder.faults(&document), [""; 0]);
    let kept = recorder.kept();
    let calls: BTreeSet<_> = kept
        .iter()
        .filter_map(|exchange| document.operation(&exchange.method, &exchange.path).map(|(_, operation)| operation))
        .collect();
    assert_eq!(calls.len(), 37, "{calls:#?}");
}

async fn droplets(client: &DigitalOcean) -> Result<(), CloudError> {
    let wanted = CreateDroplet {
        name: "fleet-app-abc234".into(),
        region: "fra1".into(),
        size: "s-1vcpu-1gb".into(),
        image: "debian-13-x64".into(),
        ssh_keys: vec!["512189".into(), "3b:16:e4".into()],
        tags: vec!["sluice:fleet:op:1".into()],
        user_data: "#cloud-config\n{}".into(),
    };
    assert_eq!(client.create_droplet(&wanted).await?.status, DropletStatus::New);
    let id = DropletId("3164444".into());
    let droplet = client.droplet(&id).await?.unwrap();
    assert_eq!((&droplet.id, droplet.created_ms), (&id, 1_595_356_664_000));
    assert!(droplet.public_address.is_some() && droplet.private_address.is_some() && droplet.image.is_some());
    assert!(!client.droplets("web").await?.is_empty());
    assert!(!client.droplet_actions(&id).await?.is_empty());
    client.action(36_804_636).await?.unwrap();
    client.delete_droplet(&id).await?;
    client.delete_droplets("web").await?;
    assert!(!client.metric(Metric::Cpu, &id, 1, 2).await?.is_empty());
    for metric in [Metric::Load1, Metric::MemoryTotal, Metric::MemoryAvailable] {
        client.metric(metric, &id, 1, 2).await?;
    }
    let wanted = AutoscaleWanted {
        name: "pool".into(),
        config: AutoscaleConfig {
            min_instances: 1,
            max_instances: 5,
            target_cpu_utilization: Some(0.5),
            cooldown_minutes: Some(10),
        },
        droplet_template: AutoscaleTemplate {
            region: "fra1".into(),
            size: "s-1vcpu-1gb".into(),
            image: "debian-13-x64".into(),
            ssh_keys: vec!["512189".into()],
            tags: vec!["sluice".into()],
        },
    };
    let pool = client.create_autoscale_pool(&wanted).await?;
    assert!(client.autoscale_pools().await?.iter().any(|listed| listed.config.max_instances > 0));
    client.delete_autoscale_pool(&pool.id).await
}

async fn everything_else(client: &DigitalOcean) -> Result<(), CloudError> {
    assert_eq!(client.account().await?.droplets_max, 25);
    assert_eq!(client.balance().await?.account_balance, "-12.23");
    assert!(client.sizes().await?.iter().all(|size| size.monthly_cents > 0));
    assert!(!client.regions().await?.is_empty());
    assert!(!client.images().await?.is_empty());
    assert_eq!(client.ensure_ssh_key("me", KEY).await?, "512189");
    client.delete_ssh_key("512189").await?;

    let firewall = Firewall {
        id: String::new(),
        name: "fleet-app".into(),
        tags: vec!["sluice:fleet:pool:app".into()],
        inbound: vec![
            FirewallRule { protocol: Protocol::Tcp, ports: (22, 22), sources: vec![Source::Range("0.0.0.0/0".into())] },
            FirewallRule { protocol: Protocol::Udp, ports: (1, 9), sources: vec![Source::Tag("sluice".into())] },
        ],
    };
    client.put_firewall(&firewall).await?;
    client.put_firewall(&Firewall { name: "firewall".into(), ..firewall }).await?;
    assert_eq!(client.firewalls("firewall").await?.len(), 1);
    client.delete_firewall("bb4b2611-3d72-467b-8602-280330ecd65c").await?;
    assert_eq!(client.tags().await?, ["extra-awesome"]);
    client.delete_tag("sluice").await?;

    assert!(!client.vpcs().await?.is_empty());
    let address = "45.55.96.47".parse().unwrap();
    assert!(!client.reserved_ips().await?.is_empty());
    client.reserve_ip("nyc3").await?;
    client.assign_ip(address, &DropletId("8219222".into())).await?;
    client.release_ip(address).await?;
    let wanted = LoadBalancerWanted {
        name: "edge".into(),
        region: "fra1".into(),
        tag: "sluice".into(),
        forwarding_rules: vec![ForwardingRule {
            entry_protocol: "http".into(),
            entry_port: 80,
            target_protocol: "http".into(),
            target_port: 8080,
        }],
    };
    let balancer = client.create_load_balancer(&wanted).await?;
    client.update_load_balancer(&balancer.id, &wanted).await?;
    assert!(!client.load_balancers().await?.is_empty());
    client.delete_load_balancer(&balancer.id).await
}
