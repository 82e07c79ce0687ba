use super::*;

type Variables<'a> = &'a [(&'a str, &'a str)];

fn read_as(variables: Variables<'_>, ignores_case: bool) -> Result<Environment, HandshakeError> {
    let lookup = |name: &str| {
        let is_it = |other: &str| match ignores_case {
            true => name.eq_ignore_ascii_case(other),
            false => name == other,
        };
        let found = variables.iter().find(|(other, _)| is_it(other));
        found.map(|(_, value)| OsString::from(value))
    };
    Environment::read(lookup, ignores_case)
}

/// Returns the host of the proxy for a URI, or an empty text for none.
fn proxy_of(environment: &Environment, uri: &str) -> String {
    let target = Target::parse(uri).unwrap();
    let proxy = environment.proxy_of(&target);
    proxy
        .map(|proxy| proxy.host().to_owned())
        .unwrap_or_default()
}

/// Returns the hosts of the proxies for `ws` and `wss`.
fn proxies(variables: Variables<'_>) -> (String, String) {
    let environment = read_as(variables, false).unwrap();
    let of = |uri| proxy_of(&environment, uri);
    (of("ws://example.com"), of("wss://example.com"))
}

fn is_exempt(exempt: &str, uri: &str) -> bool {
    let variables = [("all_proxy", "p"), ("no_proxy", exempt)];
    proxy_of(&read_as(&variables, false).unwrap(), uri).is_empty()
}

#[test]
fn each_scheme_has_its_variables() {
    for (variables, plain, secure) in [
        (&[][..], "", ""),
        (&[("https_proxy", "a")], "", "a"),
        (&[("HTTPS_PROXY", "a")], "", "a"),
        (&[("HTTPS_PROXY", "a"), ("https_proxy", "b")], "", "b"),
        (&[("http_proxy", "a")], "a", ""),
        (&[("all_proxy", "a")], "a", "a"),
        (&[("ALL_PROXY", "a")], "a", "a"),
        (&[("ALL_PROXY", "a"), ("all_proxy", "b")], "b", "b"),
        (&[("ALL_PROXY", "a"), ("https_proxy", "b")], "a", "b"),
        (
            &[
                ("all_proxy", "a"),
                ("HTTPS_PROXY", "b"),
                ("http_proxy", "c"),
            ],
            "c",
            "b",
        ),
    ] {
        let (of_plain, of_secure) = proxies(variables);
        assert_eq!((&*of_plain, &*of_secure), (plain, secure), "{variables:?}");
    }
}

#[test]
fn http_proxy_in_upper_case_is_ignored() {
    assert_eq!(
        proxies(&[("HTTP_PROXY", "evil")]),
        (String::new(), String::new())
    );
    let variables = [
        ("HTTP_PROXY", "evil"),
        ("http_proxy", "a"),
        ("REQUEST_METHOD", "GET"),
    ];
    assert_eq!(proxies(&variables).0, "a");
}

#[test]
fn a_cgi_program_ignores_http_proxy_where_the_environment_ignores_case() {
    let read = |variables| read_as(variables, true).unwrap();
    let plain = |environment| proxy_of(&environment, "ws://h");
    assert_eq!(plain(read(&[("HTTP_PROXY", "a")])), "a");
    let cgi = &[("HTTP_PROXY", "evil"), ("REQUEST_METHOD", "GET")];
    assert_eq!(plain(read(cgi)), "");
    let cgi = &[
        ("HTTP_PROXY", "evil"),
        ("REQUEST_METHOD", "GET"),
        ("ALL_PROXY", "a"),
    ];
    assert_eq!(plain(read(cgi)), "a");
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let variables = [
        ("https_proxy", ""),
        ("HTTPS_PROXY", "a"),
        ("http_proxy", ""),
        ("all_proxy", "b"),
    ];
    assert_eq!(proxies(&variables), ("b".to_owned(), "a".to_owned()));
    assert!(!is_exempt("", "ws://h"));
}

