//! The four parameters of permessage-deflate and their negotiation (RFC 7692 §7.1).

use crate::extension::{NegotiationError, Params};

const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// The window without a negotiated limit, in bits.
const MAX_BITS: u8 = 15;

/// The parameter `client_max_window_bits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bits {
    /// The parameter is absent.
    Absent,
    /// The parameter has no value, which allows the server to set a limit.
    Any,
    /// The parameter has this value, 8 to 15.
    Max(u8),
}

/// The negotiated parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contexts {
    pub(super) server: Direction,
    pub(super) client: Direction,
}

/// The negotiated parameters for the messages of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Direction {
    pub(super) takeover: bool,
    /// The window in bits, 8 to 15.
    pub(super) window_bits: u8,
}

/// The parameters of an offer, of a response or of the settings of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DeflateParams {
    pub(super) server_no_context_takeover: bool,
    pub(super) client_no_context_takeover: bool,
    pub(super) server_max_window_bits: Option<u8>,
    pub(super) client_max_window_bits: Bits,
}

impl DeflateParams {
    pub(super) const NONE: Self = Self {
        server_no_context_takeover: false,
        client_no_context_takeover: false,
        server_max_window_bits: None,
        client_max_window_bits: Bits::Absent,
    };

    fn parse(params: &Params) -> Result<Self, NegotiationError> {
        let mut parsed = Self::NONE;
        for (name, value) in params.iter() {
            let seen = match name {
                SERVER_NO_CONTEXT_TAKEOVER => {
                    no_value(name, value)?;
                    std::mem::replace(&mut parsed.server_no_context_takeover, true)
                }
                CLIENT_NO_CONTEXT_TAKEOVER => {
                    no_value(name, value)?;
                    std::mem::replace(&mut parsed.client_no_context_takeover, true)
                }
                SERVER_MAX_WINDOW_BITS => {
                    let bits = bits(name, value)?;
                    parsed.server_max_window_bits.replace(bits).is_some()
                }
                CLIENT_MAX_WINDOW_BITS => {
                    let bits = match value {
                        None => Bits::Any,
                        Some(_) => Bits::Max(bits(name, value)?),
                    };
                    std::mem::replace(&mut parsed.client_max_window_bits, bits) != Bits::Absent
                }
                _ => return Err(NegotiationError::UnknownParameter(name.to_owned())),
            };
            if seen {
                return Err(NegotiationError::DuplicateParameter(name.to_owned()));
            }
        }
        Ok(parsed)
    }

    pub(super) fn write(self) -> Params {
        let mut params = Params::new();
        if self.server_no_context_takeover {
            params = params.flag(SERVER_NO_CONTEXT_TAKEOVER);
        }
        if self.client_no_context_takeover {
            params = params.flag(CLIENT_NO_CONTEXT_TAKEOVER);
        }
        if let Some(bits) = self.server_max_window_bits {
            params = params.value(SERVER_MAX_WINDOW_BITS, bits);
        }
        match self.client_max_window_bits {
            Bits::Absent => params,
            Bits::Any => params.flag(CLIENT_MAX_WINDOW_BITS),
            Bits::Max(bits) => params.value(CLIENT_MAX_WINDOW_BITS, bits),
        }
    }
}

fn invalid(name: &str, value: Option<&str>) -> NegotiationError {
    NegotiationError::InvalidValue {
        name: name.to_owned(),
        value: value.map(str::to_owned),
    }
}

fn no_value(name: &str, value: Option<&str>) -> Result<(), NegotiationError> {
    match value {
        None => Ok(()),
        Some(_) => Err(invalid(name, value)),
    }
}

/// Parses a number of window bits. §7.1.2.1: "a decimal integer value without leading zeroes between 8 to 15,
/// inclusive".
fn bits(name: &str, value: Option<&str>) -> Result<u8, NegotiationError> {
    match value {
        Some("8") => Ok(8),
        Some("9") => Ok(9),
        Some("10") => Ok(10),
        Some("11") => Ok(11),
        Some("12") => Ok(12),
        Some("13") => Ok(13),
        Some("14") => Ok(14),
        Some("15") => Ok(15),
        _ => Err(invalid(name, value)),
    }
}

