//! The sinks of `sluice.toml` as meant: paths from here, secrets and certificates read.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use sluice_alert::{Channel, Sink, SmtpEncryption, SmtpSettings};
use sluice_policy::{Secret, SinkConfig, SinkKind, SmtpConfig};

use crate::secret;

/// Takes files as relative to `base`.
pub(crate) fn resolve(sinks: &mut [SinkConfig], base: &Path) {
    let within = |secret: &mut Secret| {
        if let Secret::File(path) = secret {
            *path = base.join(&*path);
        }
    };
    for sink in sinks {
        match &mut sink.kind {
            SinkKind::Smtp(smtp) => {
                smtp.ca_file.iter_mut().for_each(|path| *path = base.join(&*path));
                smtp.login.iter_mut().for_each(|(_, password)| within(password));
            }
            SinkKind::Webhook { secret, .. } => secret.iter_mut().for_each(within),
            SinkKind::Slack { url } => within(url),
        }
    }
}

/// The sinks, ready to be told.
///
/// # Errors
/// The first that cannot be used: a secret or a certificate is missing, or makes no sense.
pub(crate) fn open(sinks: &[SinkConfig]) -> anyhow::Result<Vec<Arc<Sink>>> {
    let open = |config: &SinkConfig| {
        let sink = Sink::new(&*config.name, &channel(config)?);
        sink.map(Arc::new).with_context(|| format!("use the sink {}", config.name))
    };
    sinks.iter().map(open).collect()
}

fn channel(config: &SinkConfig) -> anyhow::Result<Channel> {
    let name = &config.name;
    let read = |what: &str, secret: &Secret| {
        Ok::<_, anyhow::Error>(sluice_alert::Secret::new(secret::read(&format!("the {what} of sink {name}"), secret)?))
    };
    Ok(match &config.kind {
        SinkKind::Smtp(smtp) => {
            let login = smtp.login.as_ref();
            let login = login.map(|(user, password)| anyhow::Ok((user.clone(), read("password", password)?)));
            Channel::Smtp(smtp_settings(smtp, login.transpose()?, name)?)
        }
        SinkKind::Webhook { url, secret } => Channel::Webhook {
            url: url.clone(),
            secret: secret.as_ref().map(|secret| read("secret", secret)).transpose()?,
        },
        SinkKind::Slack { url } => Channel::Slack { url: read("url", url)? },
    })
}

fn smtp_settings(
    smtp: &SmtpConfig,
    login: Option<(String, sluice_alert::Secret)>,
    name: &str,
) -> anyhow::Result<SmtpSettings> {
    let pem = |path: &std::path::PathBuf| {
        std::fs::read(path).with_context(|| format!("read the certificates of sink {name} from {}", path.display()))
    };
    Ok(SmtpSettings {
        host: smtp.host.clone(),
        port: smtp.port,
        encryption: match smtp.encryption {
            sluice_policy::SmtpEncryption::StartTls => SmtpEncryption::StartTls,
            sluice_policy::SmtpEncryption::Tls => SmtpEncryption::Tls,
            sluice_policy::SmtpEncryption::None => SmtpEncryption::None,
        },
        ca_pem: smtp.ca_file.as_ref().map(pem).transpose()?,
        login,
        from: smtp.from.clone(),
        to: smtp.to.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_certificates_are_relative_to_the_file_and_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sluice.toml");
        let text =
            "[alerts.sinks.hook]\nwebhook = { url = \"http://127.0.0.1:1/\", secret = { file = \"hook.key\" } }\n";
        std::fs::write(&file, text).unwrap();
        let config = crate::settings::read(&file).unwrap();
        let told = format!("{:#}", open(&config.sinks).unwrap_err());
        assert!(told.contains("the secret of sink hook") && told.contains("hook.key"), "{told}");
        std::fs::write(folder.path().join("hook.key"), "hunter2\n").unwrap();
        let sinks = open(&config.sinks).unwrap();
        assert_eq!((sinks.len(), sinks[0].kind()), (1, "webhook"));
        assert!(!format!("{sinks:?}").contains("hunter2"));
    }
}
