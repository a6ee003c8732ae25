//! Writes to the embedded store in the folder given and prints each epoch that was acknowledged, until it is killed.
//! The contract test kills it and looks whether the file still holds the last one printed.

use std::io::Write as _;

use sluice_model::rollout::{Command, Rollout};
use sluice_model::weight::BasisPoints;
use sluice_state::{Backend, Config, Event};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: acknowledge FOLDER")?;
    let tracker = TaskTracker::new();
    let config = Config::new(Backend::Embedded, "main", Vec::new(), folder);
    let (store, mut events) = sluice_state::open(config, &tracker, CancellationToken::new()).await?;
    tracker.spawn(async move {
        while let Some(event) = events.recv().await {
            if let Event::Fence(fence) = event {
                let _gone = fence.send(());
            }
        }
    });
    let initial = Rollout::initial(BasisPoints::FULL, "salt".to_owned(), "example", 0);
    let mut rollout = store.ensure_rollout("demo", &initial).await?;
    let mut out = std::io::stdout();
    loop {
        let weight = BasisPoints::new(if rollout.weight_bps == BasisPoints::FULL { 1 } else { 10_000 })?;
        rollout = store.apply_rollout("demo", &Command::set_weight(weight), "example".into(), 0, None).await?;
        writeln!(out, "{}", rollout.epoch)?;
        out.flush()?;
    }
}
