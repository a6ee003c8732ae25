//! The supervisor's side of the socket: it hands each request to the task of its service.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::journal;
use super::protocol::{self, REQUEST_BYTES_MAX, Reply, Request};
use super::record::{self, Record};
use super::service::{Order, Place, Service, Shown};
use crate::init::{InitError, ServiceStatus};
use crate::layout::Layout;
use crate::manifest::ServiceUnit;
use crate::unit;

/// Most services of a machine: 16 ports of releases for each of a handful of apps, and ours.
const SERVICES_MAX: usize = 128;
/// Most clients at a time; others wait to be accepted.
const CLIENTS_MAX: usize = 64;
/// How long a client may take between two requests.
const CLIENT_IDLE_MAX: Duration = Duration::from_secs(60);
/// Pause after a client that could not be accepted, mostly for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Orders that wait while a service is being stopped.
const ORDERS_MAX: usize = 16;
/// Most lines of a log in one answer.
const LOG_LINES_MAX: usize = 10_000;
/// For errors that are of the machine, not of a service.
const INIT: &str = "supervisor";

/// What a supervisor needs to know.
#[derive(Debug)]
pub struct ServerSettings {
    /// Where the machine's files are.
    pub layout: Layout,
    /// What every service finds in its environment, beside `SLUICE_ROOT`. Nothing else is inherited.
    pub environment: BTreeMap<String, String>,
}

/// A supervisor that listens, but does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    machine: Arc<Machine>,
    stop: CancellationToken,
    /// The path of the socket leads through this descriptor.
    _folder: File,
}

#[derive(Debug)]
struct Machine {
    place: Arc<Place>,
    services: Mutex<HashMap<String, Handle>>,
}

#[derive(Clone, Debug)]
struct Handle {
    orders: mpsc::Sender<Order>,
    shown: watch::Receiver<Shown>,
    built_in: bool,
}

impl Server {
    /// Opens the socket, for its owner only, and starts the services that ran when the machine went down.
    ///
    /// # Errors
    /// [`InitError::Away`] if a folder or the socket cannot be made.
    pub fn open(settings: ServerSettings) -> Result<Self, InitError> {
        let away = |error: io::Error| InitError::Away { init: INIT, message: error.to_string() };
        let ServerSettings { layout, environment } = settings;
        let folder = protocol::folder(&layout);
        std::fs::create_dir_all(&folder).map_err(away)?;
        let (folder, path) = protocol::short_path(&folder).map_err(away)?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(away(error)),
            _ => {}
        }
        let listener = UnixListener::bind(&path).map_err(away)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(away)?;
        let records = record::folder(&layout);
        let known = record::all(&records).map_err(away)?;
        let (tasks, outputs, outputs_end) = (TaskTracker::new(), TaskTracker::new(), CancellationToken::new());
        let place = Place { layout, environment, records, tasks, outputs, outputs_end };
        let machine = Machine { place: Arc::new(place), services: Mutex::default() };
        let server = Self { listener, machine: Arc::new(machine), stop: CancellationToken::new(), _folder: folder };
        for record in known {
            server.machine.add(record, false).map_err(|message| InitError::Away { init: INIT, message })?;
        }
        Ok(server)
    }

    /// Runs a service of the machine itself, e.g. its sshd. Clients can see it, and nothing more.
    ///
    /// # Errors
    /// [`InitError::Refused`] if the unit cannot run.
    pub fn run_built_in(&self, unit: ServiceUnit) -> Result<(), InitError> {
        let service = unit.name.clone();
        let refused = |message| InitError::Refused { service, message };
        if let Err(message) = unit::check(&unit) {
            return Err(refused(message));
        }
        self.machine.add(Record { unit, wanted: true }, true).map(drop).map_err(refused)
    }

    /// Answers until `stop`; then stops all services, each within its time, and returns.
    pub async fn serve(self, stop: CancellationToken) {
        let Self { listener, machine, stop: clients_stop, _folder } = self;
        let clients = Arc::new(Semaphore::new(CLIENTS_MAX));
        let tasks = &machine.place.tasks;
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = async {
                    let seat = Arc::clone(&clients).acquire_owned().await;
                    (seat, listener.accept().await)
                } => accepted,
            };
            match accepted {
                (Ok(seat), Ok((stream, _))) => {
                    let (machine, stop) = (Arc::clone(&machine), clients_stop.clone());
                    tasks.spawn(async move {
                        let _seat = seat;
                        if let Some(Err(error)) = stop.run_until_cancelled(machine.converse(stream)).await {
                            tracing::debug!(%error, "client of the init");
                        }
                    });
                }
                (_, Err(error)) => {
                    tracing::warn!(%error, "client of the init is not accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
                (Err(_), _) => break,
            }
        }
        clients_stop.cancel();
        // A service ends when nobody can give it orders any more.
        machine.services.lock().unwrap_or_else(PoisonError::into_inner).clear();
        tasks.close();
        tasks.wait().await;
        machine.place.outputs_end.cancel();
        machine.place.outputs.close();
        machine.place.outputs.wait().await;
    }
}

