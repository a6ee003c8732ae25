//! What a local cloud offers: the slugs of DigitalOcean, so that one `infra.toml` fits both. Prices are what the same slug
//! costs there, so that cost and budget can be tried; nothing here costs anything, and all regions are this machine.

use crate::types::{Image, Region, Size};

/// Slug, cores, MiB, GiB, US cents a month, US dollars an hour: prices of 2026.
const SIZES: [(&str, u32, u32, u32, u64, f64); 9] = [
    ("s-1vcpu-512mb-10gb", 1, 512, 10, 400, 0.00595),
    ("s-1vcpu-1gb", 1, 1024, 25, 600, 0.00893),
    ("s-1vcpu-2gb", 1, 2048, 50, 1200, 0.01786),
    ("s-2vcpu-2gb", 2, 2048, 60, 1800, 0.02679),
    ("s-2vcpu-4gb", 2, 4096, 80, 2400, 0.03571),
    ("s-4vcpu-8gb", 4, 8192, 160, 4800, 0.07143),
    ("s-8vcpu-16gb", 8, 16384, 320, 9600, 0.14286),
    ("c-2", 2, 4096, 25, 4200, 0.0625),
    ("c-4", 4, 8192, 50, 8400, 0.125),
];
/// Slugs of regions.
const REGIONS: [&str; 11] = ["local", "fra1", "ams3", "lon1", "nyc1", "nyc3", "sfo3", "tor1", "sgp1", "blr1", "syd1"];
/// Slugs of images.
const IMAGES: [&str; 5] = ["local", "debian-13-x64", "debian-12-x64", "ubuntu-24-04-x64", "ubuntu-22-04-x64"];

pub(super) fn sizes() -> Vec<Size> {
    let size =
        |&(slug, vcpus, memory_mib, disk_gib, monthly_cents, hourly_usd): &(&str, u32, u32, u32, u64, f64)| Size {
            slug: slug.to_owned(),
            vcpus,
            memory_mib,
            disk_gib,
            monthly_cents,
            hourly_usd,
            available: true,
            regions: REGIONS.map(ToOwned::to_owned).to_vec(),
        };
    SIZES.iter().map(size).collect()
}

pub(super) fn regions() -> Vec<Region> {
    let region = |slug: &str| Region { slug: slug.to_owned(), name: "this machine".to_owned(), available: true };
    REGIONS.map(region).to_vec()
}

pub(super) fn images() -> Vec<Image> {
    let image = |slug: &str| Image { slug: slug.to_owned(), name: "the system of this machine".to_owned() };
    IMAGES.map(image).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds of a month as DigitalOcean bills it: 672 hours (docs, "Billing for Droplets").
    const HOURS_OF_A_MONTH: f64 = 672.0;

    #[test]
    fn the_prices_of_an_hour_and_of_a_month_agree() {
        for size in sizes() {
            let month_usd = size.hourly_usd * HOURS_OF_A_MONTH;
            let given_usd = f64::from(u32::try_from(size.monthly_cents).unwrap()) / 100.0;
            assert!((month_usd - given_usd).abs() < 0.01, "{}: {month_usd} and {given_usd}", size.slug);
        }
    }
}
