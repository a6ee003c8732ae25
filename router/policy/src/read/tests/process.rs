//! `sluice.toml`: the example, the defaults, and what is refused.

use std::time::Duration;

use super::{one_line, source};
use crate::{AccessLog, EncodedSlash, Faults, ProcessConfig, StoreUrl, Underscores, parse_process};

const EXAMPLE: &str = include_str!("../../../fixtures/sluice.toml");

fn read(text: &str) -> Result<ProcessConfig, Faults> {
    parse_process(&source("sluice.toml", text))
}

#[test]
fn the_example_is_read() {
    let config = read(EXAMPLE).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(config.listeners[0].address, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.admin.address, "127.0.0.1:9900".parse().unwrap());
    assert_eq!(config.admin.token_env.as_deref(), Some("SLUICE_ADMIN_TOKEN"));
    assert_eq!(config.admin.read_token_env.as_deref(), Some("SLUICE_READ_TOKEN"));
    assert!(config.admin.legacy_toggle);
    assert_eq!((&config.store.url, config.store.edge.as_str()), (&StoreUrl::Embedded, "main"));
    assert_eq!(config.store.switches, ["featureFlags"]);
    assert_eq!((config.workers, config.limits.drain), (Some(2), Duration::from_secs(10)));
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(read(""), Ok(ProcessConfig::default()));
    assert_eq!(read("[admin]\n[store]\n[folders]\n[limits]\n"), Ok(ProcessConfig::default()));
}

#[test]
fn stores_are_embedded_or_redis() {
    let config = read("[store]\nurl = \"redis://user:secret@host:6379/1\"\n").unwrap();
    assert_eq!(config.store.url, StoreUrl::Redis("redis://user:secret@host:6379/1".into()));
    let shown = format!("{config:?}");
    assert!(!shown.contains("secret") && shown.contains("@host:6379"), "{shown}");
    for url in ["rediss://h", "redis+sentinel://a,b/master", "rediss-cluster://a:7000,b?ca=/etc/ca.pem"] {
        assert_eq!(read(&format!("store.url = \"{url}\"")).unwrap().store.url, StoreUrl::Redis(url.into()));
    }
    for url in [
        "redis:/user:secret@host",
        "redis+cluster://user:secret@host",
        "http://user:secret@host",
        "rediss://",
        "redis://user:secret@a b",
    ] {
        let faults = read(&format!("[store]\nurl = \"{url}\"")).unwrap_err();
        let shown = faults.to_string();
        assert!(shown.starts_with("sluice.toml:2:7: this is no store") && !shown.contains("secret"), "{shown}");
    }
}

#[test]
fn wrong_values_say_what_to_write() {
    for (text, expected) in [
        ("listeners = []", "1:13: empty list"),
        (
            "[[listeners]]\nadress = \"127.0.0.1:1\"\naddress = \"127.0.0.1:1\"",
            "2:1: unknown key `adress` | did you mean `address`?",
        ),
        ("[[listeners]]\naddress = \":80\"", "2:11: `:80` is no address | write \"0.0.0.0:80\""),
        ("[[listeners]]\naddress = \"localhost:80\"", "2:11: `localhost:80` is no address | write \"127.0.0.1:80\""),
        (
            "[[listeners]]\naddress = \"[::]:9\"\n[admin]\naddress = \"[::]:9\"\ntoken_env = \"A\"",
            "4:11: `[::]:9` is taken already",
        ),
        ("[admin]\naddress = \"0.0.0.0:1\"", "2:11: an admin address that others can reach needs `token_env`"),
        ("[admin]\ntoken_env = \"a-b\"", "2:13: this is no name of an environment variable"),
        ("[admin]\nread_token_env = \"A\"", "2:18: a token that may only read needs one that may write"),
        ("[limits]\ndrain = 10", "2:9: a bare number has no unit | write it as \"10s\""),
        ("[limits]\nworkers = 0", "2:11: `0` is out of range | from 1 to 1024"),
        ("[limits]\nworkers = 1025", "2:11: `1025` is out of range"),
        ("[limits]\ndrain = \"61m\"", "2:9: `61m` is out of range | from 1ms to 1h"),
        ("[store]\nswitches = [\"a\", \"a\"]", "2:18: `a` is listed twice"),
        ("[folders]\nroutes = \"\"", "2:10: empty string"),
    ] {
        let fault = one_line(read(text).expect_err(text));
        assert!(fault.starts_with(expected), "{text}: {fault}");
    }
    assert!(read("[limits]\nworkers = 1024\ndrain = \"60m\"").is_ok());
    assert!(read("[[listeners]]\naddress = \"[::]:0\"\n[[listeners]]\naddress = \"[::]:0\"").is_ok());
}

