//! Flags: what there is of them, what of them is at fault, and who changes them.

use prometheus::proto::MetricFamily;
use sluice_control::Handle;

use super::families::{counter, counters, gauge, gauges, number, one_counter, one_gauge};

pub(super) fn families(handle: &Handle) -> Vec<MetricFamily> {
    let (book, counts) = (handle.flag_book(), handle.flag_counts());
    let at_fault: usize = book.sets().iter().map(|set| set.flags.flags_at_fault()).sum();
    let sizes = book.sets().iter().map(|set| gauge(&[("set", &set.name)], number(set.flags.flags().count() as u64)));
    vec![
        gauges(
            "sluice_flag",
            "1 while the switch is on.",
            book.switches().iter().map(|(name, on)| gauge(&[("flag", name)], f64::from(u8::from(*on == Some(true))))),
        ),
        one_gauge("sluice_flag_sets", "Sets of flag definitions that serve.", number(book.sets().len() as u64)),
        gauges("sluice_flag_set_flags", "Flags that a set defines.", sizes),
        one_gauge("sluice_flags_at_fault", "Flags that cannot be evaluated; see /v1/status.", number(at_fault as u64)),
        one_counter(
            "sluice_flag_documents_refused_total",
            "Documents in the store that were no flag definition; the one before went on.",
            counts.documents_refused,
        ),
        counters(
            "sluice_flag_changes_total",
            "Changes of flags and sets that were seen, by whom: through a router, or by a client of the store itself.",
            [("router", counts.changes_by_routers), ("client", counts.changes_by_clients)]
                .map(|(by, count)| counter(&[("by", by)], count)),
        ),
    ]
}
