//! [`Origins`]: the rule for the `Origin` header of browser pages (RFC 6455 §4.1, §10.2).
//!
//! A browser lets any page open a WebSocket to any server, with the user's cookies. It sends the origin of
//! the page in `Origin`, and the server has to decide. Other programs send no `Origin` or an arbitrary one,
//! so the rule protects the users of browsers and authenticates no client.

use std::fmt;
use std::sync::Arc;

use super::authority::{Authority, default_port};
use super::{HandshakeError, headers};

/// The origins that a server accepts. Default: [`same_host`](Self::same_host).
///
/// Every rule accepts a request without `Origin`, because such a request does not come from a browser page.
/// [`required`](Self::required) refuses it.
///
/// A page of another host gets 403, whose body names its origin. To admit the page, list the origin, without a
/// path and without a final `/`:
///
/// ```
/// use wsimd::{Origins, Policy};
///
/// let origins = Origins::list(["https://example.com", "http://localhost:3000"])?;
/// let policy = Policy::new().origins(origins);
/// assert!(Origins::list(["https://example.com/"]).is_err());
/// # Ok::<(), wsimd::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Origins {
    rule: Rule,
    is_required: bool,
}

#[derive(Clone, Default)]
enum Rule {
    #[default]
    SameHost,
    Any,
    List(Arc<[String]>),
    Predicate(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl Origins {
    /// Accepts an origin whose host and port equal those of `Host`, ignoring case.
    ///
    /// The scheme must be `http` or `https`, and its default port may be omitted. `null`, the origin of
    /// sandboxed pages and local files, is refused.
    pub fn same_host() -> Self {
        Self::new(Rule::SameHost)
    }

    /// Accepts every origin. Any page can then act with the cookies of its visitor.
    pub fn any() -> Self {
        Self::new(Rule::Any)
    }

    /// Accepts the listed origins, such as `https://example.com` or `http://localhost:8080`. The case of
    /// scheme and host is ignored, and the default port of the scheme may be omitted.
    ///
    /// The server's own host must be listed too. Values that application shells send can be listed:
    /// `capacitor://localhost`, `chrome-extension://…` with its identifier, `file://` and `null`.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`](HandshakeError::InvalidSetting) for an entry that is not an origin and could
    /// never match. In particular, an origin has no path, not even `/`.
    pub fn list<I>(origins: I) -> Result<Self, HandshakeError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        const RULE: &str = "it must be scheme://host[:port], without a path or a final /";
        let mut accepted = Vec::new();
        for origin in origins {
            let origin = origin.as_ref();
            let normal = normalize(origin);
            accepted.push(
                normal
                    .ok_or_else(|| headers::invalid_setting("origin", origin.as_bytes(), RULE))?,
            );
        }
        Ok(Self::new(Rule::List(accepted.into())))
    }

    /// Accepts an origin if the function returns `true`. The function receives the value of `Origin` as it
    /// was sent, including `null`. A value that is not visible ASCII is refused without a call.
    pub fn predicate<F>(accepts: F) -> Self
    where
        F: Fn(&str) -> bool + Send + Sync + 'static,
    {
        Self::new(Rule::Predicate(Arc::new(accepts)))
    }

    /// Also refuses a request without `Origin`. Only browsers have to send `Origin`, so this excludes most
    /// other programs. It does not authenticate clients, because a program can send any `Origin`.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    fn new(rule: Rule) -> Self {
        Self {
            rule,
            is_required: false,
        }
    }

    /// Returns whether a request without `Origin` is refused.
    pub(super) fn is_required(&self) -> bool {
        self.is_required
    }

