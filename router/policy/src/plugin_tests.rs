//! What `sluice plugin test` and `sluice plugin bench` are told: a plugin's configuration and rights, and requests with what
//! must come of them.

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, Method, StatusCode};

use crate::plugin::{Grants, Plugin};
use crate::policy::Policy;

/// When a request comes unless its case says otherwise, in Unix milliseconds: a fixed moment, so that a run repeats itself.
pub const NOW_MS_DEFAULT: u64 = 1_700_000_000_000;
/// Bytes of a chunk unless the case says otherwise: about what one read of a socket brings.
pub const CHUNK_BYTES_DEFAULT: usize = 16 << 10;

/// Longest name of a golden file, its extension aside; file systems take 255 bytes.
const FILE_STEM_BYTES_MAX: usize = 200;

/// A file of cases.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PluginTests {
    /// Config and limits; its grants are those of the file, or none.
    pub plugin: Plugin,
    /// What it may do; `None` = exactly what its manifest needs.
    pub grants: Option<Grants>,
    /// Declares the rollouts of the file and nothing else: their sticky keys are fields of requests.
    pub policy: Policy,
    /// In order.
    pub cases: Vec<PluginCase>,
}

/// One request, and what must come of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PluginCase {
    /// Unique name.
    pub name: String,
    /// State keys that change before it, and their value as JSON; `None` = the key goes. They stay for later cases.
    pub state: Vec<(String, Option<String>)>,
    /// The request.
    pub request: CaseRequest,
    /// Its body, if it has one.
    pub body: Option<CaseBody>,
    /// What a server answers; `None` = the response phase is not tried.
    pub response: Option<CaseResponse>,
    /// Unix time that the plugin is told, in ms.
    pub now_ms: u64,
    /// Random number that the plugin is told.
    pub random: u64,
    /// What must come of it.
    pub expect: CaseExpect,
}

/// The head of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseRequest {
    /// Method.
    pub method: Method,
    /// Whole address.
    pub url: String,
    /// Header fields.
    pub headers: HeaderMap,
    /// Address of the client.
    pub client: IpAddr,
}

/// The body of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseBody {
    /// What it is.
    pub content: BodyContent,
    /// Whether a `Content-Length` announces it.
    pub is_declared: bool,
    /// Bytes of the chunks in which it comes.
    pub chunk_bytes: usize,
}

/// What a body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyContent {
    /// So many bytes of any kind.
    Bytes(u64),
    /// This text.
    Text(String),
    /// A form with one file of so many bytes.
    MultipartFile(u64),
}

/// The head of a server's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseResponse {
    /// Status.
    pub status: StatusCode,
    /// Header fields.
    pub headers: HeaderMap,
}

/// What must come of a request; `None` = anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CaseExpect {
    /// `next`, `respond`, `variant:NAME`, `failed` (a call failed) or `refused` (it refused new state).
    pub verdict: Option<String>,
    /// Status of the plugin's own answer.
    pub status: Option<u16>,
    /// Body of the plugin's own answer.
    pub body: Option<String>,
    /// Header fields that the plugin's own answer has, among others.
    pub headers: Vec<(String, String)>,
    /// All edits, in order, such as `set x-a: 1`.
    pub edits: Option<Vec<String>>,
    /// All effects but log lines, in order, such as `alert upload-size`.
    pub effects: Option<Vec<String>>,
    /// All log lines, in order.
    pub log: Option<Vec<String>>,
    /// Whether it is called at all.
    pub is_called: Option<bool>,
}

impl PluginCase {
    /// A request that expects nothing.
    #[must_use]
    pub fn new(name: String, request: CaseRequest) -> Self {
        Self {
            name,
            state: Vec::new(),
            request,
            body: None,
            response: None,
            now_ms: NOW_MS_DEFAULT,
            random: 0,
            expect: CaseExpect::default(),
        }
    }
}

impl CaseRequest {
    /// A `GET` from this machine without header fields.
    #[must_use]
    pub fn new(url: String) -> Self {
        Self { method: Method::GET, url, headers: HeaderMap::new(), client: IpAddr::V4(Ipv4Addr::LOCALHOST) }
    }
}

/// Name of the golden file of the case `name`, without its extension: what is no letter, digit, `.`, `_` or `-` becomes `-`.
#[must_use]
pub fn file_stem(name: &str) -> String {
    let plain = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' | '.' => character,
        _ => '-',
    };
    // No file of the folder above, and none that is hidden.
    let stem: String = name.chars().map(plain).take(FILE_STEM_BYTES_MAX).collect();
    if stem.starts_with('.') { format!("-{stem}") } else { stem }
}
