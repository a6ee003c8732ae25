//! Templates in `run` and `env` of an app, and what they may name.
//!
//! `{{ address }}`, `{{ port }}`, `{{ variant }}`, `{{ release }}`, `{{ droplet }}`, `{{ redis_address }}`,
//! `{{ redis_port }}`, `{{ redis_url }}` (with the password: only in `env`, never in `run`, which stands in argv),
//! `{{ fleet }}`, `{{ shared }}` (a folder of the app on this machine that outlives releases).

/// What a template may name.
pub const NAMES: [&str; 10] =
    ["address", "port", "variant", "release", "droplet", "redis_address", "redis_port", "redis_url", "fleet", "shared"];
/// Of these, what holds a secret and may stand in the environment only.
pub const SECRET_NAMES: [&str; 1] = ["redis_url"];
