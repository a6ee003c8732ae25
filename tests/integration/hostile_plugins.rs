//! Plugins that misbehave, each in the chain of one route, while another route with other plugins serves traffic on
//! the same workers: each call costs its own request, by the status that the policy names for its cause, and nothing
//! else. A new act is one line of a table.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::{RequestBuilder, Response, StatusCode};
use sluice_tests::guest::{Guest, PROVOKING_PATH};
use sluice_tests::hostile::{self, Scene, TRIGGER};
use sluice_tests::load::Load;
use sluice_tests::router::POLICY_FILE;
use sluice_tests::stack::{DEMO_POLICY, Stack, StoreKind};
use sluice_tests::{client, eventually, upload};
use tokio::time::Instant;

/// A plugin has 5 ms of CPU; the rest is for a machine that compiles something else.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
/// Requests that each act is provoked with: more than there are workers, so that one of them gets it twice.
const PROVOCATIONS: u64 = 3;
/// An instance that stayed behind after each provocation would hold 300 MiB and more.
const GROWTH_BYTES_MAX: u64 = 64 << 20;
/// Connections come and go; one descriptor left behind by each provocation would be 150 and more.
const DESCRIPTORS_GROWTH_MAX: usize = 40;

/// CPU time for what shall fail of something else, in an unoptimised host on a busy machine.
const CPU_PATIENT: &str = "500ms";
/// Each cause has a status of its own, so that the answer tells the cause.
const CLOSED_BY_CAUSE: &str =
    "{ closed = 500, trap = { closed = 501 }, deadline = { closed = 504 }, memory = { closed = 507 } }";
/// A breaker that opens within the provocations, and probes soon.
const QUICK_BREAKER: &str = "{ failures = 2, open = \"50ms\", open_max = \"100ms\" }";

/// What a request must be for the act to strike.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    Head,
    Upload,
}

/// What the act costs its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Costs {
    /// It trapped, or answered nonsense.
    Trap,
    Deadline,
    Memory,
    /// Nothing: what is too much of it is dropped.
    Nothing,
}

impl Costs {
    const fn status(self) -> StatusCode {
        match self {
            Self::Trap => StatusCode::NOT_IMPLEMENTED,
            Self::Deadline => StatusCode::GATEWAY_TIMEOUT,
            Self::Memory => StatusCode::INSUFFICIENT_STORAGE,
            Self::Nothing => StatusCode::OK,
        }
    }
}

use Costs::{Deadline, Memory, Nothing, Trap};
use Sent::{Head, Upload};

/// Acts of `tests/hostile`.
const ACTS: &[(&str, Sent, Costs)] = &[
    ("spin-in-request", Head, Deadline),
    ("spin-in-body-size", Upload, Deadline),
    ("spin-in-body-chunk", Upload, Deadline),
    ("spin-in-response", Head, Deadline),
    ("trap-in-request", Head, Trap),
    ("trap-in-body-size", Upload, Trap),
    ("trap-in-body-chunk", Upload, Trap),
    ("trap-in-response", Head, Trap),
    ("hoard-memory", Head, Memory),
    ("overflow-stack", Head, Trap),
    ("huge-outcome", Head, Trap),
    ("gigantic-body", Head, Memory),
    ("huge-text", Head, Trap),
    ("too-many-effects", Head, Trap),
    ("too-many-edits", Head, Trap),
    ("nonsense-verdict", Head, Trap),
    ("bad-variant-index", Head, Trap),
    ("variant-in-response", Head, Trap),
    ("done-in-request", Head, Trap),
    ("done-in-response", Head, Trap),
    ("bad-status", Head, Trap),
    ("header-injection", Head, Trap),
    ("framing-headers", Head, Trap),
    ("edit-injection", Head, Trap),
    ("path-injection", Head, Trap),
    ("path-not-normal", Head, Trap),
    ("edit-host", Head, Trap),
    ("edit-content-length", Head, Trap),
    ("edit-status999", Head, Trap),
    ("edit-status-in-request", Head, Trap),
    ("edit-path-in-response", Head, Trap),
    ("edit-in-body-chunk", Upload, Trap),
    ("edit-beside-respond", Head, Trap),
    ("log-flood", Head, Nothing),
    ("alert-flood", Head, Nothing),
    ("grow-slowly", Head, Nothing),
];

