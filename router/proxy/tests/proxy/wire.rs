//! An origin that plays a script and keeps every byte that it was sent, connection by connection.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::find;
use crate::origin::Origin;
use crate::router::Router;

/// What a script says when nothing more is to be awaited on a connection, only its end.
pub(crate) const NEVER: &str = "\0never";

pub(crate) struct Wire {
    pub(crate) origin: Origin,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// One step of a script: what is awaited since the last step, and what is written then.
pub(crate) type Step = (&'static str, &'static str);

impl Wire {
    /// Plays `script` on every connection, then closes it.
    pub(crate) async fn start(script: &'static [Step]) -> Self {
        let sent = Arc::new(Mutex::new(Vec::<Vec<u8>>::new()));
        let notes = Arc::clone(&sent);
        let origin = Origin::raw(move |mut stream, _| {
            let notes = Arc::clone(&notes);
            async move {
                let place = {
                    let mut notes = notes.lock().unwrap();
                    notes.push(Vec::new());
                    notes.len() - 1
                };
                let mut read_to = 0;
                for (awaited, answer) in script {
                    loop {
                        let found = find(&notes.lock().unwrap()[place][read_to..], awaited.as_bytes());
                        if let Some(at) = found {
                            read_to += at + awaited.len();
                            break;
                        }
                        let mut buffer = Vec::new();
                        if !matches!(stream.read_buf(&mut buffer).await, Ok(bytes) if bytes > 0) {
                            return;
                        }
                        notes.lock().unwrap()[place].extend(buffer);
                    }
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await;
        Self { origin, sent }
    }

    /// What came on each connection so far.
    pub(crate) fn sent(&self) -> Vec<String> {
        self.sent.lock().unwrap().iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    /// A router before it.
    pub(crate) fn router(&self) -> Router {
        Router::before(&self.origin)
    }
}
