use super::*;
use crate::extension::{Deflate, parse};

fn params(text: &str) -> Params {
    let (name, params) = parse(format!("x{text}").as_bytes()).unwrap();
    assert_eq!(name, "x");
    params
}

/// Returns the response of a server to an offer, and the negotiated parameters.
fn accepted(settings: &Deflate, offer: &str) -> Result<(String, Contexts), NegotiationError> {
    accept(settings.parameters, &params(offer))
        .map(|(response, contexts)| (response.to_string(), contexts))
}

fn direction(takeover: bool, window_bits: u8) -> Direction {
    Direction {
        takeover,
        window_bits,
    }
}

fn invalid_value(name: &str, value: Option<&str>) -> NegotiationError {
    invalid(name, value)
}

#[test]
fn a_server_joins_both_sides_wish_for_no_context_takeover() {
    for (ours, theirs, expected) in [
        (false, "", ""),
        (
            false,
            "; server_no_context_takeover",
            "; server_no_context_takeover",
        ),
        (true, "", "; server_no_context_takeover"),
        (
            true,
            "; server_no_context_takeover",
            "; server_no_context_takeover",
        ),
    ] {
        let settings = Deflate::new().server_no_context_takeover(ours);
        let (response, contexts) = accepted(&settings, theirs).unwrap();
        assert_eq!(response, expected);
        assert_eq!(contexts.server, direction(expected.is_empty(), 15));
        assert_eq!(contexts.client, direction(true, 15));

        let settings = Deflate::new().client_no_context_takeover(ours);
        let rename = |text: &str| text.replace("server", "client");
        let (response, contexts) = accepted(&settings, &rename(theirs)).unwrap();
        assert_eq!(response, rename(expected));
        assert_eq!(contexts.client, direction(expected.is_empty(), 15));
        assert_eq!(contexts.server, direction(true, 15));
    }
}

#[test]
fn a_server_limits_its_own_window_to_the_smaller_of_both() {
    for (ours, theirs, expected) in [
        (None, None, None),
        (None, Some(10), Some(10)),
        (None, Some(8), Some(8)),
        (Some(12), None, Some(12)),
        (Some(12), Some(10), Some(10)),
        (Some(12), Some(12), Some(12)),
        (Some(12), Some(15), Some(12)),
    ] {
        let text = |bits: Option<u8>| {
            bits.map_or(String::new(), |bits| {
                format!("; server_max_window_bits={bits}")
            })
        };
        let settings = Deflate::new().server_max_window_bits(ours);
        let (response, contexts) = accepted(&settings, &text(theirs)).unwrap();
        assert_eq!(response, text(expected), "{ours:?} {theirs:?}");
        assert_eq!(contexts.server, direction(true, expected.unwrap_or(15)));
        assert_eq!(contexts.client, direction(true, 15));
    }
}

#[test]
fn a_server_limits_the_clients_window_where_the_client_lets_it() {
    const ANY: &str = "; client_max_window_bits";
    const TEN: &str = "; client_max_window_bits=10";
    const TWELVE: &str = "; client_max_window_bits=12";
    const FIFTEEN: &str = "; client_max_window_bits=15";
    let default = Deflate::new();
    let none = Deflate::new().client_max_window_bits(None);
    let twelve = Deflate::new().client_max_window_bits(12);
    for (settings, offer, expected, bits) in [
        (&default, "", "", 15),
        (&default, ANY, "", 15),
        (&default, TEN, TEN, 10),
        (&none, "", "", 15),
        (&none, ANY, "", 15),
        (&none, TEN, TEN, 10),
        (&twelve, ANY, TWELVE, 12),
        (&twelve, TEN, TEN, 10),
        (&twelve, TWELVE, TWELVE, 12),
        (&twelve, FIFTEEN, TWELVE, 12),
    ] {
        let (response, contexts) = accepted(settings, offer).unwrap();
        assert_eq!(response, expected, "{settings:?} {offer}");
        assert_eq!(contexts.client, direction(true, bits));
        assert_eq!(contexts.server, direction(true, 15));
    }
    assert_eq!(
        accepted(&twelve, ""),
        Err(NegotiationError::MissingParameter(CLIENT_MAX_WINDOW_BITS))
    );
}

#[test]
fn a_client_offers_what_it_is_set_to() {
    let offered = |settings: Deflate| settings.parameters.write().to_string();
    assert_eq!(offered(Deflate::new()), "; client_max_window_bits");
    assert_eq!(offered(Deflate::new().client_max_window_bits(None)), "");
    assert_eq!(
        offered(
            Deflate::new()
                .no_context_takeover()
                .server_max_window_bits(9)
                .client_max_window_bits(10)
        ),
        "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; \
         client_max_window_bits=10"
    );
}

#[test]
fn window_bits_beyond_8_and_15_count_as_these() {
    let settings = Deflate::new()
        .server_max_window_bits(0)
        .client_max_window_bits(16);
    assert_eq!(
        settings.parameters.write().to_string(),
        "; server_max_window_bits=8; client_max_window_bits=15"
    );
}