/// What no compiler would write; each misbehaves in the request phase. The last value is the verdict, a second export
/// is called for its outcome where that has bit 3.
const GUESTS: &[(&str, &str, Costs)] = &[
    ("unreachable", "(unreachable)", Trap),
    (
        "memory-bomb",
        "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)",
        Memory,
    ),
    ("memory-read-past-the-end", "(i64.load (i32.const -8))", Trap),
    (
        "fill-for-ever",
        "(loop $more (memory.fill (i32.const 0) (i32.const 0) (i32.const 65536)) (br $more)) (unreachable)",
        Deadline,
    ),
    (
        "log-for-ever",
        "(loop $more (call $log (i32.const 2) (i32.const 1136) (i32.const 4)) (br $more)) (unreachable)",
        Deadline,
    ),
    ("log-from-nowhere", "(call $log (i32.const 2) (i32.const -8) (i32.const 4)) (i64.const 0)", Trap),
    ("log-a-gigabyte", "(call $log (i32.const 2) (i32.const 0) (i32.const 1073741824)) (i64.const 0)", Trap),
    ("log-of-no-level", "(call $log (i32.const 77) (i32.const 1136) (i32.const 4)) (i64.const 0)", Trap),
    (
        "log-of-no-text",
        "(i32.store8 (i32.const 4096) (i32.const 255)) (call $log (i32.const 2) (i32.const 4096) (i32.const 1)) (i64.const 0)",
        Trap,
    ),
    ("divide-by-zero", "(i64.div_u (i64.const 1) (i64.const 0))", Trap),
    ("all-bits", "(i64.const -1)", Trap),
    ("outcome-of-no-shape", "(i32.store8 (i32.const 2048) (i32.const 9)) (i64.const 8)", Trap),
    (
        "effects-from-nowhere",
        "(i64.store (i32.const 2088) (i64.const -1)) (i64.store (i32.const 2080) (i64.const -1)) (i64.store (i32.const 2072) (i64.const -1)) (i64.store (i32.const 2064) (i64.const -1)) (i64.const 8)",
        Trap,
    ),
];

fn request(stack: &Stack, sent: Sent, path: &str) -> RequestBuilder {
    let http = client::http();
    hostile::aside(match sent {
        Head => http.get(stack.edge(path)),
        Upload => http.post(stack.edge("/upload")).header("content-type", "image/gif").body(upload::gif(100)),
    })
}

/// A request that the plugin misbehaves on.
async fn provoke(stack: &Stack, sent: Sent) -> Result<Response> {
    let begun = Instant::now();
    let response = request(stack, sent, PROVOKING_PATH).header(TRIGGER, "yes").send().await?;
    ensure!(begun.elapsed() < ANSWERED_WITHIN, "answered after {:?}", begun.elapsed());
    Ok(response)
}

/// A request of the same route that it behaves on is served.
async fn behave(stack: &Stack, sent: Sent) -> Result<()> {
    let status = request(stack, sent, "/recent").send().await?.status();
    ensure!(status.is_success(), "{status} for a request that it behaves on");
    Ok(())
}

/// One line of a table, ready to be played.
struct Part {
    name: &'static str,
    scene: Scene,
    /// The file, where it is not that of `tests/hostile`.
    guest: Option<Vec<u8>>,
    sent: Sent,
    costs: Costs,
}

impl Part {
    fn new(name: &'static str, scene: Scene, sent: Sent, costs: Costs) -> Self {
        let cpu = if costs == Deadline { scene.cpu } else { CPU_PATIENT.to_owned() };
        Self { name, scene: Scene { cpu, ..scene }, guest: None, sent, costs }
    }

    fn guest(name: &'static str, text: &str, costs: Costs) -> Result<Self> {
        let guest = Guest::default().in_request(text)?.bytes().with_context(|| format!("guest {name}"))?;
        let scene = Scene { file: format!("{name}.wasm"), config: "{}".to_owned(), ..Scene::act("nothing") };
        Ok(Self { guest: Some(guest), ..Self::new(name, scene, Head, costs) })
    }

    fn file(&self) -> String {
        format!("plugins.d/{}", self.scene.file)
    }
}

