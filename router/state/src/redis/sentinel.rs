//! Who the master is, as the Sentinels say. All are asked; whoever saw the last failover is believed.
//!
//! Asked each second, because after a planned failover the old master may go on talking to us for a while.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{Value, cmd};
use tokio::time::sleep;

use super::dial::Dialer;
use super::link::{ANSWER_WAIT_MAX, Lost, within};
use super::url::Host;

/// How often the Sentinels are asked.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// The Sentinels of one master.
pub(super) struct Sentinels {
    hosts: Vec<Host>,
    master: String,
    /// The highest failover that was seen; an answer from before it says nothing.
    failover: AtomicU64,
}

/// What one Sentinel says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    /// Raised by each failover, among all Sentinels.
    failover: u64,
    master: Host,
}

impl Sentinels {
    pub(super) fn new(hosts: &[Host], master: &str) -> Self {
        Self { hosts: hosts.to_vec(), master: master.to_owned(), failover: AtomicU64::default() }
    }

    /// The master, which says itself that it is one.
    pub(super) async fn master(&self, dialer: &Dialer) -> Result<Host, Lost> {
        let master =
            self.ask(dialer, &Connections::default()).await.ok_or_else(|| Lost::NoMaster(self.master.clone()))?;
        let mut connection = dialer.redis(&master).await?;
        let role: Vec<Value> =
            within(ANSWER_WAIT_MAX, "ask for the role", cmd("ROLE").query_async(&mut connection)).await?;
        if role.first() != Some(&Value::BulkString(b"master".to_vec())) {
            return Err(Lost::NotMaster(master));
        }
        Ok(master)
    }

    /// Returns once the Sentinels name another master. That none of them answers is no news of the master.
    pub(super) async fn moved(self: Arc<Self>, dialer: Arc<Dialer>, master: Host) -> Lost {
        let connections = Connections::default();
        loop {
            sleep(ASK_EVERY).await;
            if self.ask(&dialer, &connections).await.is_some_and(|found| found != master) {
                return Lost::NotMaster(master);
            }
        }
    }

    async fn ask(&self, dialer: &Dialer, connections: &Connections) -> Option<Host> {
        let answers = join_all(self.hosts.iter().map(|host| self.ask_one(dialer, connections, host))).await;
        let seen = self.failover.load(Ordering::Relaxed);
        let newest = newest(answers.into_iter().flatten(), seen)?;
        self.failover.store(newest.failover, Ordering::Relaxed);
        Some(newest.master)
    }

    async fn ask_one(&self, dialer: &Dialer, connections: &Connections, host: &Host) -> Option<Answer> {
        let mut connection = match connections.take(host) {
            Some(connection) => connection,
            None => dialer.sentinel(host).await.inspect_err(|lost| unreachable(host, lost)).ok()?,
        };
        let mut question = cmd("SENTINEL");
        question.arg("MASTER").arg(&self.master);
        let asked = within(ANSWER_WAIT_MAX, "ask a Sentinel", question.query_async(&mut connection)).await;
        let fields: BTreeMap<String, String> = asked.inspect_err(|lost| unreachable(host, lost)).ok()?;
        connections.keep(host, connection);
        answer(&fields)
    }
}

/// What a Sentinel says of a master, unless it makes no sense.
fn answer(fields: &BTreeMap<String, String>) -> Option<Answer> {
    let master = Host { name: fields.get("ip")?.clone(), port: fields.get("port")?.parse().ok()? };
    Some(Answer { failover: fields.get("config-epoch")?.parse().ok()?, master })
}

/// The answer of whoever saw the last failover, if that is no older one than was `seen` before.
fn newest(answers: impl Iterator<Item = Answer>, seen: u64) -> Option<Answer> {
    answers.filter(|answer| answer.failover >= seen).max_by_key(|answer| answer.failover)
}

fn unreachable(host: &Host, lost: &Lost) {
    tracing::debug!(sentinel = %host, reason = lost.describe(), "a Sentinel does not answer");
}

/// Connections that answered last time; one that did not is opened anew.
#[derive(Default)]
struct Connections(Mutex<BTreeMap<Host, MultiplexedConnection>>);

impl Connections {
    fn take(&self, host: &Host) -> Option<MultiplexedConnection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(host)
    }

    fn keep(&self, host: &Host, connection: MultiplexedConnection) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(host.clone(), connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(failover: u64, name: &str) -> Answer {
        Answer { failover, master: Host { name: name.to_owned(), port: 1 } }
    }

    #[test]
    fn whoever_saw_the_last_failover_is_believed_and_nobody_goes_back() {
        let answers = [says(1, "old"), says(2, "new"), says(1, "old")];
        assert_eq!(newest(answers.clone().into_iter(), 0), Some(says(2, "new")));
        assert_eq!(newest(answers.into_iter(), 3), None);
        assert_eq!(newest([says(3, "new")].into_iter(), 3), Some(says(3, "new")));
        assert_eq!(newest([].into_iter(), 0), None);
    }

    #[test]
    fn nonsense_of_a_sentinel_is_no_answer() {
        let fields = |port: &str| {
            let fields = [("ip", "10.0.0.1"), ("port", port), ("config-epoch", "7")];
            fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
        };
        assert_eq!(answer(&fields("6379")).map(|answer| answer.failover), Some(7));
        assert_eq!(answer(&fields("x")), None);
        assert_eq!(answer(&BTreeMap::new()), None);
    }
}
