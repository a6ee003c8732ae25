//! Whose requests a router's metrics count: upstreams and routes of its policy, by app and variant.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use sluice_infra_host::{AppSeries, TrafficSource};
use sluice_policy::{Policy, Servers, Target};

/// What the router's metrics call the variant of a request for which none was chosen.
const NO_VARIANT: &str = "none";

/// What a router with this policy, which tells its metrics at `admin`, counts of each app and variant.
pub(crate) fn source(admin: SocketAddr, policy: &Policy) -> TrafficSource {
    let mut apps = BTreeMap::<(&String, &String), AppSeries>::new();
    for (index, upstream) in policy.upstreams.iter().enumerate() {
        let Servers::Discover { app, variant } = &upstream.servers else { continue };
        let series = apps.entry((app, variant)).or_insert_with(|| AppSeries {
            app: app.clone(),
            variant: variant.clone(),
            upstreams: Vec::new(),
            routes: Vec::new(),
        });
        series.upstreams.push(upstream.name.clone());
        series.routes.extend(routes_to(policy, index));
    }
    let mut apps: Vec<AppSeries> = apps.into_values().collect();
    for series in &mut apps {
        series.routes.sort();
        series.routes.dedup();
    }
    TrafficSource { admin, apps }
}

/// Routes with the variants whose requests go to an upstream. Where weights choose among several, each of them is such.
fn routes_to(policy: &Policy, upstream: usize) -> impl Iterator<Item = (String, String)> + '_ {
    policy.routes.iter().flat_map(move |route| {
        let weighted = match &route.target {
            Target::Upstreams(weighted) => weighted.as_slice(),
            Target::Redirect | Target::Builtin(_) => &[],
        };
        let by_weight = weighted.iter().any(|to| to.upstream == upstream && to.weight > 0).then_some(NO_VARIANT);
        let variants = route.rollout.iter().flat_map(|rollout| &policy.rollouts[*rollout].variants);
        let by_rollout = variants.filter(move |(_, to)| *to == upstream).map(|(variant, _)| variant.as_str());
        by_weight.into_iter().chain(by_rollout).map(|variant| (route.name.clone(), variant.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use sluice_policy::Source;

    use super::*;

    const POLICY: &str = r#"
[upstreams.stable]
discover = { app = "meow", variant = "stable" }

[upstreams.canary]
discover = { app = "meow", variant = "canary" }

[upstreams.old]
servers = ["127.0.0.1:1"]

[rollouts.meow]
key = ["client-address"]
stable = "stable"
canary = "canary"
variants = { stable = "stable", canary = "canary" }
initial = 25.0

[[routes]]
name = "old"
match = { path = { prefix = "/old" } }
to = "old"

[[routes]]
name = "app"
rollout = "meow"
to = "stable"
"#;

    #[test]
    fn requests_belong_to_the_app_and_variant_that_they_are_sent_to() {
        let source_text = Source { file: "app.toml".into(), text: POLICY.into() };
        let policy = sluice_policy::parse(&[source_text]).unwrap_or_else(|faults| panic!("{faults}"));
        let found = source("127.0.0.1:9900".parse().unwrap(), &policy);
        let series = |variant: &str, routes: &[&str]| AppSeries {
            app: "meow".into(),
            variant: variant.into(),
            upstreams: vec![variant.into()],
            routes: routes.iter().map(|variant| ("app".to_owned(), (*variant).to_owned())).collect(),
        };
        assert_eq!(found.apps, [series("canary", &["canary"]), series("stable", &["none", "stable"])]);
    }
}