    /// Returns whether a request with this `Origin`, sent to this host, is accepted.
    pub(super) fn accepts(&self, origin: &[u8], host: &Authority) -> bool {
        if matches!(self.rule, Rule::Any) {
            return true;
        }
        if !origin.iter().all(u8::is_ascii_graphic) {
            return false;
        }
        let Ok(origin) = str::from_utf8(origin) else {
            return false;
        };
        match &self.rule {
            Rule::SameHost => is_same_host(origin, host),
            Rule::Any => true,
            Rule::List(accepted) => normalize(origin).is_some_and(|it| accepted.contains(&it)),
            Rule::Predicate(accepts) => accepts(origin),
        }
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Rule::SameHost => f.write_str("Origins::same_host()")?,
            Rule::Any => f.write_str("Origins::any()")?,
            Rule::List(accepted) => write!(f, "Origins::list({accepted:?})")?,
            Rule::Predicate(_) => f.write_str("Origins::predicate(..)")?,
        }
        f.write_str(if self.is_required { ".required()" } else { "" })
    }
}

fn is_same_host(origin: &str, host: &Authority) -> bool {
    let Some((scheme, authority)) = parse(origin) else {
        return false;
    };
    let Some(default) = default_port(&scheme).filter(|_| scheme.starts_with("http")) else {
        return false;
    };
    authority.without_default(Some(default)) == host.clone().without_default(Some(default))
}

/// Returns the normal form of an origin, for comparison.
fn normalize(origin: &str) -> Option<String> {
    if origin == "null" {
        return Some(origin.to_owned());
    }
    if let Some(scheme) = hostless_scheme(origin) {
        return Some(format!("{scheme}://"));
    }
    let (scheme, authority) = parse(origin)?;
    let authority = authority.without_default(default_port(&scheme));
    Some(format!("{scheme}://{authority}"))
}

/// Returns the scheme of an origin without a host, such as `file://`, which local pages send. The schemes of
/// the web have a host.
fn hostless_scheme(origin: &str) -> Option<String> {
    let scheme = parse_scheme(origin.strip_suffix("://")?)?;
    default_port(&scheme).is_none().then_some(scheme)
}

/// Parses `scheme://host[:port]` (RFC 6454 §7.1). Returns the scheme in lower case.
fn parse(origin: &str) -> Option<(String, Authority)> {
    let (scheme, authority) = origin.split_once("://")?;
    let authority = Authority::from_bytes(authority.as_bytes()).ok()?;
    Some((parse_scheme(scheme)?, authority))
}

