//! What is served: the routes, what every response carries, and what all handlers share.

mod about;
mod body;
mod gallery;
mod html;
mod message;
mod problem;
mod recent;
mod stamp;
mod upload;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tokio::sync::{Semaphore, watch};

use self::problem::Problem;
use crate::name::Name;
use crate::release::Release;
use crate::storage::Storage;

/// Uploads held in memory at once: with form overhead and a copy, about 20 MiB each.
const UPLOADS_IN_FLIGHT_MAX: usize = 16;

/// What all handlers share.
pub(crate) struct App {
    release: Release,
    id: Name,
    storage: Arc<dyn Storage>,
    /// True once the server takes its leave.
    draining: watch::Receiver<bool>,
    uploads: Semaphore,
    /// True while visits cannot be recorded, so that the log says so once.
    visits_lost: AtomicBool,
}

impl App {
    pub(crate) fn new(
        release: Release,
        id: Name,
        storage: Arc<dyn Storage>,
        draining: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let uploads = Semaphore::new(UPLOADS_IN_FLIGHT_MAX);
        Arc::new(Self { release, id, storage, draining, uploads, visits_lost: AtomicBool::new(false) })
    }

    fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }
}

/// The routes, with what surrounds each of them.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(about::index))
        .route("/set", get(message::set).post(message::set))
        .route("/get", get(message::get))
        .route("/recent", get(recent::list))
        .route("/upload", post(upload::upload))
        .route("/meow", get(gallery::page_of_images))
        .route("/image/{id}", get(gallery::image))
        .route(about::HEALTH_PATH, get(about::health))
        .route(about::VERSION_PATH, get(about::version))
        .fallback(async || Problem::NoSuchPage)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .layer(from_fn_with_state(Arc::clone(&app), recent::record))
        .layer(from_fn_with_state(Arc::clone(&app), stamp::stamp))
        .with_state(app)
}
