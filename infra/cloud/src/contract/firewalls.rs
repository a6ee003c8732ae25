//! Firewalls.

use crate::types::{Firewall, FirewallRule, Protocol, Source};

use super::trial::{Broken, Trial, broken, failed, promised};

/// A firewall is listed as it was put last, once, and ends when it is deleted.
pub(super) async fn a_firewall_is_kept_as_put(trial: &Trial<'_>) -> Result<(), Broken> {
    const CLAUSE: &str = "a firewall is kept as it was put";
    let (cloud, prefix) = (trial.cloud, trial.firewall_prefix());
    let name = format!("{prefix}one");
    let first = wanted(&name, &[trial.tag()], vec![rule(22, 22, &[Source::Range("0.0.0.0/0".into())])]);
    let made = cloud.put_firewall(&first).await.map_err(failed(CLAUSE))?;
    promised(!made.id.is_empty(), CLAUSE, || "its id is empty".to_owned())?;
    same(trial, &first, &made.id).await?;

    let from = [Source::Tag(trial.tag()), Source::Range("10.0.0.0/8".into()), Source::Range("::/0".into())];
    let mut rules = vec![rule(8000, 8015, &from), rule(22, 22, &from[1..])];
    rules.push(FirewallRule { protocol: Protocol::Udp, ports: (1, u16::MAX), sources: from[..1].to_vec() });
    let second = wanted(&name, &[trial.tag(), trial.own_tag("firewall")], rules);
    let replaced = cloud.put_firewall(&second).await.map_err(failed(CLAUSE))?;
    promised(replaced.id == made.id, CLAUSE, || format!("{} was replaced by {}", made.id, replaced.id))?;
    same(trial, &second, &made.id).await?;

    let others = cloud.firewalls(&format!("{prefix}other")).await.map_err(failed(CLAUSE))?;
    promised(others.is_empty(), CLAUSE, || format!("another prefix lists {others:?}"))?;
    for _ in 0..2 {
        cloud.delete_firewall(&made.id).await.map_err(failed("deleting a firewall twice is fine"))?;
    }
    let left = cloud.firewalls(&prefix).await.map_err(failed(CLAUSE))?;
    promised(left.is_empty(), CLAUSE, || format!("it was deleted and is {left:?}"))
}

/// The listing has it once, with this id and these rules.
async fn same(trial: &Trial<'_>, wanted: &Firewall, id: &str) -> Result<(), Broken> {
    const CLAUSE: &str = "a firewall is listed as it was put";
    let listed = trial.cloud.firewalls(&trial.firewall_prefix()).await.map_err(failed(CLAUSE))?;
    let [found] = listed.as_slice() else {
        return Err(broken(CLAUSE, format!("listed are {listed:?}")));
    };
    let wanted = in_order(Firewall { id: id.to_owned(), ..wanted.clone() });
    let found = in_order(found.clone());
    promised(found == wanted, CLAUSE, || format!("put was {wanted:?}, listed is {found:?}"))
}

/// The order of tags, rules and sources means nothing.
fn in_order(mut firewall: Firewall) -> Firewall {
    for rule in &mut firewall.inbound {
        rule.sources.sort();
    }
    firewall.inbound.sort();
    firewall.tags.sort();
    firewall
}

fn wanted(name: &str, tags: &[String], inbound: Vec<FirewallRule>) -> Firewall {
    Firewall { id: String::new(), name: name.to_owned(), tags: tags.to_vec(), inbound }
}

fn rule(first: u16, last: u16, sources: &[Source]) -> FirewallRule {
    FirewallRule { protocol: Protocol::Tcp, ports: (first, last), sources: sources.to_vec() }
}