/// Both tables.
fn parts() -> Result<Vec<Part>> {
    let acts = ACTS.iter().map(|(act, sent, costs)| Ok(Part::new(act, Scene::act(act), *sent, *costs)));
    acts.chain(GUESTS.iter().map(|(name, text, costs)| Part::guest(name, text, *costs))).collect()
}

/// Plays every part under traffic of the other route, and sees that everything returns to where it was.
async fn play_all(
    change: impl Fn(Scene) -> Scene,
    mut judge: impl AsyncFnMut(&Stack, Sent, Costs) -> Result<()>,
) -> Result<()> {
    let stack = Stack::start(StoreKind::Embedded).await?;
    let router = &stack.router;
    let load = Load::start(&stack.edge("/version"));
    let mut wrong = Vec::new();
    let mut before = None;
    for part in parts()? {
        if let Some(guest) = &part.guest {
            router.replace(&part.file(), guest)?;
        }
        change(part.scene.clone()).play(router).await?;
        if let Err(error) = judge(&stack, part.sent, part.costs).await {
            wrong.push(format!("{}: {error:#}", part.name));
        }
        load.answers(10).await;
        if part.guest.is_some() {
            Scene::act("nothing").play(router).await?;
            std::fs::remove_file(router.path(&part.file()))?;
        }
        if before.is_none() {
            before = Some((router.process.resident_bytes()?, router.process.descriptors()?));
        }
    }
    load.finish().await?;
    ensure!(wrong.is_empty(), "{} parts went wrong:\n{}", wrong.len(), wrong.join("\n"));
    // What the hostile plugin did is told as long as it serves.
    router.replace(POLICY_FILE, DEMO_POLICY.as_bytes())?;
    router.healthy().await;
    ensure!(stack.rollout().await?["state"] == "running", "the rollout was stopped");
    let (resident, descriptors) = before.context("there are parts")?;
    let grown = router.process.resident_bytes()?.saturating_sub(resident);
    ensure!(grown < GROWTH_BYTES_MAX, "memory grew by {grown} bytes");
    let now = router.process.descriptors()?;
    ensure!(now < descriptors + DESCRIPTORS_GROWTH_MAX, "from {descriptors} to {now} descriptors");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_closed_costs_that_request_its_status_by_cause() -> Result<()> {
    let change = |scene| Scene { on_failure: CLOSED_BY_CAUSE.to_owned(), ..scene };
    play_all(change, async |stack, sent, costs| {
        for number in 0..PROVOCATIONS {
            let response = provoke(stack, sent).await?;
            let status = response.status();
            ensure!(status == costs.status(), "{status}, not {} at {number}", costs.status());
            ensure!(client::header(&response, "set-cookie").is_none(), "a header was smuggled in");
            behave(stack, sent).await?;
        }
        let failures = hostile::failures(&stack.router).await?;
        ensure!(failures == if costs == Nothing { 0 } else { PROVOCATIONS }, "{failures} failures");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_open_costs_no_request() -> Result<()> {
    let change = |scene| Scene { on_failure: "\"open\"".to_owned(), ..scene };
    play_all(change, async |stack, sent, costs| {
        for number in 0..PROVOCATIONS {
            let status = provoke(stack, sent).await?.status();
            ensure!(status.is_success(), "{status} at {number}");
            behave(stack, sent).await?;
        }
        let failures = hostile::failures(&stack.router).await?;
        ensure!(costs == Nothing || failures > 0, "nothing failed");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_in_quarantine_is_seen_and_comes_back_by_itself() -> Result<()> {
    let change = |scene| Scene { on_failure: CLOSED_BY_CAUSE.to_owned(), breaker: QUICK_BREAKER.to_owned(), ..scene };
    play_all(change, async |stack, sent, costs| {
        for _ in 0..PROVOCATIONS {
            let status = provoke(stack, sent).await?.status();
            // Not called while it is in quarantine: treated as if it had trapped.
            ensure!(status == costs.status() || status == Trap.status(), "{status}, not {}", costs.status());
        }
        let plugin = stack.router.plugin("hostile").await?;
        ensure!(plugin["quarantine"].is_null() == (costs == Nothing), "{plugin}");
        eventually("a probe finds it well", async || behave(stack, sent).await).await;
        let plugin = stack.router.plugin("hostile").await?;
        ensure!(plugin["quarantine"].is_null(), "{plugin}");
        Ok(())
    })
    .await
}
