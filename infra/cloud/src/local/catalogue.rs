//! What a local cloud offers: the slugs of DigitalOcean, so that one `infra.toml` fits both. Prices are what the same slug
//! costs there, so that cost and budget can be tried; nothing here costs anything, and all regions are this machine.

use crate::prices::{self, SizeEntry};
use crate::types::{Image, Region, Size};

/// Slugs of regions.
const REGIONS: [&str; 11] = ["local", "fra1", "ams3", "lon1", "nyc1", "nyc3", "sfo3", "tor1", "sgp1", "blr1", "syd1"];
/// Slugs of images.
const IMAGES: [&str; 5] = ["local", "debian-13-x64", "debian-12-x64", "ubuntu-24-04-x64", "ubuntu-22-04-x64"];

pub(super) fn sizes() -> Vec<Size> {
    let size = |size: SizeEntry| Size {
        slug: size.slug.to_owned(),
        vcpus: size.vcpus,
        memory_mib: size.memory_mib,
        disk_gib: size.disk_gib,
        monthly_cents: size.monthly_cents.into(),
        hourly_usd: size.hourly_usd(),
        available: true,
        regions: REGIONS.map(ToOwned::to_owned).to_vec(),
    };
    prices::sizes().map(size).collect()
}

pub(super) fn regions() -> Vec<Region> {
    let region = |slug: &str| Region { slug: slug.to_owned(), name: "this machine".to_owned(), available: true };
    REGIONS.map(region).to_vec()
}

pub(super) fn images() -> Vec<Image> {
    let image = |slug: &str| Image { slug: slug.to_owned(), name: "the system of this machine".to_owned() };
    IMAGES.map(image).to_vec()
}