impl Machine {
    fn add(&self, record: Record, built_in: bool) -> Result<Handle, String> {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        if services.len() >= SERVICES_MAX {
            return Err(format!("there are {SERVICES_MAX} services already"));
        }
        let name = record.unit.name.clone();
        if let Some(known) = services.get(&name) {
            return Ok(known.clone());
        }
        let (orders, received) = mpsc::channel(ORDERS_MAX);
        let (service, shown) = Service::new(Arc::clone(&self.place), record, built_in);
        self.place.tasks.spawn(service.keep(received));
        let handle = Handle { orders, shown, built_in };
        services.insert(name, handle.clone());
        drop(services);
        Ok(handle)
    }

    fn find(&self, name: &str) -> Option<Handle> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    async fn converse(&self, stream: UnixStream) -> io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut read = BufReader::new(read);
        while let Some(request) = timeout(CLIENT_IDLE_MAX, protocol::receive(&mut read, REQUEST_BYTES_MAX)).await?? {
            let reply = self.answer(request).await.unwrap_or_else(Reply::Refused);
            protocol::send(&mut write, &reply).await?;
        }
        Ok(())
    }

    async fn answer(&self, request: Request) -> Result<Reply, String> {
        unit::check_name(request.service())?;
        let known = self.find(request.service());
        let changes = !matches!(request, Request::Installed { .. } | Request::Status { .. } | Request::Log { .. });
        if changes && known.as_ref().is_some_and(|handle| handle.built_in) {
            return Err("it belongs to the machine itself".into());
        }
        match (request, known) {
            (Request::Install { unit }, known) => self.install(unit, known).await.map(Reply::Changed),
            (Request::Installed { .. }, known) => {
                Ok(Reply::Unit(known.map(|handle| Box::new(handle.shown.borrow().unit.clone()))))
            }
            (Request::Status { .. }, known) => {
                Ok(Reply::Status(known.map_or(ServiceStatus::Unknown, |handle| handle.shown.borrow().status.clone())))
            }
            (Request::Log { name, lines_max }, _) => self.tail(name, lines_max).await.map(Reply::Lines),
            (Request::Remove { .. }, None) => Ok(Reply::Done),
            (Request::Remove { name }, Some(handle)) => {
                handle.order(Order::Remove).await?;
                self.services.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
                Ok(Reply::Done)
            }
            (Request::Start { .. } | Request::Stop { .. }, None) => Err("there is no such service".into()),
            (Request::Start { .. }, Some(handle)) => handle.order(Order::Start).await.map(|_| Reply::Done),
            (Request::Stop { .. }, Some(handle)) => handle.order(Order::Stop).await.map(|_| Reply::Done),
        }
    }

    async fn install(&self, unit: ServiceUnit, known: Option<Handle>) -> Result<bool, String> {
        unit::check(&unit)?;
        let Some(handle) = known else {
            let handle = self.add(Record { unit: unit.clone(), wanted: false }, false)?;
            // Written down by its task, as every change is.
            handle.order(|answer| Order::Install(Box::new(unit), answer)).await?;
            return Ok(true);
        };
        handle.order(|answer| Order::Install(Box::new(unit), answer)).await
    }

    async fn tail(&self, service: String, lines_max: usize) -> Result<Vec<String>, String> {
        let folder = self.place.layout.logs();
        let read = move || journal::tail(&folder, &service, lines_max.min(LOG_LINES_MAX));
        let lines = tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())?;
        lines.map_err(|error| format!("its log cannot be read: {error}"))
    }
}

impl Handle {
    async fn order(&self, order: impl FnOnce(oneshot::Sender<Result<bool, String>>) -> Order) -> Result<bool, String> {
        let (answer, answered) = oneshot::channel();
        self.orders.send(order(answer)).await.map_err(|_| "it is being removed")?;
        answered.await.map_err(|_| "it is being removed")?
    }
}