fn parse_scheme(scheme: &str) -> Option<String> {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let is_scheme = !scheme.is_empty() && scheme.bytes().all(is_valid);
    is_scheme.then(|| scheme.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(rule: &Origins, origin: &str, host: &str) -> bool {
        rule.accepts(origin.as_bytes(), &Authority::parse(host).unwrap())
    }

    #[test]
    fn the_same_host_is_accepted_whatever_the_default_port_is_written_as() {
        let accepted = [
            ("http://example.com", "example.com"),
            ("http://example.com:80", "example.com"),
            ("http://example.com", "example.com:80"),
            ("https://example.com", "example.com"),
            ("https://example.com:443", "example.com"),
            ("https://example.com", "example.com:443"),
            ("HTTP://EXAMPLE.com", "Example.COM"),
            ("http://localhost:8080", "localhost:8080"),
            ("http://[::1]:8080", "[0::1]:8080"),
        ];
        for (origin, host) in accepted {
            assert!(
                accepts(&Origins::default(), origin, host),
                "{origin} {host}"
            );
        }
    }

    #[test]
    fn another_host_port_or_scheme_is_refused() {
        let refused = [
            ("http://evil.com", "example.com"),
            ("http://example.com.evil.com", "example.com"),
            ("http://evil.com/example.com", "example.com"),
            ("http://u@example.com", "example.com"),
            ("http://sub.example.com", "example.com"),
            ("http://example.com:8080", "example.com"),
            ("http://example.com", "example.com:8080"),
            ("http://example.com", "example.com:443"),
            ("https://example.com", "example.com:80"),
            ("https://example.com:80", "example.com"),
            ("ws://example.com", "example.com"),
            ("chrome-extension://example.com", "example.com"),
            ("null", "null"),
            ("", "example.com"),
            ("example.com", "example.com"),
            ("://example.com", "example.com"),
            ("http://example.com http://evil.com", "example.com"),
            ("http://example.com/", "example.com"),
        ];
        for (origin, host) in refused {
            assert!(
                !accepts(&Origins::same_host(), origin, host),
                "{origin} {host}"
            );
        }
        let host = Authority::parse("h").unwrap();
        assert!(!Origins::same_host().accepts(b"http://h\xff", &host));
    }

    #[test]
    fn any_accepts_whatever_is_sent() {
        assert!(accepts(&Origins::any(), "null", "h"));
        assert!(accepts(&Origins::any(), "http://evil.com", "h"));
        assert!(Origins::any().accepts(b"\xff", &Authority::parse("h").unwrap()));
    }

    #[test]
    fn a_list_accepts_its_entries_only() {
        let rule = Origins::list(["https://Example.com:443", "http://localhost:3000"]).unwrap();
        assert!(accepts(&rule, "https://example.com", "h"));
        assert!(accepts(&rule, "http://LOCALHOST:3000", "h"));
        for origin in ["http://example.com", "http://localhost", "http://h", "null"] {
            assert!(!accepts(&rule, origin, "h"), "{origin}");
        }
        assert!(accepts(&Origins::list(["null"]).unwrap(), "null", "h"));
        let nobody: [&str; 0] = [];
        assert!(!accepts(&Origins::list(nobody).unwrap(), "http://h", "h"));
    }

    #[test]
    fn the_origins_of_application_shells_can_be_listed() {
        let origins = [
            "null",
            "file://",
            "qrc://",
            "app://obsidian.md",
            "app://.",
            "capacitor://localhost",
            "ionic://localhost",
            "tauri://localhost",
            "chrome-extension://gighmmpiobklfepjocnamgkkbiglidom",
            "moz-extension://8f4a5c1e-0000-4000-8000-000000000000",
            "safari-web-extension://8F4A5C1E-0000-4000-8000-000000000000",
            "vscode-webview://0abc",
            "http://[fe80::1]:8080",
        ];
        for origin in origins {
            let rule = Origins::list([origin]).unwrap();
            assert!(accepts(&rule, origin, "h"), "{origin}");
            assert!(!accepts(&rule, "http://h", "h"), "{origin}");
            if origin != "null" {
                assert!(!accepts(&rule, "null", "h"), "{origin}");
            }
        }
        // A list of pages of the web does not accept them, and neither does the default.
        let web = Origins::list(["https://example.com"]).unwrap();
        for origin in origins {
            assert!(!accepts(&web, origin, "localhost"), "{origin}");
            assert!(
                !accepts(&Origins::default(), origin, "localhost"),
                "{origin}"
            );
        }
    }

    #[test]
    fn an_entry_that_could_never_match_is_refused() {
        for entry in [
            "https://example.com/",
            "example.com",
            "*",
            "https://*.com",
            "http://",
            "wss://",
            "://",
            "file",
            "file:///",
            "file:///index.html",
            "chrome-extension://abc/page.html",
            "",
        ] {
            let error = Origins::list([entry]).unwrap_err();
            assert!(matches!(
                error,
                HandshakeError::InvalidSetting {
                    setting: "origin",
                    ..
                }
            ));
        }
        let error = Origins::list(["https://example.com/"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid origin \"https://example.com/\": it must be scheme://host[:port], without a path or a final /"
        );
    }

    #[test]
    fn a_predicate_decides_alone_and_sees_null() {
        let rule = Origins::predicate(|origin| origin.ends_with(".test") || origin == "null");
        assert!(accepts(&rule, "http://a.test", "h"));
        assert!(accepts(&rule, "null", "h"));
        assert!(!accepts(&rule, "http://h", "h"));
        assert!(!rule.accepts(b"\xff.test", &Authority::parse("h").unwrap()));
    }

    #[test]
    fn debug_names_the_rule() {
        assert_eq!(format!("{:?}", Origins::default()), "Origins::same_host()");
        assert_eq!(
            format!("{:?}", Origins::predicate(|_| true)),
            "Origins::predicate(..)"
        );
        let rule = Origins::list(["http://H:80"]).unwrap();
        assert_eq!(format!("{rule:?}"), "Origins::list([\"http://h\"])");
        let rule = rule.required();
        assert_eq!(
            format!("{rule:?}"),
            "Origins::list([\"http://h\"]).required()"
        );
    }
}
