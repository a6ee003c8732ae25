//! Figures of routers: as they come, as they should not come, and what is made of them.

use proptest::prelude::*;
use sluice_infra_host::AppSeries;

use super::*;

fn source() -> TrafficSource {
    let series = |variant: &str, routes: &[&str]| AppSeries {
        app: "meow".into(),
        variant: variant.into(),
        upstreams: vec![variant.into()],
        routes: routes.iter().map(|variant| ("app".to_owned(), (*variant).to_owned())).collect(),
    };
    let apps = vec![series("canary", &["canary"]), series("stable", &["stable", "none"])];
    TrafficSource { admin: "127.0.0.1:9900".parse().unwrap(), apps }
}

const TEXT: &str = r#"# TYPE sluice_upstream_requests_total counter
sluice_upstream_requests_total{upstream="stable"} 40
sluice_upstream_requests_total{upstream="canary"} 10
sluice_upstream_requests_total{upstream="a\"},b\\"} 7
sluice_request_duration_seconds_bucket{route="app",variant="stable",le="0.1"} 10
sluice_request_duration_seconds_bucket{route="app",variant="stable",le="1"} 20
sluice_request_duration_seconds_bucket{route="app",variant="stable",le="+Inf"} 20
sluice_request_duration_seconds_bucket{route="app",variant="none",le="0.1"} 0
sluice_request_duration_seconds_bucket{route="app",variant="none",le="1"} 10
sluice_request_duration_seconds_bucket{route="app",variant="none",le="+Inf"} 20
sluice_request_duration_seconds_bucket{route="other",variant="stable",le="+Inf"} 1000
process_start_time_seconds 1700000000
"#;

fn counted(requests: f64, buckets: &[(f64, f64)], finished: f64, at_ms: u64) -> RouterTraffic {
    let (app, variant, buckets) = ("meow".into(), "stable".into(), buckets.to_vec());
    let apps = vec![AppTraffic { app, variant, requests, finished, buckets }];
    RouterTraffic { at_ms, started_seconds: 1.0, apps }
}

fn of_stable(before: &RouterTraffic, now: &RouterTraffic) -> Option<Rates> {
    rates(before, now, "meow", "stable")
}

#[test]
fn the_series_of_a_variant_are_summed_and_others_are_not() {
    let read = read(TEXT, &source(), 5).unwrap();
    assert_eq!((read.at_ms, read.started_seconds, read.apps.len()), (5, 1_700_000_000.0, 2));
    let stable = &read.apps[1];
    assert_eq!((stable.requests, stable.finished), (40.0, 40.0));
    assert_eq!(stable.buckets, [(0.1, 10.0), (1.0, 30.0)]);
    assert_eq!((read.apps[0].requests, read.apps[0].finished), (10.0, 0.0));
    assert_eq!(super::read("", &source(), 0), None, "no metrics of a router");
    let restarted = TEXT.replace("process_start_time_seconds 1700000000\n", "");
    assert_eq!(super::read(&restarted, &source(), 0), None, "not known which start they are of");
}

#[test]
fn rates_are_of_what_grew_between_two_looks() {
    let before = counted(100.0, &[(0.1, 50.0), (1.0, 100.0)], 100.0, 1_000);
    let now = counted(200.0, &[(0.1, 50.0), (1.0, 200.0)], 200.0, 6_000);
    let found = of_stable(&before, &now).unwrap();
    assert_eq!(found.rps, 20.0);
    // All of the new ones are between 0.1 s and 1 s: 95 % of the way.
    assert!((found.p95_ms().unwrap() - 955.0).abs() < 1e-9, "{found:?}");
    let both = together([Some(found.clone()), Some(found.clone())]).unwrap();
    assert_eq!((both.rps, both.p95_ms()), (40.0, found.p95_ms()));
    assert_eq!(together([Some(found), None]), None, "a router does not say");
    assert_eq!(together([]), None);
}

