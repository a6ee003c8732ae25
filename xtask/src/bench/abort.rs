//! Requests that reach the canary after an upload has ended it: on the router that saw it, and on another one.
//!
//! Many connections ask each of the two routers for half stable, half canary, each request after the answer before. Then
//! 50,001 bytes are sent to the first one. A request counts as late if it was sent after the answer to that upload had
//! arrived and was served by the canary all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Figure;
use super::http::Connection;
use super::propagation::percentiles;
use super::site::Site;
use crate::demo::interrupts::Interrupts;

/// Times that the canary is ended.
const ROUNDS: usize = 50;
/// Connections to each of the two routers.
const CONNECTIONS: usize = 16;
/// One byte above the limit of the policy.
const UPLOAD_BYTES: usize = 50_001;

/// A request that the canary answered.
type SentAt = Instant;

/// What the load on one router saw.
#[derive(Default)]
struct Load {
    requests: usize,
    by_canary: Vec<SentAt>,
}

/// Measures.
pub(super) fn measure(site: &mut Site, interrupts: &Interrupts) -> Result<Vec<Figure>> {
    let [first, second, ..] = site.routers.as_slice() else { anyhow::bail!("two routers are needed") };
    let (first, second) = (first.edge.clone(), second.edge.clone());
    let (mut local, mut remote, mut requests) = (0, 0, 0);
    let mut until_last = Vec::new();
    for round in 0..ROUNDS {
        if round > 0 {
            site.resume(interrupts)?;
        }
        let is_over = Arc::new(AtomicBool::new(false));
        let loads = [&first, &second].map(|edge| start_load(edge, &is_over));
        // Long enough for every connection to be under way.
        interrupts.pause()?;
        let answer = Connection::open(&first)?.ask("/upload", "uploader", &[7; UPLOAD_BYTES])?;
        let ended = Instant::now();
        ensure!(answer.status == 200, "the upload was answered {}", answer.status);
        site.await_state("aborted", interrupts)?;
        interrupts.pause()?;
        is_over.store(true, Ordering::Relaxed);
        let [here, there] = loads.map(finish);
        let (here, there) = (here?, there?);
        for load in [&here, &there] {
            let before = load.by_canary.iter().filter(|sent| **sent < ended).count();
            ensure!(before > 0, "the canary served nothing before round {round}");
            requests += load.requests;
        }
        let late = |load: &Load| load.by_canary.iter().filter(|sent| **sent >= ended).copied().collect::<Vec<_>>();
        local += late(&here).len();
        let late_there = late(&there);
        remote += late_there.len();
        until_last.push(late_there.iter().max().map_or(Duration::ZERO, |sent| *sent - ended));
    }
    let of = format!("{ROUNDS} aborts, {CONNECTIONS} connections a router, {requests} requests in all");
    Ok(vec![
        Figure::new(format!("late requests on the router that saw the upload ({of})"), local.to_string()),
        Figure::new("late requests on another router, all rounds together", remote.to_string()),
        Figure::new(
            "from the upload's answer to the last request that another router sent to the canary",
            percentiles(until_last),
        ),
    ])
}

fn start_load(edge: &str, is_over: &Arc<AtomicBool>) -> Vec<JoinHandle<Result<Load>>> {
    let connection = |number: usize| {
        let (edge, is_over) = (edge.to_owned(), Arc::clone(is_over));
        thread::spawn(move || load(&edge, number, &is_over))
    };
    (0..CONNECTIONS).map(connection).collect()
}

/// Asks as one new user after the other.
fn load(edge: &str, number: usize, is_over: &AtomicBool) -> Result<Load> {
    let mut connection = Connection::open(edge)?;
    let mut load = Load::default();
    while !is_over.load(Ordering::Relaxed) {
        let uid = format!("{number}-{}", load.requests);
        let sent = Instant::now();
        let answer = connection.ask("/get", &uid, b"")?;
        load.requests += 1;
        if answer.variant.as_deref() == Some("canary") {
            load.by_canary.push(sent);
        }
    }
    Ok(load)
}

fn finish(connections: Vec<JoinHandle<Result<Load>>>) -> Result<Load> {
    let mut sum = Load::default();
    for connection in connections {
        let load = connection.join().ok().context("a connection broke off")??;
        sum.requests += load.requests;
        sum.by_canary.extend(load.by_canary);
    }
    Ok(sum)
}
