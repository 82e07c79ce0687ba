//! permessage-deflate: arbitrary compressed messages from a peer.

use wsimd::{
    CloseCode, Config, Event, Message, ProtocolError, extension::Deflate, frame::Role,
    protocol::Receiver,
};

use super::{
    deflate::{self, Direction, Inflated, Sent},
    model::inflater::Fault,
    role,
    split::splits,
};

/// The limit of a message with and without the flag for a small one, in bytes.
const LIMITS: [usize; 2] = [300, 256 << 10];

const MAX_FRAME_SIZE: usize = 100;
const MAX_FRAGMENTS: usize = 3;

/// The reason of the refusal of too many ends of streams.
const TOO_MANY_ENDS: &str = "too many ends of DEFLATE streams";

/// The budget of the inflated bytes, with the flag for a ratio.
const RATIO: usize = 20;
const BURST: usize = 1000;

/// Receives arbitrary compressed messages in arbitrary pieces.
///
/// Input:
/// 1. a byte of flags: 1 the receiver is a server, 2 messages limited to 300 bytes, 4 frames to 100
///    bytes, 8 messages to 3 frames, 16 a ratio, 32 no context takeover by the server, 64 by the
///    client, 128 the rest is the wire;
/// 2. a byte of window bits: four for the server, four for the client;
/// 3. two lengths of pieces;
/// 4. with flag 128 the bytes of the wire, otherwise the records of `deflate::frames`.
///
/// Properties:
/// - The events and the error depend only on the bytes, and not on the pieces or on `tidy`.
/// - A received message equals the result of a second inflater, and is within its limit.
/// - A refused message has a fault: damaged or incomplete for the second inflater as well, too large,
///   or not UTF-8.
pub fn inflate(data: &[u8]) {
    let Some((&[flags, bits, ref lengths @ ..], rest)) = data.split_first_chunk::<4>() else {
        return;
    };
    let case = Case::new(flags, bits);
    let wire = if flags & 128 != 0 {
        rest.to_vec()
    } else {
        deflate::frames(case.role, rest)
    };
    let expected = deflate::receive(case.receiver(), &[&wire], 0);
    let is_judged = case.judge(&wire, &expected.0, expected.1.err());
    for (how, pieces) in splits(&wire, *lengths) {
        for tidies in 0..3 {
            // A reference beyond the negotiated window may succeed, depending on the memory that is
            // still held.
            if tidies > 0 && !is_judged {
                break;
            }
            let seen = deflate::receive(case.receiver(), &pieces, tidies);
            assert_eq!(
                seen, expected,
                "{how}, tidied {tidies} times between (left), is not as whole (right)"
            );
        }
    }
}

struct Case {
    flags: u8,
    role: Role,
    config: Config,
    limit: usize,
    theirs: Direction,
    deflate: Deflate,
}

impl Case {
    fn new(flags: u8, bits: u8) -> Self {
        let role = role(flags & 1 != 0);
        let limit = LIMITS[usize::from(flags & 2 == 0)];
        let mut config = Config::new().max_message_size(limit);
        if flags & 4 != 0 {
            config = config.max_frame_size(MAX_FRAME_SIZE);
        }
        if flags & 8 != 0 {
            config = config.max_fragments(MAX_FRAGMENTS as u32);
        }
        let server = Direction::read(bits >> 4, flags & 32 == 0);
        let client = Direction::read(bits, flags & 64 == 0);
        let mut deflate = deflate::settings(Deflate::new(), client, server);
        if flags & 16 != 0 {
            deflate = deflate.max_ratio(RATIO as u32, BURST as u64);
        }
        let theirs = match role {
            Role::Server => client,
            Role::Client => server,
        };
        Self {
            flags,
            role,
            config,
            limit,
            theirs,
            deflate,
        }
    }

    fn receiver(&self) -> Receiver {
        let mut receiver = Receiver::new(self.role, &self.config);
        receiver.set_decoders(deflate::negotiate(self.role, &self.deflate).split().1);
        receiver
    }