/// Answers an offer on a server with these settings.
///
/// | parameter | setting | offer | response |
/// | --- | --- | --- | --- |
/// | `…_no_context_takeover` | | | present if the setting or the offer has it |
/// | `server_max_window_bits` | none | M, or none | as offered |
/// | | N | none | N |
/// | | N | M | the smaller |
/// | `client_max_window_bits` | none | none, or without value | none |
/// | | none | M | M |
/// | | N | none | declined, because the client does not support the parameter |
/// | | N | without value | N |
/// | | N | M | the smaller |
pub(super) fn accept(
    settings: DeflateParams,
    offer: &Params,
) -> Result<(Params, Contexts), NegotiationError> {
    let offer = DeflateParams::parse(offer)?;
    let server_bits = settings.server_max_window_bits.into_iter();
    let response = DeflateParams {
        server_no_context_takeover: settings.server_no_context_takeover
            || offer.server_no_context_takeover,
        client_no_context_takeover: settings.client_no_context_takeover
            || offer.client_no_context_takeover,
        server_max_window_bits: server_bits.chain(offer.server_max_window_bits).min(),
        client_max_window_bits: match (
            settings.client_max_window_bits,
            offer.client_max_window_bits,
        ) {
            (Bits::Max(_), Bits::Absent) => {
                return Err(NegotiationError::MissingParameter(CLIENT_MAX_WINDOW_BITS));
            }
            (Bits::Max(ours), Bits::Any) => Bits::Max(ours),
            (Bits::Max(ours), Bits::Max(theirs)) => Bits::Max(ours.min(theirs)),
            (_, Bits::Max(theirs)) => Bits::Max(theirs),
            (_, Bits::Absent | Bits::Any) => Bits::Absent,
        },
    };
    Ok((response.write(), contexts(response)))
}

/// Checks a response on a client with these settings.
///
/// | parameter | setting | response | negotiated |
/// | --- | --- | --- | --- |
/// | `server_no_context_takeover` | yes | no | refused |
/// | | otherwise | | as in the response |
/// | `client_no_context_takeover` | | | yes if the setting or the response has it |
/// | `server_max_window_bits` | none | M, or none | as in the response |
/// | | N | none, or above N | refused |
/// | | N | up to N | as in the response |
/// | `client_max_window_bits` | not offered | none | none |
/// | | not offered | M | refused |
/// | | offered without value | M, or none | as in the response |
/// | | N | none | N |
/// | | N | up to N | as in the response |
/// | | N | above N | refused |
pub(super) fn confirm(
    settings: DeflateParams,
    response: &Params,
) -> Result<Contexts, NegotiationError> {
    let mut response = DeflateParams::parse(response)?;
    if settings.server_no_context_takeover && !response.server_no_context_takeover {
        return Err(NegotiationError::MissingParameter(
            SERVER_NO_CONTEXT_TAKEOVER,
        ));
    }
    response.client_no_context_takeover |= settings.client_no_context_takeover;
    match (
        settings.server_max_window_bits,
        response.server_max_window_bits,
    ) {
        (Some(_), None) => {
            return Err(NegotiationError::MissingParameter(SERVER_MAX_WINDOW_BITS));
        }
        (Some(ours), Some(theirs)) if theirs > ours => {
            return Err(NegotiationError::NotOffered(SERVER_MAX_WINDOW_BITS));
        }
        _ => {}
    }
    response.client_max_window_bits = match (
        settings.client_max_window_bits,
        response.client_max_window_bits,
    ) {
        // §7.1.2.2: the parameter of a response has a value.
        (_, Bits::Any) => return Err(invalid(CLIENT_MAX_WINDOW_BITS, None)),
        (Bits::Absent, Bits::Max(_)) => {
            return Err(NegotiationError::NotOffered(CLIENT_MAX_WINDOW_BITS));
        }
        (Bits::Max(ours), Bits::Max(theirs)) if theirs > ours => {
            return Err(NegotiationError::NotOffered(CLIENT_MAX_WINDOW_BITS));
        }
        (Bits::Max(ours), Bits::Absent) => Bits::Max(ours),
        (_, theirs) => theirs,
    };
    Ok(contexts(response))
}

fn contexts(response: DeflateParams) -> Contexts {
    Contexts {
        server: Direction {
            takeover: !response.server_no_context_takeover,
            window_bits: response.server_max_window_bits.unwrap_or(MAX_BITS),
        },
        client: Direction {
            takeover: !response.client_no_context_takeover,
            window_bits: match response.client_max_window_bits {
                Bits::Max(bits) => bits,
                Bits::Absent | Bits::Any => MAX_BITS,
            },
        },
    }
}

#[cfg(test)]
mod tests;
