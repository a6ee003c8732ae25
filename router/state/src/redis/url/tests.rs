//! Every form of a store URL, and every way to get one wrong.

use super::*;

fn host(name: &str, port: u16) -> Host {
    Host { name: name.to_owned(), port }
}

fn parse(text: &str) -> Url {
    Url::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

#[test]
fn every_form_is_read() {
    let one = |name, port, database| Topology::One { host: host(name, port), database };
    assert_eq!(parse("redis://h").topology, one("h", REDIS_PORT, 0));
    assert_eq!(parse("redis://10.0.0.1:7/3").topology, one("10.0.0.1", 7, 3));
    assert_eq!(parse("redis://[::1]:7/").topology, one("::1", 7, 0));
    assert_eq!(parse("redis://h/16383").topology, one("h", REDIS_PORT, DATABASE_MAX));
    assert_eq!(parse("rediss://h").tls, Some(TlsFiles::default()));
    let sentinels = vec![host("a", SENTINEL_PORT), host("b", 1), host("::1", SENTINEL_PORT)];
    let (master, database) = ("my-master".to_owned(), 2);
    assert_eq!(
        parse("redis+sentinel://a,b:1,[::1]/my-master/2").topology,
        Topology::Sentinel { sentinels, master, database }
    );
    let nodes = vec![host("a", REDIS_PORT), host("b", 7_001)];
    assert_eq!(parse("redis-cluster://a,b:7001").topology, Topology::Cluster { nodes });
    assert!(parse("rediss+sentinel://a/m").tls.is_some() && parse("rediss-cluster://a/").tls.is_some());
    let most = vec!["h"; HOSTS_MAX].join(",");
    assert!(Url::parse(&format!("redis-cluster://{most}")).is_ok());
    assert_eq!(Url::parse(&format!("redis-cluster://{most},h")).err(), Some(UrlFault::TooManyHosts));
}

#[test]
fn user_password_and_files_are_read() {
    let url = parse("redis://us%40er:p%3Aa%2Fss@h");
    assert_eq!(url.login.user.as_deref(), Some("us@er"));
    assert!(url.login.password == Password::Text("p:a/ss".into()));
    assert!(parse("redis://:p@h").login == Login { user: None, password: Password::Text("p".into()) });
    let url = parse("rediss+sentinel://router@a/m?password_env=A&sentinel_password_file=/s&ca=/ca&cert=/c&key=/k");
    assert!(url.login == Login { user: Some("router".into()), password: Password::Environment("A".into()) });
    assert!(url.sentinel_login == Login { user: None, password: Password::File("/s".into()) });
    let pair = Some(("/c".into(), "/k".into()));
    assert_eq!(url.tls, Some(TlsFiles { ca: Some("/ca".into()), pair }));
    assert!(parse("redis://h?user=u&password_file=a%26b").login.password == Password::File("a&b".into()));
}

#[test]
fn every_wrong_form_says_what_is_wrong_and_never_the_password() {
    for (text, fault) in [
        ("geheim", UrlFault::Scheme),
        ("http://u:geheim@h", UrlFault::Scheme),
        ("redis+cluster://u:geheim@h", UrlFault::Scheme),
        ("redis://u:geheim@", UrlFault::Host { number: 1 }),
        ("redis://u:geheim@h,", UrlFault::Host { number: 2 }),
        ("redis://u:geheim@[::1", UrlFault::Host { number: 1 }),
        ("redis://u:geheim@[h]", UrlFault::Host { number: 1 }),
        ("redis://u:geheim@[::1]1", UrlFault::Host { number: 1 }),
        ("redis://u:geheim@a b", UrlFault::Host { number: 1 }),
        ("redis://u:geheim@a,b", UrlFault::Hosts),
        ("redis://u:geheim@h:port", UrlFault::Port { number: 1 }),
        ("redis-cluster://a,u:0", UrlFault::Port { number: 2 }),
        ("redis://u:geheim@h:65536", UrlFault::Port { number: 1 }),
        ("redis://u:geheim@h/x", UrlFault::Database),
        ("redis://h/16384", UrlFault::Database),
        ("redis-cluster://h/1", UrlFault::ClusterDatabase),
        ("redis+sentinel://h", UrlFault::MasterName),
        ("redis+sentinel://h//1", UrlFault::MasterName),
        ("redis+sentinel://h/m m", UrlFault::MasterName),
        ("redis+sentinel://h/m/x", UrlFault::Database),
        ("redis://u:%ff@h", UrlFault::Credentials),
        ("redis://u:gehe#im@h", UrlFault::Fragment),
        ("redis://u:12?geheim@h", UrlFault::Option { number: 1 }),
        ("redis://h?user=u&protocol=resp3", UrlFault::Option { number: 2 }),
        ("rediss://h?ca=", UrlFault::OptionValue("ca")),
        ("rediss://h?ca=a&ca=b", UrlFault::OptionValue("ca")),
        ("redis://u:geheim@h?user=v", UrlFault::Twice("user")),
        ("redis://u:geheim@h?password_env=A", UrlFault::Twice("password")),
        ("redis://h?password_file=geheim&password_env=A", UrlFault::Twice("password")),
        ("redis://h?ca=/ca", UrlFault::NeedsTls("ca")),
        ("redis://h?sentinel_user=u", UrlFault::NeedsSentinel("sentinel_user")),
        ("rediss://h?cert=/c", UrlFault::HalfPair),
    ] {
        let found = Url::parse(text).err().unwrap_or_else(|| panic!("{text} is taken"));
        assert_eq!(found, fault, "{text}");
        assert!(!format!("{found} {found:?}").contains("geheim"), "{found}");
    }
}

#[test]
fn a_store_is_the_same_whoever_we_are_to_it() {
    let identity = |text| parse(text).identity();
    assert_eq!(identity("redis://u:p@h/1"), "h:6379/1");
    assert_eq!(identity("rediss://[::1]"), "[::1]:6379/0");
    assert_eq!(identity("redis+sentinel://b,a:1/m"), "sentinel a:1,b:26379/m/0");
    assert_eq!(identity("redis-cluster://b,a"), identity("redis-cluster://u:p@a,b"));
}