#[test]
fn a_look_that_is_none_to_go_by_is_not_gone_by() {
    let before = counted(100.0, &[(0.1, 50.0)], 100.0, 10_000);
    let now = |requests, at_ms| counted(requests, &[(0.1, 50.0)], 100.0, at_ms);
    assert!(of_stable(&before, &now(100.0, 11_000)).is_some());
    assert_eq!(of_stable(&before, &now(100.0, 10_999)), None, "too short");
    assert!(of_stable(&before, &now(100.0, 70_000)).is_some());
    assert_eq!(of_stable(&before, &now(100.0, 70_001)), None, "too long ago");
    assert_eq!(of_stable(&before, &now(100.0, 9_000)), None, "a clock that was set back");
    assert_eq!(of_stable(&before, &now(99.0, 15_000)), None, "it counts anew");
    assert_eq!(of_stable(&before, &now(f64::NAN, 15_000)), None);
    let restarted = RouterTraffic { started_seconds: 2.0, ..now(200.0, 15_000) };
    assert_eq!(of_stable(&before, &restarted), None);
    assert_eq!(rates(&before, &now(200.0, 15_000), "meow", "canary"), None, "it sends nothing there");
    let other = counted(100.0, &[(0.2, 50.0)], 100.0, 15_000);
    assert_eq!(of_stable(&before, &other), None, "other bounds");
}

#[test]
fn without_requests_there_is_no_latency_and_the_first_ones_have_one() {
    let idle = counted(0.0, &[], 0.0, 0);
    let found = of_stable(&idle, &counted(0.0, &[], 0.0, 5_000)).unwrap();
    assert_eq!((found.rps, found.p95_ms()), (0.0, None));
    let first = of_stable(&idle, &counted(10.0, &[(0.1, 10.0)], 10.0, 5_000)).unwrap();
    assert!((first.p95_ms().unwrap() - 95.0).abs() < 1e-9);
    let slow = of_stable(&idle, &counted(10.0, &[(0.1, 0.0), (10.0, 0.0)], 10.0, 5_000)).unwrap();
    assert_eq!(slow.p95_ms(), Some(10_000.0), "no more is known than the last bound");
}

#[test]
fn bounds_of_a_histogram_are_read_up_to_a_number() {
    let line = |place: usize| format!("{DURATION}{{route=\"app\",variant=\"canary\",le=\"{place}\"}} 1\n");
    let of = |count: usize| {
        let lines: String = (1..=count).map(line).collect();
        let now = read(&format!("{STARTED} 1\n{lines}"), &source(), 5_000).unwrap();
        rates(&read(&format!("{STARTED} 1\n"), &source(), 0).unwrap(), &now, "meow", "canary").is_some()
    };
    assert!(of(BUCKETS_MAX) && !of(BUCKETS_MAX + 1) && !of(BUCKETS_MAX * 100));
}

proptest! {
    #[test]
    fn no_text_panics(text in "(sluice_upstream_requests_total|process_start_time_seconds|[{}\"\\\\=,.a-z0-9 \n+]){0,60}") {
        let _read = read(&text, &source(), 0);
        let _labels = labels(&text);
    }

    #[test]
    fn names_come_through_as_they_are(name in "\\PC{0,20}") {
        let written = name.replace('\\', "\\\\").replace('"', "\\\"");
        let line = format!("{REQUESTS}{{upstream=\"{written}\"}} 3");
        prop_assert_eq!(sample(&line), Some((REQUESTS, vec![("upstream".to_owned(), name)], 3.0)));
    }

    #[test]
    fn p95_lies_within_the_bucket_that_holds_it(counts in prop::collection::vec(0_u16..1000, 1..14)) {
        let (mut buckets, mut sum) = (Vec::new(), 0.0);
        for (place, count) in counts.iter().enumerate() {
            sum += f64::from(*count);
            buckets.push((f64::from(u32::try_from(place).unwrap() + 1), sum));
        }
        let rates = Rates { rps: 0.0, finished: sum, buckets: buckets.clone() };
        let holding = buckets.iter().find(|(_, count)| *count >= sum * P95 && sum > 0.0);
        match (rates.p95_ms(), holding) {
            (None, _) => prop_assert!(sum == 0.0),
            (Some(p95), Some((bound, _))) => prop_assert!(p95 <= bound * 1e3 && p95 >= (bound - 1.0) * 1e3, "{p95}"),
            (Some(_), None) => prop_assert!(false),
        }
    }
}
