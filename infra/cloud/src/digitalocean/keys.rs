//! Public keys of the account.

use serde::Deserialize;
use serde_json::json;

use super::DigitalOcean;
use super::call::Call;
use crate::error::CloudError;

#[derive(Deserialize)]
struct Key {
    id: u64,
    public_key: String,
}

impl DigitalOcean {
    pub(super) async fn ensure_key(&self, name: &str, public_key: &str) -> Result<String, CloudError> {
        if let Some(id) = self.key(public_key).await? {
            return Ok(id);
        }
        let call = Call::post(&["account", "keys"], json!({ "name": name, "public_key": public_key.trim() }));
        match self.one::<Key>(&call, "ssh_key").await {
            Ok(key) => Ok(key.id.to_string()),
            // "SSH Key is already in use on your account": somebody was faster. A refusal for another reason stays one.
            Err(error @ CloudError::Invalid { .. }) => self.key(public_key).await?.ok_or(error),
            Err(error) => Err(error),
        }
    }

    /// The id of a key that the account has, under whatever name.
    async fn key(&self, public_key: &str) -> Result<Option<String>, CloudError> {
        let keys: Vec<Key> = self.all(Call::get(&["account", "keys"]), "ssh_keys").await?;
        let found = keys.iter().find(|key| parts(&key.public_key) == parts(public_key));
        Ok(found.map(|key| key.id.to_string()))
    }
}

/// Algorithm and key; what follows is a comment.
fn parts(public_key: &str) -> Vec<&str> {
    public_key.split_whitespace().take(2).collect()
}
