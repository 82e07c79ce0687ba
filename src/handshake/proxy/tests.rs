use super::*;

fn parse(text: &str) -> Proxy {
    Proxy::parse(text).unwrap()
}

fn request(proxy: &str, target: &str) -> String {
    let target = Target::parse(target).unwrap();
    let request = parse(proxy).connect_request(&target).unwrap();
    String::from_utf8(request.to_vec()).unwrap()
}

#[test]
fn a_scheme_has_a_protocol_and_the_default_port_of_curl() {
    for (text, scheme, shown) in [
        ("proxy", Scheme::Http, "http://proxy:1080"),
        ("proxy:3128", Scheme::Http, "http://proxy:3128"),
        ("http://Proxy.", Scheme::Http, "http://proxy.:1080"),
        ("http://proxy:80/", Scheme::Http, "http://proxy:80"),
        ("HTTPS://proxy", Scheme::Https, "https://proxy:443"),
        (
            "socks5://10.0.0.1",
            Scheme::Socks5,
            "socks5://10.0.0.1:1080",
        ),
        ("socks5h://[::1]", Scheme::Socks5h, "socks5h://[::1]:1080"),
        ("[FE80::1%25lo]:1", Scheme::Http, "http://[fe80::1%lo]:1"),
    ] {
        let proxy = parse(text);
        assert_eq!((proxy.scheme(), proxy.to_string()), (scheme, shown.into()));
        assert_eq!(proxy.user_and_password(), None);
    }
}

#[test]
fn user_info_is_percent_decoded() {
    for (user_info, expected) in [
        ("user:pass", ("user", "pass")),
        ("user", ("user", "")),
        ("us%40er:p%3Aa%2Fs%25", ("us@er", "p:a/s%")),
        ("user:p:w", ("user", "p:w")),
        ("user:%c3%a9", ("user", "\u{e9}")),
    ] {
        let proxy = parse(&format!("http://{user_info}@proxy"));
        assert_eq!(proxy.user_and_password(), Some(expected));
    }
}

#[track_caller]
fn check_refused(text: &str, reason: &str) {
    let error = Proxy::parse(text).unwrap_err();
    let shown = error.to_string();
    assert!(shown.starts_with("invalid proxy \""), "{shown}");
    assert!(shown.ends_with(reason), "{text}: {shown}");
    for shown in [shown, format!("{error:?}")] {
        assert!(!shown.contains("ses") && !shown.contains("ame@"), "{shown}");
    }
}

#[test]
fn an_invalid_proxy_is_refused_with_its_reason_and_without_its_password() {
    for scheme in ["socks4://", "ws://", "ftp://", "://"] {
        let reason = "its scheme is not http, https, socks5 or socks5h";
        check_refused(&format!("{scheme}user:sesame@proxy"), reason);
    }
    for path in ["/x", "?x", "#x", "/?x", "//"] {
        let reason = "it has a path, a query or a fragment";
        check_refused(&format!("http://user:sesame@proxy{path}"), reason);
        check_refused(&format!("http://user:ses{path}ame@proxy"), reason);
    }
    for port in ["0", "65536", "x", "-1", "1:2"] {
        let reason = "its port is not a number from 1 to 65535";
        check_refused(&format!("http://user:sesame@proxy:{port}"), reason);
    }
    for host in ["[::1", "[1.2.3.4]", "a%62", "a b"] {
        let reason = match host {
            "a b" => "it has a space, a control or a character that is not ASCII",
            _ => "its host is malformed",
        };
        check_refused(&format!("http://user:sesame@{host}"), reason);
    }
    for text in ["", "http://", ":3128", "http://user:sesame@"] {
        check_refused(text, "it has no host");
    }
}

#[test]
fn user_info_that_the_protocol_cannot_carry_is_refused() {
    check_refused(
        "http://:sesame@proxy",
        "it has user info without a user name",
    );
    for user_info in [
        "user:sesame%",
        "us%3aer:sesame",
        "user:sesame%0a",
        "user:ses%ff",
    ] {
        let reason = "its user info is malformed; special characters must be percent-encoded";
        check_refused(&format!("http://{user_info}@proxy"), reason);
    }
    let long = format!("user:{}", "sesame".repeat(43));
    for user_info in ["user", "user:", &long] {
        let reason = "SOCKS5 needs a user name and a password of 1 to 255 bytes";
        check_refused(&format!("socks5h://{user_info}@proxy"), reason);
    }
}

#[test]
fn credentials_are_checked_for_the_protocol_and_not_printed() {
    let http = parse("http://proxy");
    let socks = parse("socks5://proxy");
    let long = "x".repeat(256);
    for (proxy, user, password) in [
        (&http, "us:er", "sesame"),
        (&http, "user", "sesame\n"),
        (&socks, "", "sesame"),
        (&socks, "user", ""),
        (&socks, &long, "sesame"),
        (&socks, "user", &long),
    ] {
        let error = proxy.clone().credentials(user, password).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("sesame"), "{error}");
    }
    let socks = socks.credentials("us:er", &long[1..]).unwrap();
    assert_eq!(socks.user_and_password(), Some(("us:er", &long[1..])));
    let proxy = parse("http://a:b@proxy")
        .credentials("user", "sesame")
        .unwrap();
    assert_eq!(proxy.user_and_password(), Some(("user", "sesame")));
    assert_eq!(proxy.to_string(), "http://proxy:1080");
    assert_eq!(
        format!("{proxy:?}"),
        r#"Proxy { uri: http://proxy:1080, user: Some("user"), .. }"#
    );
}

#[test]
fn the_request_names_the_host_and_always_the_port() {
    let agent = format!("user-agent: {PRODUCT}\r\n\r\n");
    for (target, authority) in [
        ("ws://example.com/x?y", "example.com:80"),
        ("wss://Example.com", "example.com:443"),
        ("ws://example.com:9000", "example.com:9000"),
        ("wss://[2001:DB8::1]", "[2001:db8::1]:443"),
        ("ws://[fe80::1%25eth0]:81", "[fe80::1]:81"),
        ("ws://192.0.2.1", "192.0.2.1:80"),
    ] {
        let head = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        assert_eq!(request("http://proxy", target), format!("{head}{agent}"));
        assert_eq!(
            request("http://Aladdin:open%20sesame@proxy", target),
            format!("{head}proxy-authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n{agent}")
        );
    }
}

#[test]
fn a_name_that_socks_cannot_carry_is_refused() {
    let target = |len| Target::parse(&format!("ws://{}/", "a".repeat(len))).unwrap();
    assert_eq!(socks_host(&target(255)).unwrap().len(), 255);
    let error = socks_host(&target(256)).unwrap_err().to_string();
    assert!(
        error.ends_with("SOCKS5 can carry at most 255 bytes"),
        "{error}"
    );
    let target = Target::parse("ws://[fe80::1%25eth0]").unwrap();
    assert_eq!(socks_host(&target).unwrap(), "fe80::1");
}
