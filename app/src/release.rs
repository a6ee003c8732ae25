//! The two releases that this one binary can be, and the single thing in which they differ.

use std::fmt;

use clap::ValueEnum;

/// Largest image, in bytes, that the canary release shows on `/meow`.
pub(crate) const CANARY_SHOWS_BYTES_MAX: u64 = 50_000;

/// Which release this process runs as; it is also the variant that routers see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Release {
    /// Shows every image.
    Stable,
    /// Leaves images larger than 50,000 bytes out of /meow.
    Canary,
}

impl Release {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Canary => "canary",
        }
    }

    /// True if `/meow` of this release shows an image of `image_bytes`.
    pub(crate) const fn shows(self, image_bytes: u64) -> bool {
        match self {
            Self::Stable => true,
            Self::Canary => image_bytes <= CANARY_SHOWS_BYTES_MAX,
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
