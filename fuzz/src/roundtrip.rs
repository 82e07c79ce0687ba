//! `Sender` to `Receiver`: all events arrive.

use bytes::{Bytes, BytesMut};
use wsimd::{
    CloseFrame, Config, Event, Message, ProtocolError, SendError,
    frame::{CloseCode, MAX_CONTROL_PAYLOAD, Role},
    protocol::{Receiver, Sender},
};

use super::{masking_key, role, split::splits, text};

/// The bytes that one input sends, without its last message. Each frame counts as its payload and 64
/// bytes.
const BUDGET: usize = 32 << 10;
/// The largest number of frames of a message.
const MAX_FRAMES: usize = 1024;
/// The longest wire that is read byte by byte. Longer ones would take too long.
const MAX_BYTEWISE: usize = 16 << 10;

/// Sends arbitrary events and receives them.
///
/// Input:
/// 1. a byte of flags: 1 the sender is a server, 2 messages limited to 1,000 bytes;
/// 2. two bytes of frame size, where 0 stands for one frame for each message;
/// 3. two lengths of pieces;
/// 4. a record of four bytes for each event: its kind, and a length of 17 bits that the four bits
///    before it shift right. For Close, the kind, a code, and the length of a reason.
///
/// Properties:
/// - A refused event does not change the output, and the error is that of a model of six lines.
/// - A peer whose limits are just large enough receives the same events, for every way to cut the bytes.
/// - A peer whose message limit is one byte too small receives the events before the large one, and
///   refuses it.
/// - An endpoint of the same role refuses the first frame, because of its mask.
pub fn roundtrip(data: &[u8]) {
    let Some((&[flags, high, low, ref lengths @ ..], records)) = data.split_first_chunk::<5>()
    else {
        return;
    };
    let role = role(flags & 1 != 0);
    let max_message_size = if flags & 2 != 0 { 1000 } else { 1 << 20 };
    let frame_size = match u16::from_be_bytes([high, low]) {
        0 => None,
        size => Some(usize::from(size)),
    };
    let config = Config::new()
        .masking_keys(masking_key)
        .max_outgoing_message_size(max_message_size)
        .outgoing_frame_size(frame_size);
    let frame_size = frame_size.unwrap_or(usize::MAX);
    let (sent, wire) = send(
        Sender::new(role, &config),
        records,
        max_message_size,
        frame_size,
    );

    let largest = sent.iter().map(message_len).max().unwrap_or_default();
    let peer = |largest: usize| {
        let config = Config::new().max_fragments(None).max_message_size(largest);
        Receiver::new(role.peer(), &config.max_frame_size(frame_size))
    };
    for (how, pieces) in splits(&wire, *lengths) {
        if pieces.len() > MAX_BYTEWISE {
            continue;
        }
        let (received, end) = receive(peer(largest), &pieces);
        assert_eq!(
            received, sent,
            "{how}: received (left) is not what was sent (right)"
        );
        assert_eq!(end, Ok(0), "{how}: the end");
    }
    if let Some(first) = sent
        .iter()
        .position(|event| largest > 0 && message_len(event) == largest)
    {
        let (received, end) = receive(peer(largest - 1), &[&wire]);
        assert_eq!(
            received,
            sent[..first],
            "with a limit of {largest} - 1 bytes"
        );
        let code = end.map_err(ProtocolError::close_code);
        assert_eq!(
            code,
            Err(CloseCode::MESSAGE_TOO_BIG),
            "with a limit of {largest} - 1 bytes"
        );
    }
    if !wire.is_empty() {
        let refusal = match role {
            Role::Client => ProtocolError::UnexpectedMask,
            Role::Server => ProtocolError::MissingMask,
        };
        let same_role = receive(Receiver::new(role, &Config::new()), &[&wire]);
        assert_eq!(
            same_role,
            (Vec::new(), Err(refusal)),
            "received by the sender's own role"
        );
    }
}

/// Sends the events of the records. Returns the events that the peer has to receive, and the bytes.
fn send(
    mut sender: Sender,
    records: &[u8],
    max_message_size: usize,
    frame_size: usize,
) -> (Vec<Event>, BytesMut) {
    let mut sent = Vec::new();
    let mut wire = BytesMut::new();
    let mut cost = 0;
    for &record in records.as_chunks::<4>().0 {
        if cost > BUDGET {
            break;
        }
        let Some(event) = event(record, frame_size.saturating_mul(MAX_FRAMES)) else {
            continue;
        };
        cost += message_len(&event) + 64 * (1 + message_len(&event) / frame_size);
        let was_closed = sender.is_closed();
        let before = wire.len();
        let expected = expected_verdict(&event, was_closed, max_message_size);
        let verdict = sender.send(event.clone(), &mut wire);
        assert_eq!(
            verdict, expected,
            "sending {event:?}, closed before: {was_closed}"
        );
        let writes = verdict.is_ok() && !(was_closed && matches!(event, Event::Close(_)));
        assert_eq!(wire.len() > before, writes, "whether {event:?} was written");
        // The peer receives nothing after Close, but pongs may still be sent.
        if verdict.is_ok() && !was_closed {
            sent.push(event);
        }
    }
    (sent, wire)
}

/// The rules in the documentation of `Sender::send`.
fn expected_verdict(event: &Event, closed: bool, limit: usize) -> Result<(), SendError> {
    match event {
        Event::Message(_) | Event::Ping(_) if closed => Err(SendError::Closed),
        Event::Message(message) if message.len() > limit => Err(SendError::MessageTooBig {
            size: message.len(),
            limit,
        }),
        Event::Ping(payload) | Event::Pong(payload) if payload.len() > MAX_CONTROL_PAYLOAD => {
            Err(SendError::ControlTooLong {
                size: payload.len(),
            })
        }
        _ => Ok(()),
    }
}

/// Creates the event of a record. `None` is a Close frame that cannot be created.
fn event([kind, a, b, c]: [u8; 4], max_len: usize) -> Option<Event> {
    let len = u32::from_be_bytes([0, a & 1, b, c]) >> (a >> 4);
    let len = (len as usize).min(max_len);
    Some(match kind % 8 {
        0 | 1 => Event::from(text(kind, len)),
        2 | 3 => Event::Message(Message::Binary(binary(kind, len))),
        4 => Event::Ping(binary(kind, len % 128)),
        5 => Event::Pong(binary(kind, len % 128)),
        6 => {
            let code = CloseCode::from(u16::from_be_bytes([a, b]));
            let reason = text(kind, usize::from(c) % 128);
            let is_legal = code.may_be_sent() && reason.len() <= CloseFrame::MAX_REASON;
            let frame = CloseFrame::new(code, reason);
            assert_eq!(frame.is_ok(), is_legal, "{frame:?} with {code:?}");
            Event::Close(frame.ok()?)
        }
        _ => Event::Close(CloseFrame::EMPTY),
    })
}

fn binary(kind: u8, len: usize) -> Bytes {
    (0..len)
        .map(|i| i.to_le_bytes()[0].wrapping_mul(kind | 1))
        .collect()
}

fn message_len(event: &Event) -> usize {
    match event {
        Event::Message(message) => message.len(),
        _ => 0,
    }
}

/// Receives all pieces. Returns the events, and the number of remaining bytes or the violation.
fn receive(mut receiver: Receiver, pieces: &[&[u8]]) -> (Vec<Event>, Result<usize, ProtocolError>) {
    let mut input = BytesMut::new();
    let mut events = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match receiver.receive(&mut input) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Err(error)),
            }
        }
    }
    (events, Ok(input.len()))
}
