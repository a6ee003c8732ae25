//! What can be had: real slugs and prices of DigitalOcean, as of 2026.
//!
//! Prices of an hour are a month's by 672 hours (docs, "Billing for Droplets").

use std::sync::LazyLock;

use serde_json::{Value, json};

/// A size: slug, description, cores, MiB, GiB, TiB of transfer a month, US cents a month.
pub(super) struct SizeEntry(&'static str, &'static str, u32, u32, u32, f64, u32);

/// Hours of a month as DigitalOcean bills it.
const HOURS_OF_A_MONTH: f64 = 672.0;
/// Prices of an hour have five digits.
const HOURLY_STEPS: f64 = 100_000.0;

const SIZES: [SizeEntry; 31] = [
    SizeEntry("s-1vcpu-512mb-10gb", "Basic", 1, 512, 10, 0.5, 400),
    SizeEntry("s-1vcpu-1gb", "Basic", 1, 1_024, 25, 1.0, 600),
    SizeEntry("s-1vcpu-1gb-amd", "Basic AMD", 1, 1_024, 25, 1.0, 700),
    SizeEntry("s-1vcpu-1gb-intel", "Basic Intel", 1, 1_024, 25, 1.0, 700),
    SizeEntry("s-1vcpu-2gb", "Basic", 1, 2_048, 50, 2.0, 1_200),
    SizeEntry("s-1vcpu-2gb-amd", "Basic AMD", 1, 2_048, 50, 2.0, 1_400),
    SizeEntry("s-1vcpu-2gb-intel", "Basic Intel", 1, 2_048, 50, 2.0, 1_400),
    SizeEntry("s-2vcpu-2gb", "Basic", 2, 2_048, 60, 3.0, 1_800),
    SizeEntry("s-2vcpu-2gb-amd", "Basic AMD", 2, 2_048, 60, 3.0, 2_100),
    SizeEntry("s-2vcpu-2gb-intel", "Basic Intel", 2, 2_048, 60, 3.0, 2_100),
    SizeEntry("s-2vcpu-4gb", "Basic", 2, 4_096, 80, 4.0, 2_400),
    SizeEntry("s-2vcpu-4gb-amd", "Basic AMD", 2, 4_096, 80, 4.0, 2_800),
    SizeEntry("s-2vcpu-4gb-intel", "Basic Intel", 2, 4_096, 80, 4.0, 2_800),
    SizeEntry("s-2vcpu-8gb-amd", "Basic AMD", 2, 8_192, 100, 5.0, 4_200),
    SizeEntry("c-2", "CPU-Optimized", 2, 4_096, 25, 4.0, 4_200),
    SizeEntry("s-4vcpu-8gb", "Basic", 4, 8_192, 160, 5.0, 4_800),
    SizeEntry("s-4vcpu-8gb-amd", "Basic AMD", 4, 8_192, 160, 5.0, 5_600),
    SizeEntry("s-4vcpu-8gb-intel", "Basic Intel", 4, 8_192, 160, 5.0, 5_600),
    SizeEntry("g-2vcpu-8gb", "General Purpose", 2, 8_192, 25, 4.0, 6_300),
    SizeEntry("m-2vcpu-16gb", "Memory-Optimized", 2, 16_384, 50, 4.0, 8_400),
    SizeEntry("s-4vcpu-16gb-amd", "Basic AMD", 4, 16_384, 200, 8.0, 8_400),
    SizeEntry("c-4", "CPU-Optimized", 4, 8_192, 50, 5.0, 8_400),
    SizeEntry("s-8vcpu-16gb", "Basic", 8, 16_384, 320, 6.0, 9_600),
    SizeEntry("s-8vcpu-16gb-amd", "Basic AMD", 8, 16_384, 320, 6.0, 11_200),
    SizeEntry("s-8vcpu-16gb-intel", "Basic Intel", 8, 16_384, 320, 6.0, 11_200),
    SizeEntry("g-4vcpu-16gb", "General Purpose", 4, 16_384, 50, 5.0, 12_600),
    SizeEntry("c-8", "CPU-Optimized", 8, 16_384, 100, 6.0, 16_800),
    SizeEntry("m-4vcpu-32gb", "Memory-Optimized", 4, 32_768, 100, 6.0, 16_800),
    SizeEntry("s-8vcpu-32gb-amd", "Basic AMD", 8, 32_768, 400, 10.0, 16_800),
    SizeEntry("g-8vcpu-32gb", "General Purpose", 8, 32_768, 100, 6.0, 25_200),
    SizeEntry("c-16", "CPU-Optimized", 16, 32_768, 200, 7.0, 33_600),
];

/// Slug, name.
const REGIONS: [(&str, &str); 11] = [
    ("nyc1", "New York 1"),
    ("nyc2", "New York 2"),
    ("nyc3", "New York 3"),
    ("ams3", "Amsterdam 3"),
    ("sfo3", "San Francisco 3"),
    ("sgp1", "Singapore 1"),
    ("lon1", "London 1"),
    ("fra1", "Frankfurt 1"),
    ("tor1", "Toronto 1"),
    ("blr1", "Bangalore 1"),
    ("syd1", "Sydney 1"),
];
/// What is there, but takes no new droplets.
const FULL_REGIONS: [&str; 1] = ["nyc2"];

