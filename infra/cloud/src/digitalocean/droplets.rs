//! Droplets, their actions and tags.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::DigitalOcean;
use super::call::Call;
use crate::error::CloudError;
use crate::types::{CreateDroplet, Droplet, DropletId, DropletStatus};

/// Something that the cloud was asked to do and is doing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Action {
    /// Its id.
    pub id: u64,
    /// How it fares.
    pub status: ActionStatus,
    /// What it is: `create`, `destroy`, ..
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The droplet, or whatever it is about.
    #[serde(default)]
    pub resource_id: Option<u64>,
}

/// How an action fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionStatus {
    /// Not done yet.
    InProgress,
    /// Done.
    Completed,
    /// Failed; the droplet of a failed `create` turns 404.
    Errored,
    /// A word that is not known here.
    #[serde(untagged)]
    Other(String),
}

/// What an answer has of a droplet.
#[derive(Deserialize)]
pub(super) struct DropletEntry {
    id: u64,
    name: String,
    status: DropletStatus,
    #[serde(default)]
    region: Option<Slug>,
    #[serde(default)]
    size_slug: String,
    #[serde(default)]
    image: Option<Slug>,
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(default)]
    networks: Option<Networks>,
    #[serde(default)]
    created_at: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Slug {
    slug: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Networks {
    v4: Vec<Network>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Network {
    ip_address: String,
    #[serde(rename = "type")]
    kind: String,
}

impl DropletEntry {
    pub(super) fn read(self) -> Droplet {
        let networks = self.networks.unwrap_or_default().v4;
        let address = |kind: &str| {
            let network = networks.iter().find(|network| network.kind == kind);
            network.and_then(|network| network.ip_address.parse::<IpAddr>().ok())
        };
        let created = self.created_at.parse::<Timestamp>().unwrap_or_default();
        Droplet {
            id: DropletId(self.id.to_string()),
            public_address: address("public"),
            private_address: address("private"),
            name: self.name,
            status: self.status,
            region: self.region.and_then(|region| region.slug).unwrap_or_default(),
            size: self.size_slug,
            image: self.image.and_then(|image| image.slug),
            tags: self.tags.unwrap_or_default(),
            created_ms: u64::try_from(created.as_millisecond()).unwrap_or_default(),
        }
    }
}

impl DigitalOcean {
    /// The body of the request. Monitoring is on: the cloud's own figures are free, and tell of a droplet whose agent does not.
    pub(super) fn creation(wanted: &CreateDroplet) -> Call {
        let CreateDroplet { name, region, size, image, ssh_keys, tags, user_data } = wanted;
        let ssh_keys: Vec<serde_json::Value> =
            ssh_keys.iter().map(|key| key.parse::<u64>().map_or_else(|_| json!(key), |id| json!(id))).collect();
        Call::post(
            &["droplets"],
            json!({
                "name": name, "region": region, "size": size, "image": image,
                "ssh_keys": ssh_keys, "tags": tags, "user_data": user_data, "monitoring": true,
            }),
        )
    }

    /// Asks for the end of all droplets with this tag.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn delete_droplets(&self, tag: &str) -> Result<(), CloudError> {
        if tag.is_empty() {
            let message = "without a tag nothing is deleted".to_owned();
            return Err(CloudError::Invalid { message, request_id: None });
        }
        self.gone(&Call::delete(&["droplets"]).with("tag_name", tag)).await
    }

    /// An action; `None` = there is none.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn action(&self, id: u64) -> Result<Option<Action>, CloudError> {
        self.one_if_there(&Call::get(&["actions", &id.to_string()]), "action").await
    }

    /// What was done to a droplet, newest first: says why one did not come up.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn droplet_actions(&self, id: &DropletId) -> Result<Vec<Action>, CloudError> {
        self.all(Call::get(&["droplets", &id.0, "actions"]), "actions").await
    }

    /// Makes sure that a tag exists: firewalls name only tags that do.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn ensure_tag(&self, name: &str) -> Result<(), CloudError> {
        self.body(&Call::post(&["tags"], json!({ "name": name })), None).await.map(drop)
    }

    /// Names of all tags of the account.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn tags(&self) -> Result<Vec<String>, CloudError> {
        #[derive(Deserialize)]
        struct Tag {
            name: String,
        }
        let tags: Vec<Tag> = self.all(Call::get(&["tags"]), "tags").await?;
        Ok(tags.into_iter().map(|tag| tag.name).collect())
    }

    /// Removes a tag, from droplets too; one that is gone is fine.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn delete_tag(&self, name: &str) -> Result<(), CloudError> {
        self.gone(&Call::delete(&["tags", name])).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_droplet_is_read_whatever_else_it_has() {
        let bare: DropletEntry = serde_json::from_value(json!({"id": 7, "name": "a", "status": "shelved"})).unwrap();
        let bare = bare.read();
        assert_eq!(bare.status, DropletStatus::Other("shelved".into()));
        assert_eq!((bare.created_ms, bare.public_address), (0, None));
        let full: DropletEntry = serde_json::from_value(json!({
            "id": 3_164_444, "name": "a", "status": "active", "created_at": "2020-07-21T18:37:44Z", "colour": "blue",
            "region": {"slug": "fra1", "moon": true}, "size_slug": "s-1vcpu-1gb", "image": {"slug": null}, "tags": null,
            "networks": {"v4": [
                {"ip_address": "10.0.0.2", "type": "private"}, {"ip_address": "192.0.2.7", "type": "public"},
                {"ip_address": "192.0.2.8", "type": "public"},
            ], "v9": []},
        }))
        .unwrap();
        let full = full.read();
        assert_eq!(full.created_ms, 1_595_356_664_000);
        assert_eq!(full.public_address, Some("192.0.2.7".parse().unwrap()));
        assert_eq!(full.private_address, Some("10.0.0.2".parse().unwrap()));
        assert_eq!((full.region.as_str(), full.image, full.tags.len()), ("fra1", None, 0));
    }
}
