//! Alerts by mail, against a real mail server with STARTTLS and a login; and what a webhook signs, checked by Python.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sluice_tests::process::Process;
use sluice_tests::receiver::Receiver;
use sluice_tests::router::Router;
use sluice_tests::{client, eventually};
use tempfile::TempDir;
use tokio::process::Command;

use crate::alerts::{offend, start};

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/smtp/server.py");
const PASSWORD: &str = "hunter2 & more";

/// A mail server and the certificate that it shows.
struct MailServer {
    process: Process,
    port: String,
    folder: TempDir,
}

/// The Python that `cargo xtask test` has found or made, or the one that it made before.
fn python() -> String {
    let made = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/smtp/bin/python");
    std::env::var("SLUICE_SMTP_PYTHON").unwrap_or_else(|_| made.to_owned())
}

impl MailServer {
    /// Starts one that refuses the first mails for now.
    async fn start(refusals: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&certificate, made.cert.pem())?;
        std::fs::write(&key, made.signing_key.serialize_pem())?;
        let mut command = Command::new(python());
        command.arg(SERVER).args([&certificate, &key]).args(["sluice", PASSWORD, &refusals.to_string()]);
        let mut process = Process::start("aiosmtpd", &mut command).context("`cargo xtask test` sets it up")?;
        let port = process.line("listening ").await?;
        Ok(Self { process, port, folder })
    }

    /// The sink that tells it.
    fn sink(&self, password: &str, ca: bool) -> String {
        let certificate = self.folder.path().join("cert.pem");
        let ca = if ca { format!("ca_file = \"{}\", ", certificate.display()) } else { String::new() };
        format!(
            "[alerts.sinks.mail]\nsmtp = {{ host = \"localhost\", port = {}, encryption = \"starttls\", {ca}\
             login = {{ user = \"sluice\", password = {{ file = \"{password}\" }} }}, \
             from = \"Sluice <sluice@example.org>\", to = [\"ops@example.org\", \"more@example.org\"] }}\n",
            self.port
        )
    }

    /// The file of a password.
    fn password(&self, text: &str) -> Result<String> {
        let file = self.folder.path().join("password");
        std::fs::write(&file, text)?;
        Ok(file.display().to_string())
    }

    fn mails(&self) -> Vec<Value> {
        let output = self.process.output();
        output.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("mail ")?).ok()).collect()
    }

    async fn wait_for(&self, count: usize) -> Vec<Value> {
        eventually("mails", async || {
            let mails = self.mails();
            ensure!(mails.len() >= count, "{}", self.process.output());
            Ok(mails)
        })
        .await
    }
}

async fn tried(router: &Router) -> Result<Value> {
    client::json(client::http().post(format!("{}/v1/alerts/test", router.admin))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_above_the_limit_is_one_mail_over_tls_with_a_login() -> Result<()> {
    let server = MailServer::start(2).await?;
    let link = "[alerts]\nlink = \"https://sluice.example.org/\"\n";
    let sink = link.to_owned() + &server.sink(&server.password(PASSWORD)?, true);
    let router = start("[alerts.upload-size]\nkeep_firing = \"3s\"\n", &sink, "embedded").await?;
    offend(&router).await?;
    let mails = server.wait_for(2).await;
    let (firing, resolved) = (&mails[0], &mails[1]);
    let alerts = router.get("/v1/alerts").await?;
    let id = alerts[1]["id"].as_str().context("an id")?;
    assert_eq!(firing["id"], format!("<{id}@example.org>"));
    assert_eq!(resolved["id"], format!("<{id}-resolved@example.org>"));
    assert_eq!((&firing["tls"], &firing["authenticated"]), (&Value::Bool(true), &Value::Bool(true)), "{firing}");
    assert_eq!(firing["to"], serde_json::json!(["ops@example.org", "more@example.org"]));
    let subject = firing["subject"].as_str().context("a subject")?;
    assert!(subject.starts_with("[firing] upload-size on app: "), "{subject}");
    let body = firing["body"].as_str().context("a body")?;
    assert!(body.contains("limit      50000") && body.contains("see        https://sluice.example.org/"), "{body}");
    assert_eq!(mails.len(), 2, "refused ones are no mails: {mails:?}");
    assert!(!router.process.output().contains("hunter2"), "no password in the log");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_a_foreign_certificate_learns_no_password() -> Result<()> {
    let server = MailServer::start(0).await?;
    let router = start("", &server.sink(&server.password(PASSWORD)?, false), "embedded").await?;
    let told = tried(&router).await?;
    assert_eq!(told[0]["ok"], Value::Bool(false), "{told}");
    assert!(told[0]["error"].as_str().is_some_and(|error| error.contains("certificate")), "{told}");
    assert!(server.mails().is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_told_and_not_shown() -> Result<()> {
    let server = MailServer::start(0).await?;
    let router = start("", &server.sink(&server.password("wrong hunter3")?, true), "embedded").await?;
    let told = tried(&router).await?;
    assert_eq!((&told[0]["ok"], &told[0]["retryable"]), (&Value::Bool(false), &Value::Bool(false)), "{told}");
    assert!(!told.to_string().contains("hunter3") && !router.process.output().contains("hunter3"), "{told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_is_what_python_computes() -> Result<()> {
    let receiver = Receiver::start(&[]).await?;
    let folder = tempfile::tempdir()?;
    let key = folder.path().join("hook.key");
    std::fs::write(&key, "a key of the receiver\n")?;
    let sink = format!(
        "[alerts.sinks.hook]\nwebhook = {{ url = \"{}\", secret = {{ file = \"{}\" }} }}\n",
        receiver.url,
        key.display()
    );
    let router = start("", &sink, "embedded").await?;
    offend(&router).await?;
    let received = receiver.wait_for(1).await.remove(0);
    let timestamp = received.header("x-sluice-timestamp").context("a timestamp")?;
    let script = "import hashlib,hmac,sys; _, key, timestamp, body = sys.argv; \
                  print(hmac.new(key.encode(), f'{timestamp}.{body}'.encode(), hashlib.sha256).hexdigest())";
    let computed = Command::new(python())
        .args(["-c", script, "a key of the receiver", timestamp, &received.body])
        .output()
        .await?;
    let expected = format!("sha256={}", String::from_utf8(computed.stdout)?.trim());
    assert_eq!(received.header("x-sluice-signature"), Some(expected.as_str()));
    Ok(())
}
