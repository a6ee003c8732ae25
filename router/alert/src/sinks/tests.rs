//! Sinks against small servers in this process. Those of others, with TLS and logins, are in `tests/integration`.

use std::sync::Arc;

use sluice_model::alert::{Alert, AlertId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use super::*;

fn notice() -> Notice {
    let alert = Alert {
        id: AlertId::from_text("0123abcd"),
        rule: "size".to_owned(),
        message: "too large\r\nBcc: all@example.org\r\n\r\nhello".to_owned(),
        ..Alert::default()
    };
    Notice::new(&alert, None)
}

/// Reads a request of HTTP/1.1 whole.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut part = [0; 4_096];
    loop {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if length.is_some_and(|length: usize| body.len() >= length) {
            return text;
        }
        let count = stream.read(&mut part).await.unwrap();
        assert!(count > 0, "the request ends early: {text}");
        text.push_str(&String::from_utf8_lossy(&part[..count]));
    }
}

/// Takes one request on a new port, answers with `answer`, closes; its URL, and the request to come.
#[expect(clippy::disallowed_methods, reason = "ends with its one request")]
async fn answering(answer: String) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?x=1", listener.local_addr().unwrap());
    let request = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await;
        // The sink may have seen enough.
        let _broken = stream.write_all(answer.as_bytes()).await;
        request
    });
    (url, request)
}

fn webhook(url: String, secret: Option<&str>) -> Sink {
    Sink::new("hook", &Channel::Webhook { url, secret: secret.map(Secret::new) }).unwrap()
}

#[tokio::test]
async fn a_webhook_is_told_with_id_and_signature() {
    let (url, request) = answering("HTTP/1.1 204 No Content\r\n\r\n".to_owned()).await;
    assert_eq!(webhook(url, Some("key")).send(&notice()).await, Ok(()));
    let request = request.await.unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap();
    assert!(head.starts_with("POST /hook?x=1 HTTP/1.1\r\n"), "{head}");
    assert_eq!((header("idempotency-key"), header("content-type")), ("0123abcd", "application/json"));
    assert_eq!(header(SIGNATURE_HEADER), signature(&Secret::new("key"), header(TIMESTAMP_HEADER), body.as_bytes()));
    let document: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(document["message"], "too large Bcc: all@example.org hello");
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_an_endless_answer_not_read() {
    let (url, _) =
        answering("HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_owned()).await;
    assert!(!webhook(url, None).send(&notice()).await.unwrap_err().retryable);
    let long = format!("HTTP/1.1 500 Broken\r\ncontent-length: 99999999\r\n\r\n{}", "x".repeat(1 << 20));
    let (url, _) = answering(long).await;
    let error = webhook(url, None).send(&notice()).await.unwrap_err();
    assert!(error.retryable && error.reason.chars().count() <= REASON_CHARS_MAX, "{error}");
    let (url, _) = answering(format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(1 << 20))).await;
    assert!(webhook(url, None).send(&notice()).await.unwrap_err().retryable);
}

#[tokio::test]
async fn who_is_not_there_is_tried_again_and_no_secret_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/T00/hunter2", listener.local_addr().unwrap());
    drop(listener);
    let slack = Sink::new("team", &Channel::Slack { url: Secret::new(url) }).unwrap();
    let error = slack.send(&notice()).await.unwrap_err();
    assert!(error.retryable, "{error}");
    assert!(!format!("{slack:?} {error:?} {error}").contains("hunter2"));
}

#[tokio::test]
async fn a_slack_answer_that_repeats_the_address_is_not_repeated() {
    let (echoing, _) =
        answering("HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\nno_team for hunter2".to_owned()).await;
    let echoing = echoing.replace("/hook?x=1", "/hunter2");
    let slack = Sink::new("team", &Channel::Slack { url: Secret::new(&echoing) }).unwrap();
    let error = slack.send(&notice()).await.unwrap_err();
    assert!(!error.retryable && error.reason == "it answers 404: no_team for ***", "{error}");
}

