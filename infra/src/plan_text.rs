//! A plan as people read it: what comes, what changes field by field, what goes; what it costs; what may hurt.

use std::fmt::Write as _;

use sluice_infra_plan::plan::{Order, Plan, Reason, Risk, RiskKind, Step, usd};
use sluice_infra_spec::Spec;

use crate::print::Paint;

/// The whole plan.
pub(crate) fn render(spec: &Spec, cloud: &str, plan: &Plan, paint: Paint) -> String {
    let mut text = format!("{} on {cloud}, {}\n\n", paint.bold(&format!("Fleet {}", plan.fleet)), spec.region);
    let mut step = 0;
    while step < plan.steps.len() {
        // Equal steps stand once, with their number.
        let same = plan.steps[step..].iter().take_while(|other| **other == plan.steps[step]).count();
        render_step(&plan.steps[step], same, paint, &mut text);
        step += same;
    }
    let firewalls = spec
        .pools
        .len()
        .saturating_sub(plan.steps.iter().filter(|step| matches!(step, Step::PutFirewall { .. })).count());
    let stay =
        format!("= {} and {} stay as they are", count(plan.keeps.len(), "droplet"), count(firewalls, "firewall"));
    line(&mut text, &paint.faint(&format!("  {stay}")));
    for keep in plan.keeps.iter().filter(|keep| keep.waiting) {
        line(&mut text, &format!("  {} is on its way: apply waits for it", keep.name));
    }
    render_risks(&plan.risks, paint, &mut text);
    line(&mut text, "");
    line(&mut text, &paint.bold(&summary(plan)));
    line(&mut text, &price(plan));
    for refusal in &plan.refusals {
        line(&mut text, &paint.red(&format!("REFUSED: {refusal}")));
    }
    text
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// `1 droplet`, `2 droplets`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn render_step(step: &Step, same: usize, paint: Paint, text: &mut String) {
    let times = u64::try_from(same).unwrap_or(u64::MAX);
    match step {
        Step::Create { wanted, monthly_cents } => {
            let what = format!("  + {:<24} {} {} {}", wanted.pool, count(same, "droplet"), wanted.size, wanted.image);
            line(text, &paint.green(&priced(&what, i128::from(monthly_cents * times))));
        }
        Step::Replace { name, changes, order, monthly_cents_before, monthly_cents, .. } => {
            let order = match order {
                Order::CreateFirst => "the new one first",
                Order::DeleteFirst => "the old one first",
            };
            let what = format!("  ~ {name:<24} is replaced, {order}");
            let delta = i128::from(*monthly_cents) - i128::from(*monthly_cents_before);
            line(text, &paint.yellow(&priced(&what, delta)));
            for change in changes {
                let (field, old, new) = (change.field.to_string(), &change.old, &change.new);
                let old = if old.is_empty() { "(missing)" } else { old };
                line(text, &format!("      {field:<10} {} -> {}", paint.red(old), paint.green(new)));
            }
        }
        Step::Delete { name, reason, monthly_cents, .. } => {
            let reason = match reason {
                Reason::Surplus => "its pool has more than it should",
                Reason::PoolGone => "its pool is no longer in the file",
                Reason::Superseded => "its replacement stands already",
                Reason::Duplicate => "another one came from the same operation",
            };
            let what = format!("  - {name:<24} {reason}");
            line(text, &paint.red(&priced(&what, -i128::from(*monthly_cents))));
        }
        Step::PutFirewall { firewall, new, added, removed } => {
            let mark = if *new { paint.green("  + firewall") } else { paint.yellow("  ~ firewall") };
            line(text, &format!("{mark} {}", firewall.name));
            for rule in removed {
                line(text, &format!("      {}", paint.red(&format!("- {rule}"))));
            }
            for rule in added {
                line(text, &format!("      {}", paint.green(&format!("+ {rule}"))));
            }
        }
        Step::DeleteFirewall { name, .. } => line(text, &paint.red(&format!("  - firewall {name}"))),
    }
}

fn render_risks(risks: &[Risk], paint: Paint, text: &mut String) {
    if !risks.is_empty() {
        line(text, "");
    }
    for risk in risks {
        let (word, grave) = match risk.kind {
            RiskKind::DataLoss => ("data loss", true),
            RiskKind::Downtime => ("downtime", true),
            RiskKind::OverBudget => ("budget", true),
            RiskKind::Replace => ("replaced", false),
            RiskKind::UnknownPrice => ("price", false),
            RiskKind::Unknown => ("unknown", false),
            RiskKind::FirewallNotEnforced => ("firewalls", false),
        };
        let mark = format!("  ! {word:<10}");
        let mark = if grave { paint.red(&mark) } else { paint.yellow(&mark) };
        line(text, &format!("{mark} {}: {}", risk.subject, risk.text));
    }
}

