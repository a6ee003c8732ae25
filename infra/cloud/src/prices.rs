//! What droplets of each size have and cost at DigitalOcean, as of 2026: the simulator sells them, and the local cloud
//! pretends to.

/// A size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SizeEntry {
    pub(crate) slug: &'static str,
    /// Its kind, for people.
    pub(crate) description: &'static str,
    pub(crate) vcpus: u32,
    pub(crate) memory_mib: u32,
    pub(crate) disk_gib: u32,
    /// Traffic that the price of a month has in it.
    pub(crate) transfer_tib: f64,
    pub(crate) monthly_cents: u32,
}

/// Hours of a month as DigitalOcean bills it (docs, "Billing for Droplets").
const HOURS_OF_A_MONTH: f64 = 672.0;
/// Prices of an hour have five digits.
const HOURLY_STEPS: f64 = 100_000.0;

impl SizeEntry {
    /// Price of a month, US dollars.
    pub(crate) fn monthly_usd(&self) -> f64 {
        f64::from(self.monthly_cents) / 100.0
    }

    /// Price of an hour, US dollars.
    pub(crate) fn hourly_usd(&self) -> f64 {
        (self.monthly_usd() / HOURS_OF_A_MONTH * HOURLY_STEPS).round() / HOURLY_STEPS
    }
}

/// Slug, description, cores, MiB, GiB, TiB of transfer a month, US cents a month.
type Row = (&'static str, &'static str, u32, u32, u32, f64, u32);

/// All sizes, cheapest first.
pub(crate) fn sizes() -> impl Iterator<Item = SizeEntry> {
    SIZES.iter().map(|&(slug, description, vcpus, memory_mib, disk_gib, transfer_tib, monthly_cents)| SizeEntry {
        slug,
        description,
        vcpus,
        memory_mib,
        disk_gib,
        transfer_tib,
        monthly_cents,
    })
}

const SIZES: [Row; 31] = [
    ("s-1vcpu-512mb-10gb", "Basic", 1, 512, 10, 0.5, 400),
    ("s-1vcpu-1gb", "Basic", 1, 1_024, 25, 1.0, 600),
    ("s-1vcpu-1gb-amd", "Basic AMD", 1, 1_024, 25, 1.0, 700),
    ("s-1vcpu-1gb-intel", "Basic Intel", 1, 1_024, 25, 1.0, 700),
    ("s-1vcpu-2gb", "Basic", 1, 2_048, 50, 2.0, 1_200),
    ("s-1vcpu-2gb-amd", "Basic AMD", 1, 2_048, 50, 2.0, 1_400),
    ("s-1vcpu-2gb-intel", "Basic Intel", 1, 2_048, 50, 2.0, 1_400),
    ("s-2vcpu-2gb", "Basic", 2, 2_048, 60, 3.0, 1_800),
    ("s-2vcpu-2gb-amd", "Basic AMD", 2, 2_048, 60, 3.0, 2_100),
    ("s-2vcpu-2gb-intel", "Basic Intel", 2, 2_048, 60, 3.0, 2_100),
    ("s-2vcpu-4gb", "Basic", 2, 4_096, 80, 4.0, 2_400),
    ("s-2vcpu-4gb-amd", "Basic AMD", 2, 4_096, 80, 4.0, 2_800),
    ("s-2vcpu-4gb-intel", "Basic Intel", 2, 4_096, 80, 4.0, 2_800),
    ("s-2vcpu-8gb-amd", "Basic AMD", 2, 8_192, 100, 5.0, 4_200),
    ("c-2", "CPU-Optimized", 2, 4_096, 25, 4.0, 4_200),
    ("s-4vcpu-8gb", "Basic", 4, 8_192, 160, 5.0, 4_800),
    ("s-4vcpu-8gb-amd", "Basic AMD", 4, 8_192, 160, 5.0, 5_600),
    ("s-4vcpu-8gb-intel", "Basic Intel", 4, 8_192, 160, 5.0, 5_600),
    ("g-2vcpu-8gb", "General Purpose", 2, 8_192, 25, 4.0, 6_300),
    ("m-2vcpu-16gb", "Memory-Optimized", 2, 16_384, 50, 4.0, 8_400),
    ("s-4vcpu-16gb-amd", "Basic AMD", 4, 16_384, 200, 8.0, 8_400),
    ("c-4", "CPU-Optimized", 4, 8_192, 50, 5.0, 8_400),
    ("s-8vcpu-16gb", "Basic", 8, 16_384, 320, 6.0, 9_600),
    ("s-8vcpu-16gb-amd", "Basic AMD", 8, 16_384, 320, 6.0, 11_200),
    ("s-8vcpu-16gb-intel", "Basic Intel", 8, 16_384, 320, 6.0, 11_200),
    ("g-4vcpu-16gb", "General Purpose", 4, 16_384, 50, 5.0, 12_600),
    ("c-8", "CPU-Optimized", 8, 16_384, 100, 6.0, 16_800),
    ("m-4vcpu-32gb", "Memory-Optimized", 4, 32_768, 100, 6.0, 16_800),
    ("s-8vcpu-32gb-amd", "Basic AMD", 8, 32_768, 400, 10.0, 16_800),
    ("g-8vcpu-32gb", "General Purpose", 8, 32_768, 100, 6.0, 25_200),
    ("c-16", "CPU-Optimized", 16, 32_768, 200, 7.0, 33_600),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_costs_what_the_price_list_says() {
        for (slug, usd) in [("s-1vcpu-1gb", 0.00893), ("s-2vcpu-4gb", 0.03571), ("c-2", 0.0625), ("c-4", 0.125)] {
            let size = sizes().find(|size| size.slug == slug).unwrap();
            assert!((size.hourly_usd() - usd).abs() < 1e-9, "{slug}: {}", size.hourly_usd());
        }
    }

    #[test]
    fn slugs_differ_and_prices_rise() {
        let all: Vec<SizeEntry> = sizes().collect();
        let slugs: std::collections::BTreeSet<&str> = all.iter().map(|size| size.slug).collect();
        assert_eq!(slugs.len(), all.len());
        assert!(all.windows(2).all(|pair| pair[0].monthly_cents <= pair[1].monthly_cents));
    }
}