#[test]
fn listeners_limits_log_and_name_servers_are_read() {
    let config = read(
        r#"
[[listeners]]
address = "127.0.0.1:1"
trusted_proxies = ["10.0.0.0/8", "::1"]
encoded_slash = "reject"
underscores = "allow"
[limits]
head_bytes = "32KiB"
header_fields = 50
streams = 64
requests_per_connection = 1000
connection_age = "24h"
[access_log]
to = { file = "access.log" }
[chain_trace]
sample = 0.01
ask_from = ["127.0.0.0/8", "::1/128"]
[dns]
servers = ["10.0.0.2", "[::1]:5353"]
"#,
    )
    .unwrap_or_else(|faults| panic!("{faults}"));
    let listener = &config.listeners[0];
    assert_eq!(listener.trusted_proxies, ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
    assert_eq!((listener.encoded_slash, listener.underscores), (EncodedSlash::Reject, Underscores::Allow));
    let limits = &config.limits;
    assert_eq!((limits.head_bytes_max, limits.header_fields_max, limits.streams_max), (32 << 10, 50, 64));
    assert_eq!(limits.requests_per_connection_max, 1_000);
    assert_eq!(limits.connection_age_max, Duration::from_secs(24 * 60 * 60));
    assert_eq!(config.access_log, AccessLog::File("access.log".into()));
    assert_eq!(config.chain_trace.sample.get(), 1);
    assert_eq!(config.chain_trace.ask_from, ["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
    assert_eq!(config.name_servers, ["10.0.0.2:53".parse().unwrap(), "[::1]:5353".parse().unwrap()]);
    for (word, log) in [("stderr", AccessLog::Stderr), ("stdout", AccessLog::Stdout), ("off", AccessLog::Off)] {
        assert_eq!(read(&format!("access_log.to = \"{word}\"")).unwrap().access_log, log);
    }
}

#[test]
fn what_a_listener_or_a_limit_cannot_be_says_what_to_write() {
    for (text, expected) in [
        ("trusted_proxies = [\"10.0.0.1/8\"]", "3:20: `10.0.0.1/8` is no range of addresses | write \"10.0.0.0/8\""),
        ("trusted_proxies = [\"lan\"]", "3:20: `lan` is no range of addresses | write a range such as"),
        ("encoded_slash = \"keeep\"", "3:17: `keeep` is no way to treat an encoded slash | did you mean `keep`?"),
        ("underscores = \"x\"", "3:15: `x` is no way to treat names with an underscore | one of `drop`"),
        ("[limits]\nhead_bytes = \"4KiB\"", "4:14: `4KiB` is out of range | from 8KiB to 1MiB"),
        ("[limits]\nstreams = 0", "4:11: `0` is out of range | from 1 to 10000"),
        ("[access_log]\nto = \"stdou\"", "4:6: `stdou` is no place for the access log | did you mean `stdout`?"),
        ("[access_log]\nto = { fil = \"x\", file = \"y\" }", "4:8: unknown key `fil`"),
        ("[chain_trace]\nsample = 100.01", "4:10: `100.01`: a weight lies between 0 and 100 percent"),
        ("[chain_trace]\nask_from = [\"127.0.0.1/8\"]", "4:13: `127.0.0.1/8` is no range of addresses | write \"127.0"),
        ("[chain_trace]\nask = []", "4:1: unknown key `ask` | one of `sample`, `ask_from`"),
        ("[dns]\nservers = [\"ns\"]", "4:12: `ns` is no name server"),
    ] {
        let text = format!("[[listeners]]\naddress = \"127.0.0.1:1\"\n{text}");
        let fault = one_line(read(&text).expect_err(&text));
        assert!(fault.starts_with(expected), "{text}: {fault}");
    }
}