/// `2 to create, 1 to replace`, or that there is nothing.
pub(crate) fn summary(plan: &Plan) -> String {
    let counts = plan.counts();
    let droplets = [(counts.creates, "to create"), (counts.replaces, "to replace"), (counts.deletes, "to delete")];
    let mut said: Vec<String> =
        droplets.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect();
    if counts.firewalls > 0 {
        said.push(format!("{} to change", count(counts.firewalls, "firewall")));
    }
    if said.is_empty() {
        "No changes: the fleet is as wanted.".to_owned()
    } else {
        format!("Plan: {}.", said.join(", "))
    }
}

fn price(plan: &Plan) -> String {
    let price = plan.price;
    let delta = i128::from(price.then_cents) - i128::from(price.now_cents);
    let mut text = if delta == 0 {
        format!("Costs {} a month", usd(price.now_cents))
    } else {
        format!("Costs {} -> {} a month ({})", usd(price.now_cents), usd(price.then_cents), signed(delta))
    };
    if price.at_max_cents > price.then_cents {
        // Writing to a String cannot fail.
        let _written = write!(text, ", {} with every scaled pool at its largest", usd(price.at_max_cents));
    }
    match price.budget_cents {
        Some(budget) => text + &format!("; the budget is {}.", usd(budget)),
        None => text + "; no budget is set.",
    }
}

/// A line with what it adds to the price of a month, in a column of its own.
fn priced(what: &str, cents: i128) -> String {
    format!("{what:<64} {:>9}", signed(cents))
}

/// A difference with its sign: `+$6.00`.
fn signed(cents: i128) -> String {
    let amount = usd(u64::try_from(cents.unsigned_abs()).unwrap_or(u64::MAX));
    match cents {
        0 => "$0.00".to_owned(),
        1.. => format!("+{amount}"),
        _ => format!("-{amount}"),
    }
}

#[cfg(test)]
mod tests {
    use sluice_document::Source;
    use sluice_infra_cloud::{Droplet, DropletId, DropletStatus, Size};
    use sluice_infra_plan::plan::UserData;
    use sluice_infra_plan::{Observed, Seen, plan};

    use super::*;

    const SPEC: &str = "[fleet]\nname = \"cats\"\n[budget]\nmonthly_usd_max = 30\n\
                        [pools.edge]\nroles = [\"router\", \"redis\"]\nsize = \"s-1vcpu-2gb\"\n";

    fn size(slug: &str, monthly_cents: u64) -> Size {
        let (vcpus, memory_mib, disk_gib, hourly_usd, available) = (1, 1024, 25, 0.01, true);
        let (slug, regions) = (slug.to_owned(), vec!["fra1".to_owned()]);
        Size { slug, vcpus, memory_mib, disk_gib, monthly_cents, hourly_usd, available, regions }
    }

    #[test]
    fn a_plan_says_what_changes_what_it_costs_and_what_hurts() {
        let spec = sluice_infra_spec::parse(&Source { file: "infra.toml".to_owned(), text: SPEC.to_owned() }).unwrap();
        let tags =
            ["sluice", "sluice:cats", "sluice:cats:pool:edge", "sluice:cats:role:router", "sluice:cats:role:redis"];
        let droplet = Droplet {
            id: DropletId("7".to_owned()),
            name: "cats-edge-abc234".to_owned(),
            status: DropletStatus::Active,
            region: spec.region.clone(),
            size: "s-1vcpu-1gb".to_owned(),
            image: None,
            tags: tags.map(ToOwned::to_owned).to_vec(),
            public_address: None,
            private_address: None,
            created_ms: 0,
        };
        let observed = Observed { droplets: vec![Seen::new("cats", droplet)], ..Observed::default() };
        let sizes = [size("s-1vcpu-1gb", 600), size("s-1vcpu-2gb", 1200)];
        let plan = plan(&spec, &UserData::new(), &observed, &sizes);
        let text = render(&spec, "digitalocean", &plan, Paint::none());
        for line in [
            "Fleet cats on digitalocean, fra1",
            "  + firewall cats-edge",
            "      + tcp 6379 from sluice:cats",
            "  ~ cats-edge-abc234         is replaced, the old one first         +$6.00",
            "      size       s-1vcpu-1gb -> s-1vcpu-2gb",
            "  ! data loss  cats-edge-abc234: Redis goes with it: flags, rollouts and what apps keep there are lost",
            "Plan: 1 to replace, 1 firewall to change.",
            "Costs $6.00 -> $12.00 a month (+$6.00); the budget is $30.00.",
        ] {
            assert!(text.lines().any(|found| found == line), "no `{line}` in\n{text}");
        }
    }

    #[test]
    fn differences_have_their_sign() {
        assert_eq!([signed(0), signed(600), signed(-1)], ["$0.00", "+$6.00", "-$0.01"]);
    }
}
