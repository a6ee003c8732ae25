//! One service: the task that owns its child. It starts, signals and waits for it, and nobody else does.
//!
//! Where the service stands is shown through a watch, so that whoever asks never waits behind a long stop.

use std::collections::BTreeMap;
use std::io::{self, PipeReader};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::journal::{self, Journal};
use super::launch::launch;
use super::record::{self, Record};
use super::restarts::{IN_A_ROW_MAX, Restarts};
use crate::init::ServiceStatus;
use crate::layout::Layout;
use crate::manifest::ServiceUnit;

/// How long the rest of the output of a service that ended is waited for: a process that left its group may hold it open.
const OUTPUT_WAIT: Duration = Duration::from_secs(1);
/// Bytes of output that are taken at a time.
const OUTPUT_CHUNK_BYTES: usize = 16 * 1024;

/// What all services of a machine share.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) layout: Layout,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) records: PathBuf,
    /// Of services and clients.
    pub(super) tasks: TaskTracker,
    /// Of what services print: a process that left its service may hold its end open for ever.
    pub(super) outputs: TaskTracker,
    pub(super) outputs_end: CancellationToken,
}

/// What a service is told.
#[derive(Debug)]
pub(super) enum Order {
    Install(Box<ServiceUnit>, oneshot::Sender<Result<bool, String>>),
    Start(oneshot::Sender<Result<bool, String>>),
    Stop(oneshot::Sender<Result<bool, String>>),
    Remove(oneshot::Sender<Result<bool, String>>),
}

/// What a service shows.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) unit: ServiceUnit,
    pub(super) status: ServiceStatus,
}

/// One service.
pub(super) struct Service {
    place: Arc<Place>,
    record: Record,
    /// Not written down: it belongs to the machine itself.
    built_in: bool,
    state: State,
    restarts: Restarts,
    shown: watch::Sender<Shown>,
}

enum State {
    Stopped,
    Running(Run),
    /// Ended by itself, and is started again then.
    Pausing(Instant),
    Failed(String),
}

struct Run {
    child: Child,
    group: Option<Pid>,
    pid: u32,
    since: Instant,
    output: JoinHandle<()>,
}

enum Event {
    Ended(io::Result<ExitStatus>),
    PauseOver,
}

impl Service {
    /// Of this record; it does not run yet.
    pub(super) fn new(place: Arc<Place>, record: Record, built_in: bool) -> (Self, watch::Receiver<Shown>) {
        let (shown, seen) = watch::channel(Shown { unit: record.unit.clone(), status: ServiceStatus::Stopped });
        (Self { place, record, built_in, state: State::Stopped, restarts: Restarts::default(), shown }, seen)
    }

