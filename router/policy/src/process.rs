//! `sluice.toml`: listeners, admin, store, folders and limits of the process.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use sluice_model::flag::FEATURE_FLAGS;
use sluice_model::weight::BasisPoints;

/// Port of the edge when no listener is configured.
pub const EDGE_PORT_DEFAULT: u16 = 8080;
/// Port of the admin API when none is configured.
pub const ADMIN_PORT_DEFAULT: u16 = 9900;
/// Hash tag of the fleet when none is configured.
pub const EDGE_DEFAULT: &str = "main";
/// Most workers that may be asked for; more than any machine has cores.
pub const WORKERS_MAX: usize = 1024;
/// Most connections per worker that may be asked for: the kernel's ceiling for open files (`fs.nr_open`).
pub const CONNECTIONS_MAX_MAX: usize = 1 << 20;

/// The process as configured.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ProcessConfig {
    /// Where requests come in; at least one.
    pub listeners: Vec<ListenerConfig>,
    /// Workers; `None` = one per core.
    pub workers: Option<usize>,
    /// The admin API.
    pub admin: AdminConfig,
    /// The store.
    pub store: StoreConfig,
    /// Folders, relative to the folder of `sluice.toml`.
    pub folders: Folders,
    /// Limits of the data plane.
    pub limits: ProcessLimits,
    /// The access log.
    pub access_log: AccessLog,
    /// Who is told what the chain did with a request, and how often.
    pub chain_trace: ChainTrace,
    /// Name servers for upstreams with `dns`, instead of those of the system; empty = those of the system.
    pub name_servers: Vec<SocketAddr>,
    /// Where alerts are told, sorted by name.
    pub sinks: Vec<SinkConfig>,
    /// Address of a page that shows alerts, for those who are told of one.
    pub alerts_link: Option<String>,
    /// The key that overrides of rollouts are signed with; `None` = none counts.
    pub override_key: Option<Secret>,
}

/// Where a secret stands. Never in the file itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// In this environment variable.
    Env(String),
    /// In this file, relative to the folder of `sluice.toml`; white space at its end does not count.
    File(PathBuf),
}

/// Where alerts are told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SinkConfig {
    /// Unique name.
    pub name: String,
    /// How.
    pub kind: SinkKind,
}

/// How alerts are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkKind {
    /// By mail.
    Smtp(SmtpConfig),
    /// By a POST of JSON.
    Webhook {
        /// `http://` or `https://`.
        url: String,
        /// Key of the signature (HMAC-SHA256); `None` = unsigned.
        secret: Option<Secret>,
    },
    /// By a POST in the form of Slack's incoming webhooks, whose URL is a secret.
    Slack {
        /// The URL.
        url: Secret,
    },
}

/// A mail server, and from whom to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SmtpConfig {
    /// Host of the server.
    pub host: String,
    /// Port; by default that of the encryption.
    pub port: Option<u16>,
    /// How the connection is encrypted.
    pub encryption: SmtpEncryption,
    /// Certificates (PEM) that are trusted beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// Name and password to log in with.
    pub login: Option<(String, Secret)>,
    /// Sender, as in `Sluice <sluice@example.org>`.
    pub from: String,
    /// Recipients, at least one.
    pub to: Vec<String>,
}

/// How a connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SmtpEncryption {
    /// STARTTLS, required (RFC 3207); port 587.
    #[default]
    StartTls,
    /// TLS from the first byte (RFC 8314); port 465.
    Tls,
    /// None; port 25. Only for a server on this machine, and without a login.
    None,
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerConfig {
    /// Address it binds; port 0 = any free port.
    pub address: SocketAddr,
    /// Peers whose `X-Forwarded-*` and `Forwarded` are believed; nobody by default.
    pub trusted_proxies: Vec<IpNet>,
    /// What becomes of an encoded slash in a path.
    pub encoded_slash: EncodedSlash,
    /// What becomes of a header field whose name has an underscore: CGI-like servers cannot tell it from a dash.
    pub underscores: Underscores,
}

impl ListenerConfig {
    /// A listener with every setting at its default.
    #[must_use]
    pub const fn new(address: SocketAddr) -> Self {
        Self { address, trusted_proxies: Vec::new(), encoded_slash: EncodedSlash::Keep, underscores: Underscores::Drop }
    }
}

/// What becomes of `%2F` in a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EncodedSlash {
    /// It stays, and separates no segments.
    #[default]
    Keep,
    /// The request is answered 400.
    Reject,
    /// It becomes a slash before anything is matched.
    Decode,
}

