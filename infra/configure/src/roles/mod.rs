//! What each role needs, as resources.

mod common;
mod redis;
mod router;

pub(crate) use common::{agent_service, app, common};
pub(crate) use redis::{APP_USER, ROUTER_USER, data_user, redis};
pub(crate) use router::{rendered, router};

use sluice_infra_host::{Content, Resource};

/// Owner of what only root reads.
const ROOT: &str = "root";
/// The user that routers and releases run as.
const USER: &str = "sluice";
/// Readable by everyone.
const OPEN: u32 = 0o644;
/// Readable by its owner.
const CLOSED: u32 = 0o600;
/// A program or a folder.
const EXECUTABLE: u32 = 0o755;
/// Longest wait for a service's end, seconds: a router drains for ten.
const STOP_SECONDS: u32 = 30;

fn file(path: &str, content: Content, owner: &str, mode: u32) -> Resource {
    Resource::File { path: path.to_owned(), content, owner: owner.to_owned(), mode }
}

fn folder(path: &str, owner: &str, mode: u32) -> Resource {
    Resource::Folder { path: path.to_owned(), owner: owner.to_owned(), mode }
}
