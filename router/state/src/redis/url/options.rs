//! What stands behind the `?` of a store URL: where passwords are, and the files of TLS.

use super::{Login, Password, Topology, Url, UrlFault, decoded};

/// What stands behind the `?`.
#[derive(Default)]
pub(super) struct Options {
    values: [Option<String>; NAMES.len()],
}

/// Every option, in the order of [`Options`].
const NAMES: [&str; 9] = [
    "user",
    "password_env",
    "password_file",
    "sentinel_user",
    "sentinel_password_env",
    "sentinel_password_file",
    "ca",
    "cert",
    "key",
];

impl Options {
    pub(super) fn parse(query: &str) -> Result<Self, UrlFault> {
        let mut options = Self::default();
        for (pair, number) in query.split('&').filter(|pair| !pair.is_empty()).zip(1..) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let index = NAMES.iter().position(|known| *known == name);
            let index = index.ok_or(UrlFault::Option { number })?;
            let value = decoded(value)?;
            if value.is_empty() || options.values[index].replace(value).is_some() {
                return Err(UrlFault::OptionValue(NAMES[index]));
            }
        }
        Ok(options)
    }

    pub(super) fn apply(self, url: &mut Url) -> Result<(), UrlFault> {
        let is_sentinel = matches!(url.topology, Topology::Sentinel { .. });
        for (name, value) in NAMES.iter().zip(&self.values) {
            let Some(_set) = value else { continue };
            if name.starts_with("sentinel_") && !is_sentinel {
                return Err(UrlFault::NeedsSentinel(name));
            }
            if ["ca", "cert", "key"].contains(name) && url.tls.is_none() {
                return Err(UrlFault::NeedsTls(name));
            }
        }
        let [user, env, file, sentinel_user, sentinel_env, sentinel_file, ca, cert, key] = self.values;
        add(&mut url.login, user, env, file)?;
        add(&mut url.sentinel_login, sentinel_user, sentinel_env, sentinel_file)?;
        if let Some(tls) = &mut url.tls {
            tls.ca = ca.map(Into::into);
            tls.pair = match (cert, key) {
                (Some(cert), Some(key)) => Some((cert.into(), key.into())),
                (None, None) => None,
                _half => return Err(UrlFault::HalfPair),
            };
        }
        Ok(())
    }
}

/// Adds what options say to what the URL said.
fn add(login: &mut Login, user: Option<String>, env: Option<String>, file: Option<String>) -> Result<(), UrlFault> {
    if user.is_some() && login.user.is_some() {
        return Err(UrlFault::Twice("user"));
    }
    login.user = login.user.take().or(user);
    let options = env.map(Password::Environment).into_iter().chain(file.map(|file| Password::File(file.into())));
    for password in options {
        if login.password != Password::None {
            return Err(UrlFault::Twice("password"));
        }
        login.password = password;
    }
    Ok(())
}
