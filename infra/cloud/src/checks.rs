//! What is checked before any cloud is asked for a droplet: what DigitalOcean would refuse, or worse, take and fail later.

use crate::error::CloudError;
use crate::types::CreateDroplet;

/// Longest name: the official document's `maxLength`.
pub const NAME_BYTES_MAX: usize = 255;
/// Longest tag (DigitalOcean's reference, "Tags").
pub const TAG_BYTES_MAX: usize = 255;
/// Longest user-data: 64 KiB (DigitalOcean's reference, "Create a New Droplet").
pub const USER_DATA_BYTES_MAX: usize = 64 * 1024;

impl CreateDroplet {
    /// Whether a cloud could make this at all.
    ///
    /// # Errors
    /// [`CloudError::Invalid`] with the first thing that is wrong.
    pub fn check(&self) -> Result<(), CloudError> {
        let Self { name, tags, user_data, .. } = self;
        if !is_host_name(name) {
            return invalid(format!("the name `{}` is no host name", shown(name)));
        }
        if let Some(tag) = tags.iter().find(|tag| !is_tag(tag)) {
            return invalid(format!("the tag `{}` may hold letters, digits, `:`, `-` and `_`", shown(tag)));
        }
        // DigitalOcean accepts such data, and then the droplet does not come up and turns 404.
        if !user_data.is_ascii() {
            return invalid("user-data must be plain ASCII".to_owned());
        }
        if user_data.len() > USER_DATA_BYTES_MAX {
            return invalid(format!("user-data has {} bytes, and may have {USER_DATA_BYTES_MAX}", user_data.len()));
        }
        Ok(())
    }
}

/// As the official document's pattern has it: letters, digits, `.` and `-`, the last one a letter or digit.
pub(crate) fn is_host_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    bytes.len() <= NAME_BYTES_MAX && ends(bytes.first()) && ends(bytes.last()) && bytes.iter().all(|&byte| inner(byte))
}

pub(crate) fn is_tag(tag: &str) -> bool {
    let fit = |byte: u8| byte.is_ascii_alphanumeric() || b":-_".contains(&byte);
    !tag.is_empty() && tag.len() <= TAG_BYTES_MAX && tag.bytes().all(fit)
}

/// The beginning of a text that may be long and may hold anything.
fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    text.escape_debug().take(CHARS_MAX).collect()
}

fn invalid(message: String) -> Result<(), CloudError> {
    Err(CloudError::Invalid { message, request_id: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> CreateDroplet {
        CreateDroplet {
            name: "fleet-app-abc234".into(),
            region: "fra1".into(),
            size: "s-1vcpu-1gb".into(),
            image: "debian-13-x64".into(),
            ssh_keys: vec![],
            tags: vec!["sluice:fleet:op:1_a-B".into()],
            user_data: "#cloud-config\n{}".into(),
        }
    }

    fn taken(change: impl Fn(&mut CreateDroplet)) -> bool {
        let mut wanted = wanted();
        change(&mut wanted);
        wanted.check().is_ok()
    }

    #[test]
    fn names_are_host_names() {
        for (name, fit) in [("a", true), ("a-1.b", true), ("", false), ("-a", false), ("a-", false), ("a_b", false)] {
            assert_eq!(taken(|wanted| name.clone_into(&mut wanted.name)), fit, "{name}");
        }
        assert!(taken(|wanted| wanted.name = "a".repeat(NAME_BYTES_MAX)));
        assert!(!taken(|wanted| wanted.name = "a".repeat(NAME_BYTES_MAX + 1)));
    }

    #[test]
    fn tags_are_of_few_letters() {
        for (tag, fit) in [("a", true), ("a:b-c_D9", true), ("", false), ("a b", false), ("ä", false), ("a/b", false)]
        {
            assert_eq!(taken(|wanted| wanted.tags = vec![tag.to_owned()]), fit, "{tag}");
        }
        assert!(taken(|wanted| wanted.tags = vec!["a".repeat(TAG_BYTES_MAX)]));
        assert!(!taken(|wanted| wanted.tags = vec!["a".repeat(TAG_BYTES_MAX + 1)]));
    }

    #[test]
    fn user_data_is_short_plain_text() {
        assert!(taken(|wanted| wanted.user_data = "a".repeat(USER_DATA_BYTES_MAX)));
        assert!(!taken(|wanted| wanted.user_data = "a".repeat(USER_DATA_BYTES_MAX + 1)));
        assert!(!taken(|wanted| wanted.user_data.push('🐈')));
    }
}