/// Id, slug, distribution, name.
const IMAGES: [(u64, &str, &str, &str); 7] = [
    (129_211_873, "ubuntu-22-04-x64", "Ubuntu", "22.04 (LTS) x64"),
    (155_133_621, "ubuntu-24-04-x64", "Ubuntu", "24.04 (LTS) x64"),
    (139_749_388, "debian-12-x64", "Debian", "12 x64"),
    (201_432_637, "debian-13-x64", "Debian", "13 x64"),
    (187_345_112, "fedora-42-x64", "Fedora", "42 x64"),
    (119_383_150, "rockylinux-9-x64", "Rocky Linux", "9 x64"),
    (143_442_601, "centos-stream-9-x64", "CentOS", "9 Stream x64"),
];

/// One thing that can be had, as answers write it.
pub(super) struct Entry {
    pub(super) slug: &'static str,
    pub(super) id: u64,
    pub(super) is_available: bool,
    pub(super) value: Value,
    /// The same as text: lists of thousands of droplets repeat it.
    pub(super) text: String,
}

/// What is billed and shown of a size.
pub(super) struct Size {
    pub(super) entry: Entry,
    pub(super) vcpus: u32,
    pub(super) memory_mib: u32,
    pub(super) disk_gib: u32,
    pub(super) monthly_cents: u32,
    pub(super) hourly_usd: f64,
}

pub(super) static SIZES_OFFERED: LazyLock<Vec<Size>> = LazyLock::new(|| SIZES.iter().map(size).collect());
pub(super) static REGIONS_OFFERED: LazyLock<Vec<Entry>> = LazyLock::new(|| REGIONS.iter().map(region).collect());
pub(super) static IMAGES_OFFERED: LazyLock<Vec<Entry>> = LazyLock::new(|| IMAGES.iter().map(image).collect());

pub(super) fn size_of(slug: &str) -> Option<&'static Size> {
    SIZES_OFFERED.iter().find(|size| size.entry.slug == slug)
}

pub(super) fn region_of(slug: &str) -> Option<&'static Entry> {
    REGIONS_OFFERED.iter().find(|region| region.slug == slug)
}

/// By slug or by number.
pub(super) fn image_of(name: &str) -> Option<&'static Entry> {
    let id = name.parse().ok();
    IMAGES_OFFERED.iter().find(|image| image.slug == name || Some(image.id) == id)
}

fn entry(slug: &'static str, id: u64, is_available: bool, value: Value) -> Entry {
    Entry { slug, id, is_available, text: value.to_string(), value }
}

fn size(&SizeEntry(slug, description, vcpus, memory, disk, transfer, cents): &SizeEntry) -> Size {
    let monthly = f64::from(cents) / 100.0;
    let hourly_usd = (monthly / HOURS_OF_A_MONTH * HOURLY_STEPS).round() / HOURLY_STEPS;
    let regions: Vec<&str> =
        REGIONS.iter().map(|(slug, _)| *slug).filter(|slug| !FULL_REGIONS.contains(slug)).collect();
    let value = json!({
        "slug": slug, "memory": memory, "vcpus": vcpus, "disk": disk, "transfer": transfer,
        "price_monthly": monthly, "price_hourly": hourly_usd, "regions": regions, "available": true,
        "description": description,
        "disk_info": [{ "type": "local", "size": { "amount": disk, "unit": "gib" } }],
    });
    let entry = entry(slug, 0, true, value);
    Size { entry, vcpus, memory_mib: memory, disk_gib: disk, monthly_cents: cents, hourly_usd }
}

fn region(&(slug, name): &(&'static str, &'static str)) -> Entry {
    let is_available = !FULL_REGIONS.contains(&slug);
    let sizes: Vec<&str> = SIZES.iter().filter(|_| is_available).map(|size| size.0).collect();
    let features = ["backups", "ipv6", "metadata", "install_agent", "storage", "image_transfer"];
    let value = json!({
        "name": name, "slug": slug, "features": features, "available": is_available, "sizes": sizes,
    });
    entry(slug, 0, is_available, value)
}

fn image(&(id, slug, distribution, name): &(u64, &'static str, &'static str, &'static str)) -> Entry {
    let regions: Vec<&str> = REGIONS.iter().map(|(slug, _)| *slug).collect();
    let value = json!({
        "id": id, "name": name, "distribution": distribution, "slug": slug, "public": true, "regions": regions,
        "created_at": "2025-11-03T10:00:00Z", "type": "base", "min_disk_size": 7, "size_gigabytes": 0.7,
        "description": format!("{distribution} {name}"), "tags": [], "status": "available", "error_message": "",
    });
    entry(slug, id, true, value)
}