    /// Starts what is wanted, obeys until it is removed or its orders end, and leaves nothing running.
    pub(super) async fn keep(mut self, mut orders: mpsc::Receiver<Order>) {
        if self.record.wanted
            && let Err(reason) = self.launch()
        {
            self.end_of_attempt(&reason, Duration::ZERO);
        }
        loop {
            self.show();
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => if self.obey(order).await.is_break() { return },
                    None => return self.halt().await,
                },
                event = self.state.event() => self.happened(event).await,
            }
        }
    }

    async fn obey(&mut self, order: Order) -> ControlFlow<()> {
        let (answer, end) = match order {
            Order::Install(unit, answer) => {
                let different = self.record.unit != *unit;
                self.record.unit = *unit;
                (answer, self.write_down().await.map(|()| different))
            }
            Order::Start(answer) => (answer, self.start().await),
            Order::Stop(answer) => {
                self.record.wanted = false;
                self.halt().await;
                (answer, self.write_down().await.map(|()| true))
            }
            Order::Remove(answer) => {
                self.halt().await;
                let forgotten = record::forget(&self.place.records, &self.record.unit.name).await;
                // Whoever asked may have left: it is gone all the same.
                let _left = answer.send(forgotten.map(|()| true).map_err(|error| error.to_string()));
                return ControlFlow::Break(());
            }
        };
        self.show();
        let _left = answer.send(end);
        ControlFlow::Continue(())
    }

    async fn start(&mut self) -> Result<bool, String> {
        self.restarts = Restarts::default();
        if matches!(self.state, State::Running(_)) {
            return Ok(false);
        }
        self.launch()?;
        self.record.wanted = true;
        self.write_down().await?;
        Ok(true)
    }

    fn launch(&mut self) -> Result<(), String> {
        let Place { layout, environment, outputs, outputs_end, .. } = &*self.place;
        let unit = &self.record.unit;
        let program = unit.exec.first().map_or("", String::as_str);
        let started =
            Journal::open(&layout.logs(), &unit.name).map_err(|error| format!("its log cannot be opened: {error}"))?;
        let (child, output) =
            launch(unit, layout, environment).map_err(|error| format!("{program} cannot be started: {error}"))?;
        let pid = child.id().unwrap_or_default();
        let group = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let output = outputs.spawn(collect(output, started, unit.name.clone(), outputs_end.clone()));
        self.state = State::Running(Run { child, group, pid, since: Instant::now(), output });
        Ok(())
    }

    async fn happened(&mut self, event: Event) {
        match event {
            Event::PauseOver => {
                if let Err(reason) = self.launch() {
                    self.end_of_attempt(&reason, Duration::ZERO);
                }
            }
            Event::Ended(status) => {
                let State::Running(run) = std::mem::replace(&mut self.state, State::Stopped) else { return };
                let lived = run.since.elapsed();
                run.clear_up().await;
                let reason = match status {
                    Ok(status) => format!("ended by itself with {status}"),
                    Err(error) => format!("its end is not known: {error}"),
                };
                self.end_of_attempt(&reason, lived);
            }
        }
    }

    /// It is started again after a pause, or given up.
    fn end_of_attempt(&mut self, reason: &str, lived: Duration) {
        let again = if self.record.unit.restart { self.restarts.after(lived) } else { None };
        let (state, note) = match again {
            Some(pause) => (State::Pausing(Instant::now() + pause), format!("{reason}; started again in {pause:?}")),
            None if self.record.unit.restart => {
                let reason = format!("{reason}; given up after {IN_A_ROW_MAX} new starts in a row");
                (State::Failed(reason.clone()), reason)
            }
            None => (State::Failed(reason.to_owned()), reason.to_owned()),
        };
        self.state = state;
        self.note(&note);
    }

    /// SIGTERM to the group, SIGKILL after the unit's time; whatever the group still has is killed at the end.
    async fn halt(&mut self) {
        let State::Running(mut run) = std::mem::replace(&mut self.state, State::Stopped) else { return };
        run.signal(Signal::TERM);
        let patience = Duration::from_secs(self.record.unit.stop_seconds.into());
        if timeout(patience, run.child.wait()).await.is_err() {
            self.note(&format!("did not end within {patience:?} of SIGTERM: killed"));
            run.signal(Signal::KILL);
            // Only a process stuck in the kernel outlives SIGKILL, and it cannot be helped.
            let _status = run.child.wait().await;
        }
        run.clear_up().await;
    }

    async fn write_down(&self) -> Result<(), String> {
        if self.built_in {
            return Ok(());
        }
        record::write(&self.place.records, &self.record).await.map_err(|error| format!("it cannot be kept: {error}"))
    }

    /// A line of ours in its log, where whoever looks for the reason looks first.
    fn note(&self, line: &str) {
        let name = &self.record.unit.name;
        tracing::info!(service = name, line, "service");
        let noted = journal::note(&self.place.layout.logs(), name, line);
        if let Err(error) = noted {
            tracing::warn!(service = name, %error, "log is not written");
        }
    }

    fn show(&self) {
        let status = match &self.state {
            State::Running(run) => ServiceStatus::Running { pid: run.pid },
            State::Stopped | State::Pausing(_) => ServiceStatus::Stopped,
            State::Failed(reason) => ServiceStatus::Failed { reason: reason.clone() },
        };
        let unit = self.record.unit.clone();
        self.shown.send_if_modified(|shown| {
            let moved = shown.status != status || shown.unit != unit;
            *shown = Shown { unit, status };
            moved
        });
    }
}

impl State {
    /// The next thing that happens by itself. Cancel-safe.
    async fn event(&mut self) -> Event {
        match self {
            Self::Running(run) => Event::Ended(run.child.wait().await),
            Self::Pausing(until) => {
                sleep_until(*until).await;
                Event::PauseOver
            }
            Self::Stopped | Self::Failed(_) => std::future::pending().await,
        }
    }
}

impl Run {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // A group that has ended is what is wanted.
            let _gone = kill_process_group(group, signal);
        }
    }

    /// Ends what the child left in its group, and lets the log have the last of the output.
    async fn clear_up(self) {
        self.signal(Signal::KILL);
        let _late = timeout(OUTPUT_WAIT, self.output).await;
    }
}

/// Copies what a child prints into its log until all who hold the pipe have closed it, or the machine is switched off.
async fn collect(output: PipeReader, mut journal: Journal, service: String, end: CancellationToken) {
    if let Some(Err(error)) = end.run_until_cancelled(copy(output, &mut journal)).await {
        tracing::warn!(service, %error, "output is lost");
    }
}

async fn copy(output: PipeReader, journal: &mut Journal) -> io::Result<()> {
    let mut output = pipe::Receiver::from_owned_fd(output.into())?;
    let mut chunk = vec![0; OUTPUT_CHUNK_BYTES];
    loop {
        let read = output.read(&mut chunk).await?;
        if read == 0 {
            return Ok(());
        }
        journal.write(&chunk[..read])?;
    }
}
