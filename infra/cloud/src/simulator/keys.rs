//! Public keys of the account.

use data_encoding::BASE64;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::{Answer, Outcome, Refusal};
use super::pages::few;
use super::routes::Call;
use super::world::{ENTRIES_MAX, World};

/// A public key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Key {
    id: u64,
    name: String,
    fingerprint: String,
    public_key: String,
}

impl Key {
    fn value(&self) -> Value {
        let Self { id, name, fingerprint, public_key } = self;
        json!({ "id": id, "name": name, "fingerprint": fingerprint, "public_key": public_key })
    }
}

impl World {
    /// By number or by fingerprint.
    pub(super) fn key(&self, name: &str) -> Option<&Key> {
        let by_id = name.parse().ok().and_then(|id: u64| self.keys.get(&id));
        by_id.or_else(|| self.keys.values().find(|key| key.fingerprint == name))
    }
}

pub(super) fn list(call: &Call<'_>) -> Outcome {
    Ok(few(call.request, "ssh_keys", &call.world.keys.values().map(Key::value).collect::<Vec<_>>()))
}

pub(super) fn show(call: &Call<'_>, name: &str) -> Outcome {
    let key = call.world.key(name).ok_or_else(Refusal::not_found)?;
    Ok(Answer::json(200, &json!({ "ssh_key": key.value() })))
}

pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    #[derive(Deserialize)]
    struct Wanted {
        name: String,
        public_key: String,
    }
    let wanted: Wanted = call.request.json()?;
    let fingerprint = fingerprint(&wanted.public_key)
        .ok_or_else(|| Refusal::unprocessable("Key invalid, key should be of the format `type key [comment]`"))?;
    if call.world.keys.values().any(|key| key.fingerprint == fingerprint) {
        return Err(Refusal::unprocessable("SSH Key is already in use on your account"));
    }
    if call.world.keys.len() >= ENTRIES_MAX {
        return Err(Refusal::unprocessable("ssh key limit reached"));
    }
    let id = call.world.take_key_id();
    let key = Key { id, name: wanted.name, fingerprint, public_key: wanted.public_key };
    let answer = Answer::json(201, &json!({ "ssh_key": key.value() }));
    call.world.keys.insert(id, key);
    Ok(answer)
}

pub(super) fn rename(call: &mut Call<'_>, name: &str) -> Outcome {
    #[derive(Deserialize)]
    struct Wanted {
        name: String,
    }
    let wanted: Wanted = call.request.json()?;
    let id = call.world.key(name).ok_or_else(Refusal::not_found)?.id;
    let key = call.world.keys.get_mut(&id).ok_or_else(Refusal::not_found)?;
    key.name = wanted.name;
    Ok(Answer::json(200, &json!({ "ssh_key": key.value() })))
}

pub(super) fn delete(call: &mut Call<'_>, name: &str) -> Outcome {
    let id = call.world.key(name).ok_or_else(Refusal::not_found)?.id;
    call.world.keys.remove(&id);
    Ok(Answer::nothing())
}

/// As `ssh-keygen -E md5 -l` shows it, without the prefix.
fn fingerprint(public_key: &str) -> Option<String> {
    let mut words = public_key.split_whitespace();
    let algorithm = words.next()?;
    let blob = BASE64.decode(words.next()?.as_bytes()).ok()?;
    // The blob begins with the name of its algorithm (RFC 4253 section 6.6).
    let named = blob.get(4..4 + algorithm.len())?;
    if named != algorithm.as_bytes() {
        return None;
    }
    Some(Md5::digest(&blob).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_that_of_ssh_keygen() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPl6xUqxo1EOBFZHGMHXZUmjlwcQLvo5IJZQWfFBv0Yf me";
        assert_eq!(fingerprint(key).unwrap().len(), 47);
        assert_eq!(fingerprint("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIPl6xUqxo1EOBFZHGMHXZUmjlwcQLvo5IJZQWfFBv0Yf"), None);
        assert_eq!(fingerprint("ssh-ed25519"), None);
    }
}