#[test]
fn an_invalid_value_names_its_variable_and_not_the_password() {
    for (variables, name) in [
        (&[("https_proxy", "ftp://user:sesame@p")][..], "https_proxy"),
        (&[("HTTPS_PROXY", "http://user:sesame@p:x")], "HTTPS_PROXY"),
        (&[("http_proxy", "socks4://user:sesame@p")], "http_proxy"),
        (&[("all_proxy", "http://user:sesame@p/path")], "all_proxy"),
        (&[("ALL_PROXY", " "), ("http_proxy", "p")], "ALL_PROXY"),
    ] {
        let error = read_as(variables, false).unwrap_err();
        let start = format!("invalid {name} \"");
        assert!(error.to_string().starts_with(&start), "{error}");
        assert!(!format!("{error} {error:?}").contains("sesame"), "{error}");
    }
    // A variable that is not needed is not read.
    let variables = [
        ("all_proxy", "ftp://p"),
        ("http_proxy", "a"),
        ("https_proxy", "b"),
    ];
    assert_eq!(proxies(&variables), ("a".to_owned(), "b".to_owned()));
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_utf8_names_its_variable() {
    use std::os::unix::ffi::OsStringExt;

    for name in ["https_proxy", "no_proxy", "NO_PROXY"] {
        let lookup = |other: &str| (name == other).then(|| OsString::from_vec(vec![b'p', 0xff]));
        let error = Environment::read(lookup, false).unwrap_err().to_string();
        assert!(error.starts_with(&format!("invalid {name} \"p")), "{error}");
        assert!(error.ends_with("it is not UTF-8"), "{error}");
    }
}

#[test]
fn no_proxy_exempts_names_with_their_subdomains() {
    for exempt in [
        "example.com",
        ".example.com",
        "EXAMPLE.com.",
        "a, example.com ,b",
        "a example.com",
    ] {
        assert!(is_exempt(exempt, "ws://example.com"), "{exempt}");
        assert!(is_exempt(exempt, "wss://Example.com.:9000/x"), "{exempt}");
        assert!(is_exempt(exempt, "ws://sub.example.com"), "{exempt}");
        assert!(!is_exempt(exempt, "ws://notexample.com"), "{exempt}");
        assert!(!is_exempt(exempt, "ws://example.com.org"), "{exempt}");
    }
    assert!(is_exempt("*", "ws://anything") && is_exempt("a,*", "ws://anything"));
    assert!(!is_exempt("*.example.com", "ws://sub.example.com"));
    // As in curl: an entry has no port, and `localhost` is a name like any other.
    assert!(!is_exempt("example.com:80", "ws://example.com"));
    assert!(!is_exempt("", "ws://localhost") && !is_exempt("", "ws://127.0.0.1"));
    assert!(is_exempt("localhost", "ws://localhost:8765"));
}

#[test]
fn no_proxy_exempts_addresses_and_networks() {
    for (exempt, uri, expected) in [
        ("10.0.0.1", "ws://10.0.0.1:81", true),
        ("10.0.0.0/8", "wss://10.1.2.3", true),
        ("10.0.0.0/8", "ws://11.0.0.1", false),
        ("10.0.0.0/8", "ws://a10.0.0.1", false),
        ("::1", "ws://[::1]:81", true),
        ("::1", "ws://[::2]", false),
        ("2001:db8::/32", "wss://[2001:DB8:1::1]", true),
        ("fe80::/10", "ws://[fe80::1%25eth0]", true),
        ("fe80::1", "ws://[fe80::1%25eth0]:81", true),
        ("127.0.0.1", "ws://localhost", false),
        ("0.0.0.0/0", "ws://192.0.2.1", true),
    ] {
        assert_eq!(is_exempt(exempt, uri), expected, "{exempt} {uri}");
    }
}

#[test]
fn upper_case_no_proxy_is_read_if_the_lower_case_is_unset() {
    let variables = [("all_proxy", "p"), ("NO_PROXY", "a"), ("no_proxy", "b")];
    let environment = read_as(&variables, false).unwrap();
    assert_eq!(proxy_of(&environment, "ws://a"), "p");
    assert_eq!(proxy_of(&environment, "ws://b"), "");
    let environment = read_as(&variables[..2], false).unwrap();
    assert_eq!(proxy_of(&environment, "ws://a"), "");
}

#[test]
fn debug_prints_no_password() {
    let variables = [("all_proxy", "http://user:sesame@p"), ("no_proxy", "h")];
    let shown = format!("{:?}", read_as(&variables, false).unwrap());
    assert!(
        shown.contains("http://p:1080") && !shown.contains("sesame"),
        "{shown}"
    );
}

#[test]
fn a_star_exempts_addresses_as_well() {
    assert!(is_exempt("*", "ws://192.0.2.1") && is_exempt("*", "ws://[::1]"));
}
