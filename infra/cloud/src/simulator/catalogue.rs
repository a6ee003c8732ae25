//! What can be had: real slugs of DigitalOcean; prices are those of `crate::prices`.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::prices::{SizeEntry, sizes};

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

pub(super) static SIZES_OFFERED: LazyLock<Vec<Size>> = LazyLock::new(|| sizes().map(|entry| size(&entry)).collect());
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

fn size(size: &SizeEntry) -> Size {
    let &SizeEntry { slug, description, vcpus, memory_mib, disk_gib, transfer_tib, monthly_cents } = size;
    let hourly_usd = size.hourly_usd();
    let regions: Vec<&str> =
        REGIONS.iter().map(|(slug, _)| *slug).filter(|slug| !FULL_REGIONS.contains(slug)).collect();
    let value = json!({
        "slug": slug, "memory": memory_mib, "vcpus": vcpus, "disk": disk_gib, "transfer": transfer_tib,
        "price_monthly": size.monthly_usd(), "price_hourly": hourly_usd, "regions": regions, "available": true,
        "description": description,
        "disk_info": [{ "type": "local", "size": { "amount": disk_gib, "unit": "gib" } }],
    });
    Size { entry: entry(slug, 0, true, value), vcpus, memory_mib, disk_gib, monthly_cents, hourly_usd }
}

fn region(&(slug, name): &(&'static str, &'static str)) -> Entry {
    let is_available = !FULL_REGIONS.contains(&slug);
    let sizes: Vec<&str> = sizes().filter(|_| is_available).map(|size| size.slug).collect();
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
