//! permessage-deflate: compressed messages are received, by this crate and by a second inflater.

use bytes::{Bytes, BytesMut};
use wsimd::{
    CloseCode, Config, Event, Message, ProtocolError,
    extension::{Compress, Deflate},
    frame::Role,
    protocol::{Receiver, Sender},
};

use super::{
    deflate::{self, Direction, Inflated, Sent},
    masking_key, role,
    split::splits,
    text,
};

/// The bytes that one input sends, without its last message. Each frame counts as its payload and 64
/// bytes.
const BUDGET: usize = 40 << 10;
/// The largest number of frames of a message.
const MAX_FRAMES: usize = 512;
/// The longest wire that is read byte by byte. Longer ones would take too long.
const MAX_BYTEWISE: usize = 2 << 10;

/// Compresses and sends arbitrary messages, and receives them.
///
/// Input:
/// 1. a byte of flags: 1 the sender is a server, 2 no context takeover by the server, 4 by the client,
///    and the threshold in units of 16 bytes;
/// 2. a byte of window bits: four for the server, four for the client;
/// 3. a byte of levels: four for compression, four for memory;
/// 4. two bytes of frame size, where 0 stands for one frame for each message;
/// 5. two lengths of pieces;
/// 6. a record of four bytes for each message: its kind, and a length of 17 bits that the four bits
///    before it shift right. The kind is 1 binary, 2 and 4 the choice to compress, 8 and 16 the number
///    of calls of `tidy` before the message, and the kind of its content.
///
/// Properties:
/// - A peer whose limits are just large enough receives the same messages, for every way to cut the
///   bytes, and with calls of `tidy` between the pieces.
/// - A peer whose message limit is one byte too small receives the messages before the large one, and
///   refuses it.
/// - A second inflater reads the same messages from the wire. No reference exceeds the negotiated window.
/// - RSV1 is set on first frames only, and on all messages that had to be compressed.
pub fn deflate_roundtrip(data: &[u8]) {
    let Some((&[flags, bits, level, high, low, ref lengths @ ..], records)) =
        data.split_first_chunk::<7>()
    else {
        return;
    };
    let role = role(flags & 1 != 0);
    let server = Direction::read(bits >> 4, flags & 2 == 0);
    let client = Direction::read(bits, flags & 4 == 0);
    let ours = match role {
        Role::Server => server,
        Role::Client => client,
    };
    let threshold = usize::from(flags >> 3) * 16;
    let deflate = deflate::settings(Deflate::new(), client, server)
        .level(level >> 4)
        .memory_level(level & 15)
        .threshold(threshold);
    let frame_size = match u16::from_be_bytes([high, low]) {
        0 => usize::MAX,
        size => usize::from(size),
    };
    let config = Config::new()
        .masking_keys(masking_key)
        .outgoing_frame_size(frame_size);
    let mut sender = Sender::new(role, &config);
    sender.set_encoders(deflate::negotiate(role, &deflate).split().0);
    let (sent, wire) = send(sender, records, frame_size);
    check_wire(&sent, &wire, role.peer(), ours, threshold);

    let largest = sent.iter().map(|(message, _)| message.len()).max();
    let sent: Vec<_> = sent
        .into_iter()
        .map(|(message, _)| Event::Message(message))
        .collect();
    let peer = |largest: usize| {
        let config = Config::new().max_fragments(None).max_message_size(largest);
        let mut receiver = Receiver::new(role.peer(), &config.max_frame_size(frame_size));
        receiver.set_decoders(deflate::negotiate(role.peer(), &deflate).split().1);
        receiver
    };
    for (how, pieces) in splits(&wire, *lengths) {
        if pieces.len() > MAX_BYTEWISE {
            continue;
        }
        for tidies in 0..3 {
            let (received, end) =
                deflate::receive(peer(largest.unwrap_or_default()), &pieces, tidies);
            assert!(
                received == sent,
                "{how}, tidied {tidies} times between: received\n{received:?}\nof\n{sent:?}"
            );
            assert_eq!(end, Ok(0), "{how}: the end");
        }
    }
    let Some(largest @ 1..) = largest else {
        return;
    };
    let is_largest = |event: &Event| matches!(event, Event::Message(it) if it.len() == largest);
    let before = sent.iter().take_while(|event| !is_largest(event)).count();
    let (received, end) = deflate::receive(peer(largest - 1), &[&wire], 0);
    assert_eq!(received, sent[..before], "limited to {largest} - 1 bytes");
    assert_eq!(
        end.map_err(ProtocolError::close_code),
        Err(CloseCode::MESSAGE_TOO_BIG),
        "limited to {largest} - 1 bytes"
    );
}