/// A mail server of one mail: answers each command with what `answer` says of it, and collects what it is told.
#[expect(clippy::disallowed_methods, reason = "ends with its one connection")]
async fn mail_server(answer: fn(&str) -> &'static str) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let told = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&told);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = tokio::io::BufReader::new(stream);
        stream.write_all(b"220 test\r\n").await.unwrap();
        let mut line = String::new();
        let mut in_data = false;
        while tokio::io::AsyncBufReadExt::read_line(&mut stream, &mut line).await.is_ok_and(|count| count > 0) {
            let reply = match (in_data, line.trim_end()) {
                (true, ".") => Some("250 taken\r\n"),
                (true, _) => None,
                (false, command) => Some(answer(command)),
            };
            in_data = reply.map_or(in_data, |reply| reply.starts_with("354"));
            lines.lock().await.push(line.trim_end_matches(['\r', '\n']).to_owned());
            line.clear();
            if let Some(reply) = reply {
                let _gone = stream.write_all(reply.as_bytes()).await;
            }
        }
    });
    (port, told)
}

fn mail(port: u16) -> Sink {
    let settings = SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port: Some(port),
        encryption: SmtpEncryption::None,
        ca_pem: None,
        login: None,
        from: "Sluice <sluice@example.org>".to_owned(),
        to: vec!["ops@example.org".to_owned()],
    };
    Sink::new("mail", &Channel::Smtp(settings)).unwrap()
}

#[tokio::test]
async fn a_mail_has_one_id_and_no_header_of_others() {
    let (port, told) = mail_server(|command| match command.split(' ').next() {
        Some("EHLO" | "MAIL" | "RCPT") => "250 fine\r\n",
        Some("DATA") => "354 go on\r\n",
        _ => "221 bye\r\n",
    })
    .await;
    assert_eq!(mail(port).send(&notice()).await, Ok(()));
    let told = told.lock().await.clone();
    let (head, body) = told.split_at(told.iter().position(String::is_empty).unwrap());
    assert!(head.contains(&"Message-ID: <0123abcd@example.org>".to_owned()), "{head:?}");
    assert!(head.contains(&"Subject: [firing] size: too large Bcc: all@example.org hello".to_owned()), "{head:?}");
    assert!(head.contains(&"Auto-Submitted: auto-generated".to_owned()), "{head:?}");
    assert!(!head.iter().any(|line| line.starts_with("Bcc")), "{head:?}");
    assert!(body.contains(&"size is firing.".to_owned()), "{body:?}");
}

#[tokio::test]
async fn a_mail_server_says_whether_to_try_again() {
    let (port, _) =
        mail_server(|command| if command.starts_with("RCPT") { "550 nobody\r\n" } else { "250 fine\r\n" }).await;
    let error = mail(port).send(&notice()).await.unwrap_err();
    assert!(!error.retryable && error.reason.contains("550"), "{error}");
    let (port, _) =
        mail_server(|command| if command.starts_with("MAIL") { "451 later\r\n" } else { "250 fine\r\n" }).await;
    assert!(mail(port).send(&notice()).await.unwrap_err().retryable);
    let (port, _) = mail_server(|_| "nonsense\r\n").await;
    let error = mail(port).send(&notice()).await.unwrap_err();
    assert!(error.reason.chars().count() <= REASON_CHARS_MAX, "{error}");
}

#[tokio::test]
async fn starttls_is_not_given_up_for_a_server_without() {
    let (port, told) = mail_server(|_| "250 fine\r\n").await;
    let settings = SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port: Some(port),
        encryption: SmtpEncryption::StartTls,
        ca_pem: None,
        login: Some(("sluice".to_owned(), Secret::new("hunter2"))),
        from: "sluice@example.org".to_owned(),
        to: vec!["ops@example.org".to_owned()],
    };
    let sink = Sink::new("mail", &Channel::Smtp(settings.clone())).unwrap();
    assert!(sink.send(&notice()).await.is_err());
    let told = told.lock().await.clone();
    assert!(!told.iter().any(|line| line.starts_with("MAIL") || line.starts_with("AUTH")), "{told:?}");
    assert!(!format!("{sink:?} {settings:?}").contains("hunter2"));
}

#[test]
fn settings_without_sense_are_refused() {
    let settings = |from: &str, to: Vec<String>| SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port: None,
        encryption: SmtpEncryption::None,
        ca_pem: None,
        login: None,
        from: from.to_owned(),
        to,
    };
    let refused = |settings| Sink::new("mail", &Channel::Smtp(settings)).unwrap_err().to_string();
    assert!(refused(settings("nobody", vec!["a@b".to_owned()])).contains("`nobody`"));
    assert!(refused(settings("a@example.org", vec![])).contains("no mail address"));
    let bad_ca = SmtpSettings {
        encryption: SmtpEncryption::Tls,
        ca_pem: Some(b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n".to_vec()),
        ..settings("a@example.org", vec!["b@example.org".to_owned()])
    };
    assert!(refused(bad_ca).contains("certificates"));
}
