//! Mail (RFC 5321): STARTTLS, TLS or neither, with or without a login. One connection a mail.

use std::fmt;
use std::time::Duration;

use lettre::address::AddressError;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use super::{SendError, SettingsError};
use crate::notice::Notice;
use crate::secret::Secret;

/// Longest wait for one answer of a mail server. RFC 5321 section 4.5.3.2 has minutes; a notice that waits for minutes is
/// better tried again.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);

/// A mail server, and from whom to whom.
#[derive(Clone, Debug)]
pub struct SmtpSettings {
    /// Host of the server.
    pub host: String,
    /// Port; by default that of the encryption.
    pub port: Option<u16>,
    /// How the connection is encrypted.
    pub encryption: SmtpEncryption,
    /// Certificates (PEM) that are trusted beside those of the system.
    pub ca_pem: Option<Vec<u8>>,
    /// Name and password to log in with.
    pub login: Option<(String, Secret)>,
    /// Sender, as in `Sluice <sluice@example.org>`.
    pub from: String,
    /// Recipients.
    pub to: Vec<String>,
}

/// How a connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SmtpEncryption {
    /// STARTTLS, required (RFC 3207); port 587.
    #[default]
    StartTls,
    /// TLS from the first byte (RFC 8314); port 465.
    Tls,
    /// None; port 25.
    None,
}

/// See the module.
pub(super) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    password: Option<Secret>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("from", &self.from).field("to", &self.to).finish_non_exhaustive()
    }
}

/// Tells mail programs not to answer by themselves (RFC 3834 section 5).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl Smtp {
    pub(super) fn new(settings: &SmtpSettings) -> Result<Self, SettingsError> {
        let mailbox = |text: &String| text.parse().map_err(|_: AddressError| SettingsError::Address(text.clone()));
        let to = settings.to.iter().map(mailbox).collect::<Result<Vec<Mailbox>, _>>()?;
        if to.is_empty() {
            return Err(SettingsError::Address(String::new()));
        }
        let (tls, port) = match settings.encryption {
            SmtpEncryption::StartTls => (Tls::Required(tls(settings)?), 587),
            SmtpEncryption::Tls => (Tls::Wrapper(tls(settings)?), 465),
            SmtpEncryption::None => (Tls::None, 25),
        };
        let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
            .port(settings.port.unwrap_or(port))
            .timeout(Some(ANSWER_WAIT_MAX))
            .tls(tls);
        let login = settings.login.as_ref();
        let transport = match login {
            Some((name, password)) => {
                transport.credentials(Credentials::new(name.clone(), password.expose().to_owned()))
            }
            None => transport,
        };
        let password = login.map(|(_, password)| password.clone());
        Ok(Self { transport: transport.build(), password, from: mailbox(&settings.from)?, to })
    }

    pub(super) async fn send(&self, notice: &Notice) -> Result<(), SendError> {
        let mail = self.mail(notice).map_err(|error| SendError::lasting(&format!("no such mail: {error}")))?;
        let sent = Box::pin(self.transport.send(mail)).await;
        sent.map(|_answer| ()).map_err(|error| {
            let is_lasting = error.is_permanent() || error.is_client();
            let told = with_causes(&error);
            let told = self.password.as_ref().map_or_else(|| told.clone(), |password| password.hide_in(&told));
            SendError::new(!is_lasting, &told)
        })
    }

    /// The mail of a notice; its Message-ID is the same for every try.
    fn mail(&self, notice: &Notice) -> Result<Message, lettre::error::Error> {
        let id = format!("<{}@{}>", notice.id(), self.from.email.domain());
        let mail = Message::builder().from(self.from.clone()).subject(notice.subject()).message_id(Some(id));
        let mail = self.to.iter().cloned().fold(mail, lettre::message::MessageBuilder::to);
        mail.header(AutoSubmitted).header(ContentType::TEXT_PLAIN).body(notice.body())
    }
}

/// Checks the server's certificate against the system's and the given ones.
fn tls(settings: &SmtpSettings) -> Result<TlsParameters, SettingsError> {
    let fault = |error: lettre::transport::smtp::Error| SettingsError::Certificates(with_causes(&error));
    let mut parameters = TlsParameters::builder(settings.host.clone());
    if let Some(pem) = &settings.ca_pem {
        parameters = parameters.add_root_certificate(Certificate::from_pem(pem).map_err(fault)?);
    }
    parameters.build_rustls().map_err(fault)
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
