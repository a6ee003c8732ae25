//! Account, sizes, regions and images.

use super::trial::{Broken, Trial, broken, failed, promised};

/// The catalogue has what the suite wants, and says what it costs.
pub(super) async fn what_is_wanted_can_be_had(trial: &Trial<'_>) -> Result<(), Broken> {
    const CLAUSE: &str = "what is wanted can be had, at a price";
    let wanted = trial.wanted("catalogue");
    let account = trial.cloud.account().await.map_err(failed(CLAUSE))?;
    promised(account.droplets_max > 0, CLAUSE, || format!("the account may have no droplets: {account:?}"))?;
    let sizes = trial.cloud.sizes().await.map_err(failed(CLAUSE))?;
    for size in &sizes {
        let priced = size.monthly_cents > 0 && size.hourly_usd > 0.0 && size.hourly_usd.is_finite();
        promised(priced, CLAUSE, || format!("size {} has no price", size.slug))?;
        promised(size.vcpus > 0 && size.memory_mib > 0, CLAUSE, || format!("size {} is empty", size.slug))?;
    }
    let size = sizes.iter().find(|size| size.slug == wanted.size);
    let size = size.ok_or_else(|| broken(CLAUSE, format!("no size {}", wanted.size)))?;
    let there = size.available && size.regions.contains(&wanted.region);
    promised(there, CLAUSE, || format!("size {} is not to be had in {}", wanted.size, wanted.region))?;
    let regions = trial.cloud.regions().await.map_err(failed(CLAUSE))?;
    let region = regions.iter().any(|region| region.slug == wanted.region && region.available);
    promised(region, CLAUSE, || format!("no region {}", wanted.region))?;
    let images = trial.cloud.images().await.map_err(failed(CLAUSE))?;
    promised(images.iter().any(|image| image.slug == wanted.image), CLAUSE, || format!("no image {}", wanted.image))
}
