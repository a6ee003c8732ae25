//! `sim`: a simulator of DigitalOcean's API, to rehearse without an account.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use jiff::Timestamp;
use serde::Deserialize;
use sluice_infra_cloud::simulator::{FaultPlan, Simulator, SimulatorSettings, serve};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::runtime::block_on;
use crate::table::render;

/// Fastest simulated time: a day in less than ten seconds.
const SPEED_MAX: f64 = 10_000.0;
/// How often the state is written to its file.
const SAVE_EVERY: Duration = Duration::from_secs(5);
const SECONDS_OF_A_MINUTE: f64 = 60.0;
/// Longest wait for a simulator that runs.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// As typed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to do
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API until ctrl-c; `[cloud] kind = "simulator"` finds it
    #[command(after_help = "Example: sluice-infra sim serve --faults faults.toml --speed 60")]
    Serve(Serve),
    /// Show what the simulated droplets cost so far
    Bill(Running),
    /// Show everything that is simulated, as JSON
    State(Running),
}

#[derive(Debug, clap::Args)]
struct Serve {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8484", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Keep the simulated cloud in this file
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Faults on purpose: TOML or JSON, see docs/infra-clouds.md
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Same seed, same calls: same answers
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How much faster than real time simulated time runs
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// Most droplets of the account
    #[arg(long, default_value_t = SimulatorSettings::default().droplets_max)]
    droplets_max: u64,
}

#[derive(Debug, clap::Args)]
struct Running {
    /// Where the simulator listens
    #[arg(long, default_value = "127.0.0.1:8484", value_name = "ADDRESS")]
    at: SocketAddr,
}

/// Does it.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Serve(serve) => block_on(serve_until_told(serve))?,
        Command::Bill(running) => {
            let bill = ask(running.at, "bill")?;
            print(&if context.json() { bill } else { table(&bill)? })?;
        }
        Command::State(running) => print(&ask(running.at, "state")?)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve_until_told(args: &Serve) -> anyhow::Result<()> {
    ensure!(args.speed > 0.0 && args.speed <= SPEED_MAX, "--speed is above 0, and at most {SPEED_MAX}");
    let simulator = open(args)?;
    if let Some(file) = &args.faults {
        let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
        simulator.set_faults(FaultPlan::parse(&text).with_context(|| format!("read {}", file.display()))?);
    }
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("listen on {}", args.listen))?;
    print(&format!("ready url=http://{}", listener.local_addr().context("find the own address")?))?;
    let stop = CancellationToken::new();
    let mut end = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interval = tokio::time::interval(SAVE_EVERY);
    let served = serve(listener, simulator.clone(), stop.clone());
    tokio::pin!(served);
    loop {
        tokio::select! {
            ended = &mut served => { ended.context("serve the simulator")?; break }
            _ = tokio::signal::ctrl_c() => stop.cancel(),
            _ = end.recv() => stop.cancel(),
            _ = interval.tick() => save(&simulator, args.state.as_deref())?,
        }
    }
    save(&simulator, args.state.as_deref())
}

fn open(args: &Serve) -> anyhow::Result<Simulator> {
    let speed = Some(args.speed);
    if let Some(file) = args.state.as_deref().filter(|file| file.exists()) {
        let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
        return Simulator::resume(&text, speed).with_context(|| format!("read the state in {}", file.display()));
    }
    let (seed, droplets_max) = (args.seed, args.droplets_max);
    // Droplets are as old as whoever drives it thinks they are.
    let begin_ms = u64::try_from(Timestamp::now().as_millisecond()).context("read the clock")?;
    let latency = SimulatorSettings::default().latency;
    Ok(Simulator::new(&SimulatorSettings { seed, droplets_max, latency, begin_ms, speed }))
}

/// Whole or not at all: written beside it, then moved over it.
fn save(simulator: &Simulator, file: Option<&Path>) -> anyhow::Result<()> {
    let Some(file) = file else { return Ok(()) };
    let beside = file.with_extension("new");
    std::fs::write(&beside, simulator.state().to_string()).with_context(|| format!("write {}", beside.display()))?;
    std::fs::rename(&beside, file).with_context(|| format!("write {}", file.display()))
}

/// Asks a simulator that runs, over loopback.
fn ask(at: SocketAddr, what: &str) -> anyhow::Result<String> {
    let mut stream =
        TcpStream::connect_timeout(&at, ANSWER_MAX).with_context(|| format!("reach a simulator at {at}"))?;
    stream.set_read_timeout(Some(ANSWER_MAX)).context("bound the wait")?;
    let request = format!("GET /_sim/{what} HTTP/1.0\r\nhost: {at}\r\n\r\n");
    stream.write_all(request.as_bytes()).context("ask the simulator")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("read the simulator's answer")?;
    let (head, body) = answer.split_once("\r\n\r\n").context("understand the simulator's answer")?;
    ensure!(head.split(' ').nth(1) == Some("200"), "the simulator refuses: {body}");
    Ok(body.to_owned())
}

/// The bill, for people.
fn table(bill: &str) -> anyhow::Result<String> {
    let Bill { total_usd, charges } = serde_json::from_str(bill).context("understand the bill")?;
    let mut rows: Vec<Vec<String>> = charges
        .into_iter()
        .map(|Charge { droplet, name, size, seconds, usd }| {
            vec![droplet.to_string(), name, size, format!("{:.1} min", seconds / SECONDS_OF_A_MINUTE), dollars(usd)]
        })
        .collect();
    rows.push(vec!["all".to_owned(), String::new(), String::new(), String::new(), dollars(total_usd)]);
    Ok(render(&["droplet", "name", "size", "stood", "cost"], rows, &[3, 4]))
}

fn dollars(usd: f64) -> String {
    format!("${usd:.2}")
}

/// What the simulator says of the bill.
#[derive(Deserialize)]
struct Bill {
    total_usd: f64,
    charges: Vec<Charge>,
}

#[derive(Deserialize)]
struct Charge {
    droplet: u64,
    name: String,
    size: String,
    seconds: f64,
    usd: f64,
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{text}").and_then(|()| out.flush()).context("write to stdout")
}
