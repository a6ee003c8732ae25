//! Effects: what workers hand over, told apart and passed on, so that no kind waits for another.

use std::collections::VecDeque;
use std::sync::Arc;

use sluice_model::alert::{Alert, AlertId};
use sluice_snapshot::{Effect, LostBy, Plugin};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::clock::now_ms;
use crate::quarantine::{self, Quarantined};

/// Alerts that wait for the store. The abort behind an alert is not among them: it waits in its rollout's cell.
pub(crate) const ALERTS_WAITING_MAX: usize = 1_024;
/// Lost instances that wait to be replaced; a plugin that loses more than this at a time has no use for them.
pub(crate) const LOSSES_WAITING_MAX: usize = 256;
/// Ids of the newest alerts, to tell a duplicate without asking the store.
const RECENT_MAX: usize = 256;
/// How often the same alert is passed on, so that the store knows that it goes on.
const REPEAT_MS: u64 = 1_000;

/// An instance that is gone.
#[derive(Debug)]
pub(crate) struct Loss {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) by: LostBy,
}

/// Tells effects apart.
#[derive(Debug)]
pub(crate) struct Dispatch {
    alerts: mpsc::Sender<Alert>,
    losses: mpsc::Sender<Loss>,
    quarantines: mpsc::Sender<Quarantined>,
    board: Arc<Board>,
    recent: VecDeque<(AlertId, u64)>,
}

impl Dispatch {
    pub(crate) const fn new(
        alerts: mpsc::Sender<Alert>,
        losses: mpsc::Sender<Loss>,
        quarantines: mpsc::Sender<Quarantined>,
        board: Arc<Board>,
    ) -> Self {
        Self { alerts, losses, quarantines, board, recent: VecDeque::new() }
    }

    /// Runs until control stops, and then once through what waits.
    pub(crate) async fn run(mut self, mut effects: mpsc::Receiver<Effect>, stop: CancellationToken) {
        loop {
            let effect = tokio::select! {
                effect = effects.recv() => effect,
                () = stop.cancelled() => break,
            };
            match effect {
                Some(effect) => self.dispatch(effect),
                None => break,
            }
        }
        while let Ok(effect) = effects.try_recv() {
            self.dispatch(effect);
        }
    }

    fn dispatch(&mut self, effect: Effect) {
        match effect {
            Effect::Alert(alert) => self.dispatch_alert(*alert),
            Effect::InstanceLost { plugin, by } => {
                // When the queue is full, the plugin's other losses bring a spare as well.
                let _full = self.losses.try_send(Loss { plugin, by });
            }
            Effect::Quarantined { plugin, reason } => {
                let quarantined = Quarantined { plugin, reason };
                self.dispatch_alert(quarantine::alert(&quarantined));
                // When the queue is full, the alert says it all the same.
                let _full = self.quarantines.try_send(quarantined);
            }
        }
    }

    fn dispatch_alert(&mut self, alert: Alert) {
        let now_ms = now_ms();
        self.recent.retain(|(_, at_ms)| now_ms.saturating_sub(*at_ms) < REPEAT_MS);
        if self.recent.iter().any(|(id, _)| *id == alert.id) {
            return;
        }
        let id = alert.id.clone();
        if self.alerts.try_send(alert).is_err() {
            self.board.update(|content| content.alerts_dropped += 1);
            return;
        }
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back((id, now_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(name: &str) -> Effect {
        Effect::Alert(Box::new(Alert {
            id: AlertId::derive(&[name]),
            rule: "upload-size".to_owned(),
            fingerprint: name.to_owned(),
            route: "app".to_owned(),
            plugin: "upload-alert".to_owned(),
            message: String::new(),
            observed: 50_001,
            limit: 50_000,
            variant: None,
            rollout: None,
            request_id: String::new(),
            at_ms: 0,
            ..Alert::default()
        }))
    }

    #[tokio::test]
    async fn duplicates_are_dropped_and_what_waits_is_bounded() {
        let board = Arc::new(Board::new("embedded"));
        let (alerts, mut waiting) = mpsc::channel(ALERTS_WAITING_MAX);
        let (losses, _lost) = mpsc::channel(LOSSES_WAITING_MAX);
        let (quarantines, _begun) = mpsc::channel(1);
        let mut dispatch = Dispatch::new(alerts, losses, quarantines, Arc::clone(&board));
        dispatch.dispatch(alert("0"));
        dispatch.dispatch(alert("0"));
        for index in 1..ALERTS_WAITING_MAX {
            dispatch.dispatch(alert(&index.to_string()));
        }
        assert_eq!(board.read().alerts_dropped, 0);
        dispatch.dispatch(alert("one more"));
        assert_eq!(board.read().alerts_dropped, 1);
        assert_eq!(dispatch.recent.len(), RECENT_MAX);
        drop(dispatch);
        let mut stored = 0;
        while waiting.recv().await.is_some() {
            stored += 1;
        }
        assert_eq!(stored, ALERTS_WAITING_MAX);
    }
}
