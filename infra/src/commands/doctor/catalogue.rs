//! What infra.toml names, against what the cloud has, and its price against the budget.

use sluice_infra_cloud::{Cloud, Size};
use sluice_infra_plan::plan::usd;
use sluice_infra_spec::Spec;

use super::account::advice;
use super::report::Report;

/// Region, image, sizes, budget.
pub(super) async fn check(cloud: &dyn Cloud, spec: &Spec, report: &mut Report) {
    match cloud.regions().await {
        Ok(regions) => {
            let open: Vec<&str> =
                regions.iter().filter(|region| region.available).map(|region| region.slug.as_str()).collect();
            named(report, "region", &spec.region, &open);
        }
        Err(error) => report.fail("region", error.to_string(), advice(&error)),
    }
    match cloud.images().await {
        Ok(images) => {
            let slugs: Vec<&str> = images.iter().map(|image| image.slug.as_str()).collect();
            named(report, "image", &spec.image, &slugs);
        }
        Err(error) => report.fail("image", error.to_string(), advice(&error)),
    }
    match cloud.sizes().await {
        Ok(all) => {
            sizes(report, spec, &all);
            budget(report, spec, &all);
        }
        Err(error) => report.fail("size", error.to_string(), advice(&error)),
    }
}

fn named(report: &mut Report, what: &'static str, wanted: &str, there: &[&str]) {
    /// More names than this help nobody.
    const SHOWN_MAX: usize = 12;
    if there.contains(&wanted) {
        report.ok(what, wanted);
        return;
    }
    let some: Vec<&str> = there.iter().take(SHOWN_MAX).copied().collect();
    report.fail(what, format!("the cloud has no `{wanted}`"), format!("it has {}", some.join(", ")));
}

fn sizes(report: &mut Report, spec: &Spec, all: &[Size]) {
    for pool in &spec.pools {
        let size = all.iter().find(|size| size.slug == pool.size);
        let there = size.is_some_and(|size| size.available && size.regions.contains(&spec.region));
        match size {
            Some(size) if there => {
                let price = usd(size.monthly_cents);
                report.ok("size", format!("{} for pool {}: {price} a month each", size.slug, pool.name));
            }
            Some(size) => {
                let text = format!("{} of pool {} is not to be had in {}", size.slug, pool.name, spec.region);
                report.fail("size", text, format!("it is in {}", size.regions.join(", ")));
            }
            None => {
                let text = format!("the cloud has no `{}`, which pool {} names", pool.size, pool.name);
                report.fail("size", text, "`sluice-infra plan` shows prices of those that it has");
            }
        }
    }
}

/// What the fleet costs at its smallest and at its largest.
fn budget(report: &mut Report, spec: &Spec, all: &[Size]) {
    let price = |slug: &str| all.iter().find(|size| size.slug == slug).map_or(0, |size| size.monthly_cents);
    let (mut least, mut most) = (0_u64, 0_u64);
    for pool in &spec.pools {
        let (min, max) = pool.scale.as_ref().map_or((pool.count, pool.count), |scale| (scale.min, scale.max));
        least += price(&pool.size) * u64::from(min);
        most += price(&pool.size) * u64::from(max);
    }
    let text = format!("the fleet costs {} to {} a month", usd(least), usd(most));
    match spec.monthly_cents_max {
        None => report.warn("budget", format!("{text}; there is no cap"), "set `[budget] monthly_usd_max`"),
        Some(cap) if least > cap => {
            let hint = "raise `[budget] monthly_usd_max`, or lower a count or size";
            report.fail("budget", format!("{text}; the cap is {}", usd(cap)), hint);
        }
        Some(cap) if most > cap => {
            let hint = "scaling stops at the cap; raise it if `scale.max` is meant";
            report.warn("budget", format!("{text}; the cap is {}", usd(cap)), hint);
        }
        Some(cap) => report.ok("budget", format!("{text}; the cap is {}", usd(cap))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_document::Source;

    fn size(slug: &str, region: &str) -> Size {
        Size {
            slug: slug.to_owned(),
            vcpus: 1,
            memory_mib: 1024,
            disk_gib: 25,
            monthly_cents: 600,
            hourly_usd: 0.009,
            available: true,
            regions: vec![region.to_owned()],
        }
    }

    #[test]
    fn sizes_and_budget_are_held_against_the_catalogue() {
        let text = "[fleet]\nname = \"meow\"\n[pools.edge]\nroles = [\"router\", \"redis\"]\n";
        let source = Source { file: "infra.toml".to_owned(), text: text.to_owned() };
        let mut spec = sluice_infra_spec::parse(&source).unwrap();
        let slug = spec.pools[0].size.clone();
        let state = |spec: &Spec, all: &[Size]| {
            let mut report = Report::default();
            sizes(&mut report, spec, all);
            budget(&mut report, spec, all);
            report.states().into_iter().map(|(state, _)| state).collect::<Vec<_>>()
        };
        let here = [size(&slug, &spec.region)];
        spec.monthly_cents_max = Some(600);
        assert_eq!(state(&spec, &here), ["ok", "ok"]);
        spec.monthly_cents_max = Some(599);
        assert_eq!(state(&spec, &here), ["ok", "fail"]);
        spec.monthly_cents_max = None;
        assert_eq!(state(&spec, &[size(&slug, "mars1")]), ["fail", "warn"]);
        assert_eq!(state(&spec, &[]), ["fail", "warn"]);
    }
}
