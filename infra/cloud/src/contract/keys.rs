//! Public keys.

use super::trial::{Broken, Trial, failed, promised};

/// What an ed25519 key begins with: the name of the algorithm, and the length of the key (RFC 8709 section 4, base64).
const BEGIN: &str = "AAAAC3NzaC1lZDI1NTE5AAAAI";
/// Letters that follow: 51 bytes are 68 letters.
const LETTERS: usize = 68 - BEGIN.len();
/// The letters of base64 (RFC 4648 section 4).
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A key has one id, however often and under whatever name it is brought.
pub(super) async fn a_key_is_kept_once(trial: &Trial<'_>) -> Result<(), Broken> {
    const CLAUSE: &str = "a key is kept once";
    let (cloud, key) = (trial.cloud, public_key());
    let name = format!("contract-{}", trial.word);
    let first = cloud.ensure_ssh_key(&name, &key).await.map_err(failed(CLAUSE))?;
    promised(!first.is_empty(), CLAUSE, || "its id is empty".to_owned())?;
    for (name, key) in [(name.as_str(), key.clone()), ("contract-other-name", format!("{key} a comment"))] {
        let again = cloud.ensure_ssh_key(name, &key).await.map_err(failed(CLAUSE))?;
        promised(again == first, CLAUSE, || format!("it was {first} and is {again} as `{name}`"))?;
    }
    let other = cloud.ensure_ssh_key(&name, &public_key()).await.map_err(failed(CLAUSE))?;
    promised(other != first, CLAUSE, || "another key of the same name has the same id".to_owned())?;
    for id in [&first, &other, &first] {
        cloud.delete_ssh_key(id).await.map_err(failed("deleting a key twice is fine"))?;
    }
    let anew = cloud.ensure_ssh_key(&name, &key).await.map_err(failed("a deleted key can be brought again"))?;
    cloud.delete_ssh_key(&anew).await.map_err(failed(CLAUSE))
}

/// A public key that nobody has the other half of.
fn public_key() -> String {
    // The first letter carries the last two bits of the length, which are 0, and four of the key.
    let letter = |place: usize| {
        let bits = rand::random::<u8>() % if place == 0 { 16 } else { 64 };
        char::from(BASE64[usize::from(bits)])
    };
    format!("ssh-ed25519 {BEGIN}{}", (0..LETTERS).map(letter).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_right_length_and_differ() {
        let key = public_key();
        assert_eq!(key.len(), "ssh-ed25519 ".len() + 68);
        assert_ne!(key, public_key());
    }
}