/// What becomes of a header field whose name has an underscore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Underscores {
    /// The field is dropped, as in nginx.
    #[default]
    Drop,
    /// The field is passed on.
    Allow,
    /// The request is answered 400.
    Reject,
}

/// Where the access log goes: one JSON object per line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AccessLog {
    /// Nowhere.
    Off,
    /// Standard error, beside the program's own log.
    #[default]
    Stderr,
    /// Standard output.
    Stdout,
    /// Appended to this file, relative to the folder of `sluice.toml`; reopened when it was moved away.
    File(PathBuf),
}

/// When a response tells what each plugin of its chain decided and how long it took, in `Server-Timing`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainTrace {
    /// Share of all requests whose responses tell it, whoever sent them; none by default.
    pub sample: BasisPoints,
    /// Clients that are told when they ask; nobody by default.
    pub ask_from: Vec<IpNet>,
}

/// The admin API.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdminConfig {
    /// Address it binds; port 0 = any free port.
    pub address: SocketAddr,
    /// Environment variable that holds the operator's token; always set when the address is not loopback.
    pub token_env: Option<String>,
    /// Environment variable that holds a token that may only read; set only beside `token_env`.
    pub read_token_env: Option<String>,
    /// Whether `GET|POST /on` exists.
    pub legacy_toggle: bool,
}

/// The store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreConfig {
    /// Where it is.
    pub url: StoreUrl,
    /// The fleet's hash tag: routers with the same one share their state.
    pub edge: String,
    /// Raw boolean keys that are watched.
    pub switches: Vec<String>,
}

/// Where the store is.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// In this process, in the data folder.
    Embedded,
    /// A Redis, in any topology: `redis://`, `rediss+sentinel://` and so on. May hold a password; `Debug` hides it.
    Redis(String),
}

/// Folders, relative to the folder of `sluice.toml` unless absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Folders {
    /// Policy files.
    pub routes: PathBuf,
    /// Plugin files.
    pub plugins: PathBuf,
    /// What the process writes.
    pub data: PathBuf,
}

/// Limits of the data plane.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessLimits {
    /// How long a shutdown waits for requests in flight.
    pub drain: Duration,
    /// How long a client may take to send the head of a request.
    pub header_read: Duration,
    /// How long a body may stand still, either way.
    pub body_idle: Duration,
    /// How long a connection may wait for its next request.
    pub keep_alive_idle: Duration,
    /// Connections per worker; some more are answered 503, the rest waits in the backlog.
    pub connections_max: usize,
    /// Bytes of a request's head; more is 431.
    pub head_bytes_max: usize,
    /// Header fields of a request; more is 431.
    pub header_fields_max: usize,
    /// Concurrent streams of one HTTP/2 connection.
    pub streams_max: u32,
    /// Requests of one connection; then it is told to go.
    pub requests_per_connection_max: u64,
    /// Age of a connection; then it is told to go. Spreads clients over workers and routers.
    pub connection_age_max: Duration,
}

impl Default for ProcessConfig {
    /// What runs without any `sluice.toml`.
    fn default() -> Self {
        Self {
            listeners: vec![ListenerConfig::new(SocketAddr::from((Ipv4Addr::LOCALHOST, EDGE_PORT_DEFAULT)))],
            workers: None,
            admin: AdminConfig::default(),
            store: StoreConfig::default(),
            folders: Folders::default(),
            limits: ProcessLimits::default(),
            access_log: AccessLog::default(),
            chain_trace: ChainTrace::default(),
            name_servers: Vec::new(),
            sinks: Vec::new(),
            alerts_link: None,
            override_key: None,
        }
    }
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, ADMIN_PORT_DEFAULT)),
            token_env: None,
            read_token_env: None,
            legacy_toggle: false,
        }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { url: StoreUrl::Embedded, edge: EDGE_DEFAULT.to_owned(), switches: vec![FEATURE_FLAGS.to_owned()] }
    }
}

impl Default for Folders {
    fn default() -> Self {
        Self { routes: "routes.d".into(), plugins: "plugins.d".into(), data: "data".into() }
    }
}

impl Default for ProcessLimits {
    fn default() -> Self {
        Self {
            drain: Duration::from_secs(10),
            header_read: Duration::from_secs(10),
            body_idle: Duration::from_secs(30),
            keep_alive_idle: Duration::from_secs(75),
            connections_max: 10_000,
            head_bytes_max: 64 << 10,
            header_fields_max: 100,
            streams_max: 128,
            requests_per_connection_max: 100_000,
            connection_age_max: Duration::from_secs(60 * 60),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str("Embedded"),
            Self::Redis(url) => write!(f, "Redis({:?})", sluice_document::fault::mask_credentials(url)),
        }
    }
}
