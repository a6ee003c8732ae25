//! What no cloud takes: it says so at once, and makes nothing.

use crate::checks::{NAME_BYTES_MAX, TAG_BYTES_MAX, USER_DATA_BYTES_MAX};
use crate::error::CloudError;
use crate::types::CreateDroplet;

use super::trial::{Broken, Trial, broken, failed, promised};

/// Each of these is refused as invalid, and no droplet comes of it.
pub(super) async fn what_cannot_be_is_refused(trial: &Trial<'_>) -> Result<(), Broken> {
    const CLAUSE: &str = "what was refused is not made";
    for (clause, spoil) in SPOILT {
        let mut wanted = trial.wanted("refused");
        spoil(&mut wanted);
        match trial.cloud.create_droplet(&wanted).await {
            Err(CloudError::Invalid { .. }) => {}
            Err(source) => return Err(Broken::Call { clause, source }),
            Ok(droplet) => return Err(broken(clause, format!("it was taken as {}", droplet.id))),
        }
    }
    let made = trial.cloud.droplets(&trial.own_tag("refused")).await.map_err(failed(CLAUSE))?;
    promised(made.is_empty(), CLAUSE, || format!("there are {made:?}"))
}

type Spoil = fn(&mut CreateDroplet);

const SPOILT: [(&str, Spoil); 9] = [
    ("an unknown region is refused", |wanted| wanted.region = "nowhere9".to_owned()),
    ("an unknown size is refused", |wanted| wanted.size = "s-999vcpu-1gb".to_owned()),
    ("an unknown image is refused", |wanted| wanted.image = "no-such-image".to_owned()),
    ("a name that is no host name is refused", |wanted| wanted.name = "not a host_name".to_owned()),
    ("an empty name is refused", |wanted| wanted.name = String::new()),
    ("a name one byte too long is refused", |wanted| wanted.name = "a".repeat(NAME_BYTES_MAX + 1)),
    ("a tag one byte too long is refused", |wanted| wanted.tags.push("a".repeat(TAG_BYTES_MAX + 1))),
    // DigitalOcean takes it, and the droplet turns 404 later.
    ("user-data that is not ASCII is refused", |wanted| wanted.user_data.push('🐈')),
    ("user-data one byte too long is refused", |wanted| wanted.user_data = padded(wanted, USER_DATA_BYTES_MAX + 1)),
];

/// Its user-data, with line ends up to this length: JSON and YAML do not mind them.
pub(super) fn padded(wanted: &CreateDroplet, bytes: usize) -> String {
    let missing = bytes.saturating_sub(wanted.user_data.len());
    format!("{}{}", wanted.user_data, "\n".repeat(missing))
}
