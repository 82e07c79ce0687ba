//! [`Environment`]: the proxies of the environment, by the rules of curl.

use std::ffi::OsString;

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;

use super::Proxy;
use crate::handshake::{HandshakeError, Target, authority::without_zone, proxy::invalid};

/// The proxies that the environment names, and the servers without one.
#[derive(Debug)]
pub(crate) struct Environment {
    plain: Option<Proxy>,
    secure: Option<Proxy>,
    /// Intercepts the servers that have a proxy.
    matcher: Matcher,
}

impl Environment {
    /// Reads the variables with `lookup`. An empty variable counts as unset. Lower case precedes upper case.
    ///
    /// `HTTP_PROXY` is not read, because a CGI server sets it from the header `Proxy` of a request. If the environment
    /// ignores case, a CGI program does not read `http_proxy` either, because the two are one variable.
    pub(super) fn read(
        lookup: impl Fn(&str) -> Option<OsString>,
        ignores_case: bool,
    ) -> Result<Self, HandshakeError> {
        let lookup = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let is_cgi = ignores_case && lookup("REQUEST_METHOD").is_some();
        let plain: &[_] = if is_cgi { &[] } else { &["http_proxy"] };
        let proxy = |names: &[&'static str]| {
            let found = [names, &["all_proxy", "ALL_PROXY"]].concat();
            let found = text(lookup, &found)?;
            found
                .map(|(name, value)| Proxy::parse_setting(name, &value))
                .transpose()
        };
        let exempt = text(lookup, &["no_proxy", "NO_PROXY"])?;
        let (_, exempt) = exempt.unwrap_or_default();
        Ok(Self {
            plain: proxy(plain)?,
            secure: proxy(&["https_proxy", "HTTPS_PROXY"])?,
            matcher: matcher(&exempt),
        })
    }

    /// Returns the proxy of a server, or `None` if it has none.
    pub(super) fn proxy_of(&self, target: &Target) -> Option<&Proxy> {
        let proxy = if target.is_secure() {
            &self.secure
        } else {
            &self.plain
        };
        proxy.as_ref().filter(|_| !self.is_exempt(target))
    }

    fn is_exempt(&self, target: &Target) -> bool {
        let host = without_zone(target.host()).trim_end_matches('.');
        let uri = match host.contains(':') {
            true => Uri::try_from(format!("http://[{host}]/")),
            false => Uri::try_from(format!("http://{host}/")),
        };
        uri.is_ok_and(|uri| self.matcher.intercept(&uri).is_none())
    }
}

/// Returns the first of the variables that is set, and its name.
fn text(
    lookup: impl Fn(&str) -> Option<OsString>,
    names: &[&'static str],
) -> Result<Option<(&'static str, String)>, HandshakeError> {
    let mut found = names.iter().filter_map(|name| Some((*name, lookup(name)?)));
    let Some((name, value)) = found.next() else {
        return Ok(None);
    };
    match value.into_string() {
        Ok(value) => Ok(Some((name, value))),
        Err(value) => Err(invalid(name, &value.to_string_lossy(), "it is not UTF-8")),
    }
}

/// Creates the rules of `no_proxy`, whose entries are separated by commas or white space. A final dot of a name is
/// ignored.
fn matcher(exempt: &str) -> Matcher {
    // The matcher applies `*` to names only.
    const ALL: &str = "*,0.0.0.0/0,::/0";
    let entries = exempt.split(|it: char| it == ',' || it.is_whitespace());
    let entries = entries.map(|entry| match entry.trim_end_matches('.') {
        "*" => ALL,
        entry => entry,
    });
    let exempt = entries.collect::<Vec<_>>().join(",");
    // Any proxy, because only the outcome of the rules is used.
    Matcher::builder().all("http://proxy").no(exempt).build()
}

#[cfg(test)]
mod tests;
