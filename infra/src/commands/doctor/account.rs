//! The account: who we are, what we may see, how many droplets we may have.

use sluice_infra_cloud::{Cloud, CloudError, DigitalOcean};
use sluice_infra_spec::Spec;

use super::report::Report;

/// The token, and the quota against the plan. False if the cloud does not answer, so that there is no use in asking more.
pub(super) async fn check(cloud: &dyn Cloud, spec: &Spec, report: &mut Report) -> bool {
    let account = match cloud.account().await {
        Ok(account) => account,
        Err(error) => {
            report.fail("cloud", format!("{}: {error}", cloud.name()), advice(&error));
            return !matches!(error, CloudError::Transient { .. } | CloudError::RateLimited { .. });
        }
    };
    report.ok("cloud", format!("{} answers as {}", cloud.name(), account.name));
    let (least, most) = droplets(spec);
    let limit = account.droplets_max;
    let text = format!("the fleet has {least} to {most} droplets, the account may have {limit}");
    let hint = "ask the cloud for a higher limit, or lower `count` or `scale.max`";
    if least > limit {
        report.fail("quota", text, hint);
    } else if most > limit {
        report.warn("quota", text, hint);
    } else {
        report.ok("quota", text);
    }
    true
}

/// Fewest and most droplets of the fleet.
fn droplets(spec: &Spec) -> (u32, u32) {
    let bounds = |pool: &sluice_infra_spec::Pool| {
        pool.scale.as_ref().map_or((pool.count, pool.count), |scale| (scale.min, scale.max))
    };
    spec.pools.iter().map(bounds).fold((0, 0), |(least, most), (min, max)| (least + min, most + max))
}

/// What only DigitalOcean has: the state of the account, and tokens that may do one thing and not another.
pub(super) async fn of_digitalocean(client: &DigitalOcean, report: &mut Report) {
    if let Ok(account) = client.account_state().await {
        if account.status == "active" || account.status.is_empty() {
            report.ok("account", "it is active");
        } else {
            let text = format!("it is `{}`: {}", account.status, account.status_message);
            report.warn("account", text, "look at the cloud's own pages: it may refuse new droplets");
        }
    }
    let scopes = [
        ("droplet:read", client.droplets("sluice").await.err()),
        ("firewall:read", client.firewalls("sluice").await.err()),
        ("tag:read", client.tags().await.err()),
        ("vpc:read", client.vpcs().await.err()),
    ];
    let refused: Vec<&str> = scopes
        .iter()
        .filter(|(_, error)| matches!(error, Some(CloudError::Unauthorized { .. })))
        .map(|(scope, _)| *scope)
        .collect();
    if refused.is_empty() {
        report.ok("token", "it may read all that is needed; whether it may write is seen by the first `apply`");
    } else {
        let hint = "make a token with full access, or with these scopes too";
        report.fail("token", format!("it lacks {}", refused.join(", ")), hint);
    }
    // Not every token may see what is owed, and none needs to.
    if let Ok(balance) = client.balance().await {
        report.ok("balance", format!("${} used this month", balance.month_to_date_usage));
    }
}

/// What to do about it.
pub(super) fn advice(error: &CloudError) -> &'static str {
    match error {
        CloudError::Unauthorized { .. } => {
            "make a new token, and set it where infra.toml says: see docs/infra.md, Secrets"
        }
        CloudError::Quota { .. } => "ask the cloud for a higher limit",
        CloudError::RateLimited { .. } => "wait; others with a token of this account count too",
        CloudError::Transient { .. } | CloudError::Unclear { .. } => {
            "look at the cloud's status page, and at the network here"
        }
        CloudError::Invalid { .. } | CloudError::Answer { .. } => "look at `[cloud] url`: is this the API?",
        CloudError::Machine { .. } => "put it right on this machine",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_document::Source;

    #[test]
    fn a_scaled_pool_counts_with_its_bounds() {
        let text = "[fleet]\nname = \"meow\"\n[pools.edge]\nroles = [\"router\", \"redis\"]\n";
        let source = Source { file: "infra.toml".to_owned(), text: text.to_owned() };
        let mut spec = sluice_infra_spec::parse(&source).unwrap();
        assert_eq!(droplets(&spec), (1, 1));
        spec.pools[0].count = 7;
        assert_eq!(droplets(&spec), (7, 7));
    }
}