/// Sends the messages of the records. Returns them with their choice of compression, and the bytes.
fn send(
    mut sender: Sender,
    records: &[u8],
    frame_size: usize,
) -> (Vec<(Message, Compress)>, BytesMut) {
    let mut sent = Vec::new();
    let mut wire = BytesMut::new();
    let mut cost = 0;
    for &[kind, a, b, c] in records.as_chunks::<4>().0 {
        if cost > BUDGET {
            break;
        }
        let len = u32::from_be_bytes([0, a & 1, b, c]) >> (a >> 4);
        let len = (len as usize).min(frame_size.saturating_mul(MAX_FRAMES));
        cost += len + 64 * (1 + len / frame_size);
        let message = message(kind, len);
        let compress = match kind >> 1 & 3 {
            0 | 1 => Compress::Auto,
            2 => Compress::Always,
            _ => Compress::Never,
        };
        (0..kind >> 3 & 3).for_each(|_| sender.release_idle());
        sender.set_compress(compress);
        sender
            .send(message.clone(), &mut wire)
            .expect("a message that may be sent");
        sent.push((message, compress));
    }
    (sent, wire)
}

/// Creates a message: text, counting bytes, noise, or noise that repeats at a short or long distance.
fn message(kind: u8, len: usize) -> Message {
    if kind & 1 == 0 {
        return Message::from(text(kind >> 2, len));
    }
    let period = match kind >> 5 {
        0 | 1 => {
            let count = |i: usize| i.to_le_bytes()[0].wrapping_mul(kind | 1);
            return Message::Binary((0..len).map(count).collect());
        }
        2 => len,
        3 => 250 + usize::from(kind >> 1 & 15),
        4 => 500 + usize::from(kind >> 1 & 15),
        5 => 1000 + len % 4096,
        6 => 16_000 + len % 1000,
        _ => 32_300 + len % 600,
    };
    let mut noise = u32::from(kind >> 5) + 1;
    let period: Bytes = (0..period.min(len))
        .map(|_| {
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            noise.to_le_bytes()[1]
        })
        .collect();
    Message::Binary(period.iter().copied().cycle().take(len).collect())
}

/// The longest message that is encoded in one piece at every level.
const MIN_PIECE: usize = 512;

/// Reads the wire with the second inflater, and checks it against RFC 7692.
fn check_wire(
    sent: &[(Message, Compress)],
    wire: &[u8],
    peer: Role,
    ours: Direction,
    threshold: usize,
) {
    let (messages, is_all) = deflate::messages(peer, wire);
    assert!(is_all, "half a frame");
    assert_eq!(messages.len(), sent.len(), "how many messages");
    let mut inflater = ours.inflater();
    for (there, (message, compress)) in messages.iter().zip(sent) {
        let Sent {
            is_text,
            compressed,
            marked_twice,
            ended,
            ref frames,
        } = *there;
        let Inflated { bytes, verdict, .. } = there.inflate(&mut inflater, usize::MAX);
        assert_eq!(verdict, Ok(()), "inflating {message:?} of {frames:02x?}");
        assert!(bytes == message.as_bytes(), "{message:?} of {frames:02x?}");
        assert!(ended, "not ended: {frames:02x?}");
        assert!(!marked_twice, "RSV1 on a continuation: {frames:02x?}");
        assert_eq!(is_text, matches!(message, Message::Text(_)), "the opcode");
        let len = message.len();
        let is_wanted = match compress {
            Compress::Auto => len >= threshold,
            Compress::Always => true,
            Compress::Never => false,
        };
        // `Auto` sends a message of one piece uncompressed if compression would not make it smaller.
        let may_be_plain = !is_wanted || !ours.takeover;
        assert!(compressed || may_be_plain, "not compressed: {message:?}");
        assert!(is_wanted || !compressed, "compressed: {message:?}");
        let sent: usize = frames.iter().map(|frame| frame.len()).sum();
        let is_worse = compressed && !ours.takeover && len <= MIN_PIECE && sent >= len;
        assert!(!is_worse, "{frames:02x?} are more than {message:?}");
    }
}
