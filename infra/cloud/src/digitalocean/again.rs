//! Sends calls that only read again: a few times, further and further apart, each client at its own moment.

use std::time::Duration;

use reqwest::Url;
use tokio::time::sleep;

use super::call::Call;
use super::transport::{Answer, TURN_MAX, Transport};
use crate::error::CloudError;

/// Most sendings of one call.
const SENDINGS_MAX: u32 = 4;
/// The second one comes within this, the third within twice this, and so on.
const PAUSE: Duration = Duration::from_millis(500);

impl Transport {
    /// Sends the call; one that only reads, again if that may help.
    pub(super) async fn ask(&self, call: &Call, at: Option<&Url>) -> Result<Answer, CloudError> {
        let mut sendings = 1;
        loop {
            let error = match self.send(call, at).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let Some(pause) = pause(&error, sendings).filter(|_| call.only_reads() && sendings < SENDINGS_MAX) else {
                return Err(error);
            };
            tracing::debug!(call = call.shown(), %error, pause_ms = pause.as_millis(), "asking the cloud again");
            sleep(pause).await;
            sendings += 1;
        }
    }
}

/// How long to wait after this error; `None` = asking again does not help.
fn pause(error: &CloudError, sendings: u32) -> Option<Duration> {
    match error {
        // Full jitter: clients that failed together do not come back together.
        CloudError::Transient { .. } => Some((PAUSE * 2_u32.pow(sendings - 1)).mul_f64(rand::random::<f64>())),
        // The pace waits as long as it was told to, where that is not too long.
        CloudError::RateLimited { after } if *after <= TURN_MAX => Some(Duration::ZERO),
        CloudError::RateLimited { .. }
        | CloudError::Unauthorized { .. }
        | CloudError::Quota { .. }
        | CloudError::Unclear { .. }
        | CloudError::Invalid { .. }
        | CloudError::Answer { .. }
        | CloudError::Machine { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        let transient = CloudError::Transient { message: String::new() };
        for sendings in 1..SENDINGS_MAX {
            assert!(pause(&transient, sendings).unwrap() <= PAUSE * 2_u32.pow(sendings - 1));
        }
        assert!(pause(&CloudError::RateLimited { after: TURN_MAX }, 1).is_some());
        let longer = CloudError::RateLimited { after: TURN_MAX + Duration::from_millis(1) };
        assert!(pause(&longer, 1).is_none());
        assert!(pause(&CloudError::Unclear { message: String::new() }, 1).is_none());
    }
}
