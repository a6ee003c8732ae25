//! Images: their ids and their kinds. A kind is read from the bytes, never believed from a header or a file name.

use std::fmt;
use std::str::FromStr;

use axum::body::Bytes;
use serde::{Deserialize, Serialize};

/// Largest image that is stored.
pub(crate) const IMAGE_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Length of an id: 128 random bits in hexadecimal, so that ids neither collide nor can be guessed.
const ID_DIGITS: usize = 32;

/// A random id of lower-case hexadecimal digits. Nothing else can be one, so it is safe in a path or a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct ImageId(String);

/// A text that is no image id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotAnId;

impl ImageId {
    pub(crate) fn random() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()))
    }
}

impl FromStr for ImageId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let hexadecimal = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() == ID_DIGITS && hexadecimal { Ok(Self(text.to_owned())) } else { Err(NotAnId) }
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The kinds of image that are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ImageKind {
    Png,
    Jpeg,
    Gif,
    Webp,
}

impl ImageKind {
    /// The kind that the first bytes announce (magic numbers of WHATWG MIME Sniffing, section 6.1).
    pub(crate) fn sniff(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            _ => None,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Gif => "gif",
            Self::Webp => "webp",
        }
    }

    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
        }
    }
}

impl FromStr for ImageKind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Png, Self::Jpeg, Self::Gif, Self::Webp].into_iter().find(|kind| kind.as_str() == text).ok_or(())
    }
}

/// A stored image with its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) id: ImageId,
    pub(crate) kind: ImageKind,
    pub(crate) content: Bytes,
}

/// What a page says of an image without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImageSummary {
    pub(crate) id: ImageId,
    pub(crate) kind: ImageKind,
    /// Length of the content, in bytes.
    pub(crate) bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_their_magic_numbers() {
        assert_eq!(ImageKind::sniff(b"\x89PNG\r\n\x1a\n...."), Some(ImageKind::Png));
        assert_eq!(ImageKind::sniff(b"\xff\xd8\xff\xe0"), Some(ImageKind::Jpeg));
        assert_eq!(ImageKind::sniff(b"GIF87a"), Some(ImageKind::Gif));
        assert_eq!(ImageKind::sniff(b"GIF89a"), Some(ImageKind::Gif));
        assert_eq!(ImageKind::sniff(b"RIFF\0\0\0\0WEBPVP8 "), Some(ImageKind::Webp));
        for other in [&b""[..], b"\x89PNG", b"GIF88a", b"RIFF\0\0\0\0WAVE", b"<svg onload=alert(1)>"] {
            assert_eq!(ImageKind::sniff(other), None);
        }
    }

    #[test]
    fn only_what_random_makes_is_an_id() {
        let id = ImageId::random();
        assert_eq!(id.to_string().parse(), Ok(id));
        let upper = "A".repeat(ID_DIGITS);
        for hostile in ["", "../../../../../../etc/passwd", "0", upper.as_str(), "0000000000000000000000000000000g"] {
            assert_eq!(hostile.parse::<ImageId>(), Err(NotAnId), "{hostile:?}");
        }
    }
}