#[test]
fn a_client_insists_on_what_it_asked_the_server_for() {
    let confirmed =
        |settings: Deflate, response: &str| confirm(settings.parameters, &params(response));
    let takeover = |settings, response| confirmed(settings, response).map(|it| it.server.takeover);
    let with = || Deflate::new().server_no_context_takeover(true);
    assert_eq!(takeover(Deflate::new(), ""), Ok(true));
    let name = SERVER_NO_CONTEXT_TAKEOVER;
    assert_eq!(
        takeover(Deflate::new(), "; server_no_context_takeover"),
        Ok(false)
    );
    assert_eq!(takeover(with(), "; server_no_context_takeover"), Ok(false));
    assert_eq!(
        takeover(with(), ""),
        Err(NegotiationError::MissingParameter(name))
    );

    let bits = |ours: Option<u8>, response| {
        let settings = Deflate::new().server_max_window_bits(ours);
        confirmed(settings, response).map(|it| it.server.window_bits)
    };
    let name = SERVER_MAX_WINDOW_BITS;
    assert_eq!(bits(None, ""), Ok(15));
    assert_eq!(bits(None, "; server_max_window_bits=10"), Ok(10));
    assert_eq!(
        bits(Some(12), ""),
        Err(NegotiationError::MissingParameter(name))
    );
    assert_eq!(bits(Some(12), "; server_max_window_bits=10"), Ok(10));
    assert_eq!(bits(Some(12), "; server_max_window_bits=12"), Ok(12));
    assert_eq!(
        bits(Some(12), "; server_max_window_bits=13"),
        Err(NegotiationError::NotOffered(name))
    );
}

#[test]
fn a_client_keeps_to_its_own_limits_whatever_the_server_says() {
    let takeover = |ours, response| {
        let settings = Deflate::new().client_no_context_takeover(ours);
        confirm(settings.parameters, &params(response))
            .unwrap()
            .client
            .takeover
    };
    assert!(takeover(false, ""));
    assert!(!takeover(false, "; client_no_context_takeover"));
    assert!(!takeover(true, ""));
    assert!(!takeover(true, "; client_no_context_takeover"));

    let bits = |settings: Deflate, response| {
        confirm(settings.parameters, &params(response)).map(|it| it.client.window_bits)
    };
    let absent = || Deflate::new().client_max_window_bits(None);
    let twelve = || Deflate::new().client_max_window_bits(12);
    let not_offered = Err(NegotiationError::NotOffered(CLIENT_MAX_WINDOW_BITS));
    assert_eq!(bits(absent(), ""), Ok(15));
    assert_eq!(bits(absent(), "; client_max_window_bits=10"), not_offered);
    assert_eq!(bits(Deflate::new(), ""), Ok(15));
    assert_eq!(bits(Deflate::new(), "; client_max_window_bits=10"), Ok(10));
    assert_eq!(bits(twelve(), ""), Ok(12));
    assert_eq!(bits(twelve(), "; client_max_window_bits=10"), Ok(10));
    assert_eq!(bits(twelve(), "; client_max_window_bits=12"), Ok(12));
    assert_eq!(bits(twelve(), "; client_max_window_bits=13"), not_offered);
    assert_eq!(
        bits(twelve(), "; client_max_window_bits"),
        Err(invalid_value(CLIENT_MAX_WINDOW_BITS, None))
    );
}

#[test]
fn parameters_are_known_unique_and_in_range() {
    let both = |text: &str| {
        let confirmed = confirm(Deflate::new().parameters, &params(text)).unwrap_err();
        assert_eq!(
            accepted(&Deflate::new(), text).unwrap_err(),
            confirmed,
            "{text}"
        );
        confirmed
    };
    for name in [SERVER_NO_CONTEXT_TAKEOVER, CLIENT_NO_CONTEXT_TAKEOVER] {
        for value in ["8", "true", "0"] {
            let expected = invalid_value(name, Some(value));
            assert_eq!(both(&format!("; {name}={value}")), expected);
        }
    }
    for name in [SERVER_MAX_WINDOW_BITS, CLIENT_MAX_WINDOW_BITS] {
        for value in [
            "7",
            "16",
            "08",
            "0",
            "+9",
            "-9",
            "1e1",
            "a",
            "15.0",
            "999999999999",
        ] {
            let expected = invalid_value(name, Some(value));
            assert_eq!(both(&format!("; {name}={value}")), expected);
        }
    }
    assert_eq!(
        both("; server_max_window_bits"),
        invalid_value(SERVER_MAX_WINDOW_BITS, None)
    );
    for text in ["; foo", "; foo=1", "; Server_Max_Window_Bits=10"] {
        assert!(
            matches!(both(text), NegotiationError::UnknownParameter(_)),
            "{text}"
        );
    }
    for param in [
        "server_no_context_takeover",
        "client_no_context_takeover",
        "server_max_window_bits=10",
        "client_max_window_bits=10",
    ] {
        let name = param.split('=').next().unwrap();
        assert_eq!(
            both(&format!("; {param}; {param}")),
            NegotiationError::DuplicateParameter(name.to_owned())
        );
    }
    assert_eq!(
        both("; client_max_window_bits=9; client_max_window_bits=10"),
        NegotiationError::DuplicateParameter(CLIENT_MAX_WINDOW_BITS.to_owned())
    );
}
