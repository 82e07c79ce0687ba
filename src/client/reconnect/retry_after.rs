//! The header `Retry-After` of a server or a proxy that refused.

use std::time::{Duration, SystemTime};

use http::{
    HeaderMap, HeaderName,
    header::{DATE, RETRY_AFTER},
};

use crate::error::{Error, ProxyFailure};

/// Returns the time that the peer demands before the next attempt (RFC 9110 §10.2.3). An invalid value is ignored.
pub(super) fn retry_after(error: &Error) -> Option<Duration> {
    parse(headers(error)?, SystemTime::now())
}

fn headers(error: &Error) -> Option<&HeaderMap> {
    let Error::Proxy(error) = error else {
        return Some(error.response()?.headers());
    };
    match &error.reason {
        ProxyFailure::Refused(response) => Some(response.headers()),
        _ => None,
    }
}

fn parse(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // The number has no bound in the RFC.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    // The clock of the peer, so that a wrong clock of this side does not matter.
    let now = date_of(headers, &DATE).unwrap_or(now);
    Some(date.duration_since(now).unwrap_or_default())
}

fn date_of(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ProxyError;

    /// Parses headers at 08:49:00 of the clock of this side.
    fn parse_headers(headers: &[(HeaderName, &str)]) -> Option<Duration> {
        let pairs = headers.iter();
        let pairs = pairs.map(|(name, value)| (name.clone(), value.parse().unwrap()));
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:00 GMT").unwrap();
        parse(&HeaderMap::from_iter(pairs), now)
    }

    #[test]
    fn a_proxy_may_demand_a_pause_as_well() {
        let response = http::Response::builder()
            .status(503)
            .header(RETRY_AFTER, "9");
        let refused = ProxyFailure::Refused(Box::new(response.body(()).unwrap()));
        let pause = |reason| {
            let proxy = "proxy:3128".to_owned();
            retry_after(&Error::Proxy(Box::new(ProxyError { proxy, reason })))
        };
        assert_eq!(pause(refused), Some(Duration::from_secs(9)));
        assert_eq!(pause(ProxyFailure::Closed), None);
    }

    #[test]
    fn seconds_and_all_forms_of_a_date_are_read() {
        for (value, seconds) in [
            ("0", 0),
            ("120", 120),
            ("007", 7),
            ("18446744073709551615", u64::MAX),
            ("18446744073709551616", u64::MAX),
            ("99999999999999999999999999999999", u64::MAX),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 37),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 37),
            ("Sun Nov  6 08:49:37 1994", 37),
            ("Sun, 06 Nov 1994 08:48:00 GMT", 0),
        ] {
            let parsed = parse_headers(&[(RETRY_AFTER, value)]);
            assert_eq!(parsed, Some(Duration::from_secs(seconds)), "{value}");
        }
    }

    #[test]
    fn an_invalid_value_is_ignored() {
        for value in [
            "",
            "-1",
            "+1",
            "1.5",
            "1 s",
            "1,2",
            "soon",
            "0x10",
            "1e3",
            "٣",
            "Sun, 99 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37",
        ] {
            assert_eq!(parse_headers(&[(RETRY_AFTER, value)]), None, "{value:?}");
        }
        assert_eq!(parse_headers(&[]), None);
    }

    #[test]
    fn a_date_is_compared_with_the_clock_of_the_peer() {
        let until = (RETRY_AFTER, "Wed, 01 Jan 2025 00:01:00 GMT");
        let at = |date| parse_headers(&[until.clone(), (DATE, date)]);
        let minute = Some(Duration::from_secs(60));
        assert_eq!(at("Wed, 01 Jan 2025 00:00:00 GMT"), minute);
        assert_eq!(at("Wed, 01 Jan 2025 00:02:00 GMT"), Some(Duration::ZERO));
        // Without a valid `Date`, the clock of this side counts.
        assert!(at("yesterday").unwrap() > Duration::from_secs(30 * 365 * 86_400));
    }
}
