//! `/v1/servers`: the servers of the fleet and their leases. `PUT` is a heartbeat, `DELETE` a farewell.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde::Serialize;
use sluice_model::lease::{SERVER_ID_BYTES_MAX, Server};

use crate::error::ApiError;
use crate::{Shared, api};

pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/v1/servers", get(list)).route("/v1/servers/{id}", get(show).put(renew).delete(leave))
}

#[derive(Debug, Serialize)]
struct View {
    #[serde(flatten)]
    server: Server,
    /// Milliseconds until the lease ends, if no heartbeat comes.
    lease_ms: u64,
}

fn views(context: &Shared) -> Vec<View> {
    let now_ms = api::now_ms();
    let leases = context.handle.cells().servers().read();
    leases
        .iter()
        .map(|lease| View { server: lease.server.clone(), lease_ms: lease.ends_ms.saturating_sub(now_ms) })
        .collect()
}

async fn list(State(context): State<Shared>) -> Json<Vec<View>> {
    Json(views(&context))
}

async fn show(State(context): State<Shared>, Path(id): Path<String>) -> Result<Json<View>, ApiError> {
    let found = views(&context).into_iter().find(|view| view.server.id == id);
    found.map(Json).ok_or_else(|| ApiError::NotFound(format!("no server `{id}` holds a lease")))
}

async fn renew(
    State(context): State<Shared>,
    Path(id): Path<String>,
    body: api::Body<Server>,
) -> Result<StatusCode, ApiError> {
    let server = body.0;
    check(&id, &server)?;
    context.handle.put_server(server).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn leave(State(context): State<Shared>, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    context.handle.delete_server(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn check(id: &str, server: &Server) -> Result<(), ApiError> {
    let fault = |message: &str| Err(ApiError::Invalid(message.to_owned()));
    if server.id != id {
        return fault("`id` in the body differs from the id in the path");
    }
    let safe = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    if id.is_empty() || id.len() > SERVER_ID_BYTES_MAX || !safe(id) {
        return fault("an id is 1 to 128 letters, digits, `-`, `_`, `.` or `:`");
    }
    if server.app.is_empty() || server.variant.is_empty() {
        return fault("`app` and `variant` must not be empty");
    }
    if server.addr.parse::<http::uri::Authority>().map_or(true, |authority| authority.port_u16().is_none()) {
        return fault("`addr` must be host:port");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(id: &str, addr: &str) -> Server {
        serde_json::from_value(serde_json::json!({"id": id, "addr": addr, "app": "meow", "variant": "stable"})).unwrap()
    }

    #[test]
    fn a_lease_names_itself_and_an_address_to_connect_to() {
        assert_eq!(check("meow-1", &server("meow-1", "127.0.0.1:80")), Ok(()));
        assert!(check("meow-2", &server("meow-1", "127.0.0.1:80")).is_err());
        for addr in ["127.0.0.1", "", "http://127.0.0.1:80/", "127.0.0.1:x"] {
            assert!(check("meow-1", &server("meow-1", addr)).is_err(), "{addr}");
        }
        let longest = "x".repeat(SERVER_ID_BYTES_MAX);
        assert_eq!(check(&longest, &server(&longest, "[::1]:80")), Ok(()));
        let longer = "x".repeat(SERVER_ID_BYTES_MAX + 1);
        assert!(check(&longer, &server(&longer, "[::1]:80")).is_err());
        assert!(check("a b", &server("a b", "127.0.0.1:80")).is_err());
    }
}