    /// Compares the received messages with those of the second inflater. Returns whether all of the wire
    /// was compared.
    ///
    /// The comparison ends at a reference beyond the negotiated window and at an unfinished message.
    fn judge(&self, wire: &[u8], events: &[Event], error: Option<ProtocolError>) -> bool {
        let (sent, is_all) = deflate::messages(self.role, wire);
        let mut received = events.iter().filter_map(|event| match event {
            Event::Message(message) => Some(message),
            _ => None,
        });
        let mut inflater = self.theirs.inflater();
        let mut budget = BURST;
        for message in &sent {
            let inflated = message.inflate(&mut inflater, self.limit);
            let Inflated {
                bytes,
                verdict,
                ends: (ends, end_cost),
            } = &inflated;
            budget = budget.min(BURST);
            if message.compressed {
                budget += RATIO * message.frames.concat().len();
            }
            if *verdict == Err(Fault::BeyondWindow) {
                return false;
            }
            if !message.ended {
                break;
            }
            let Some(seen) = received.next() else {
                let error = error.unwrap_or_else(|| panic!("no message, but {bytes:02x?}"));
                self.check_refusal(error, message, &inflated, budget);
                return is_all;
            };
            assert!(seen.len() <= self.limit, "a message of {}", seen.len());
            assert_eq!(*verdict, Ok(()), "received, though: {seen:?}");
            if message.compressed && self.flags & 16 != 0 {
                let left = budget.checked_sub(bytes.len() + end_cost);
                budget = left.unwrap_or_else(|| panic!("{budget} bytes allowed: {seen:?}"));
            }
            let earned = message.frames.len() + message.frames.concat().len() / 1024;
            assert!(*ends <= 16 + earned, "{ends} streams ended: {seen:?}");
            assert!(!message.marked_twice, "RSV1 on a continuation: {seen:?}");
            assert_eq!(matches!(seen, Message::Text(_)), message.is_text);
            assert!(seen.as_bytes() == bytes, "{seen:?} is not {bytes:02x?}");
            assert!(
                !message.is_text || str::from_utf8(bytes).is_ok(),
                "text that is not UTF-8: {bytes:02x?}"
            );
        }
        assert_eq!(received.next(), None, "more messages than were sent");
        is_all
    }

    /// Checks that the message has the fault that the error names, and that a text has no invalid UTF-8
    /// before it.
    fn check_refusal(
        &self,
        error: ProtocolError,
        message: &Sent,
        Inflated {
            bytes,
            verdict,
            ends: (ends, end_cost),
        }: &Inflated,
        budget: usize,
    ) {
        let frames = message.frames.iter().map(|frame| frame.len());
        let is_utf8 = match (str::from_utf8(bytes), verdict) {
            _ if !message.is_text => true,
            (Ok(_), _) => true,
            // The fault may stand in the middle of a character.
            (Err(error), verdict) => verdict.is_err() && error.error_len().is_none(),
        };
        let is_reason = match error {
            ProtocolError::InvalidUtf8 => !is_utf8,
            ProtocolError::MessageTooBig { .. } => {
                *verdict == Err(Fault::TooLong) && is_utf8 || frames.sum::<usize>() > self.limit
            }
            ProtocolError::FrameTooBig { .. } => {
                // By default a frame may be as long as a message.
                let is_set = self.flags & 4 != 0;
                frames.max() > Some(if is_set { MAX_FRAME_SIZE } else { self.limit })
            }
            ProtocolError::TooManyFragments { .. } => {
                self.flags & 8 != 0 && frames.count() > MAX_FRAGMENTS
            }
            ProtocolError::Extension { code, reason } => match code {
                CloseCode::INVALID_PAYLOAD => {
                    matches!(verdict, Err(Fault::Damaged | Fault::Incomplete)) && is_utf8
                }
                CloseCode::POLICY_VIOLATION if reason == TOO_MANY_ENDS => {
                    message.compressed && *ends > message.frames.len()
                }
                CloseCode::POLICY_VIOLATION => {
                    // In a message of several frames, the budget of the first frame depends only on
                    // that frame.
                    let is_over = bytes.len() + end_cost > budget || message.frames.len() > 1;
                    self.flags & 16 != 0 && message.compressed && is_over
                }
                _ => message.marked_twice,
            },
            _ => false,
        };
        assert!(
            is_reason,
            "{error:?}, but {verdict:?} in {bytes:02x?} of {:02x?}",
            message.frames
        );
    }
}
