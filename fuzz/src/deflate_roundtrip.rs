//! permessage-deflate: what is sent compressed is received, here and by a second inflater.

use bytes::{Bytes, BytesMut};
use wsimd::{
    CloseCode, Config, Event, Message, ProtocolError,
    extension::{Compress, Deflate},
    frame::Role,
    protocol::{Receiver, Sender},
};

use super::{
    deflate::{self, Direction, Inflated, Sent},
    masking_key, peer_of, role,
    split::splits,
    text,
};

/// How much one input sends, but for the last message: payload bytes, and 64 for each frame.
const BUDGET: usize = 40 << 10;
/// How many frames a message has, at most.
const MAX_FRAMES: usize = 512;
/// Longer than this, the wire is not read byte by byte: it would take too long.
const MAX_BYTEWISE: usize = 2 << 10;

/// Sends arbitrary messages compressed, and receives them.
///
/// Input: a byte of flags (1 the sender is a server; 2 no context takeover by the server, 4 by the
/// client; the rest a threshold, in 16 bytes), a byte of window bits (four for the server, four for the
/// client), four bits of a level and four of a memory level, the frame size in two bytes (0: one frame
/// for each message), two lengths of pieces; then records of four bytes, one for each message: kind, and
/// a length of 17 bits that the four bits before it shift right. Of the kind: 1 binary; 2 and 4 whether
/// to compress; 8 and 16 how often to tidy before it; the rest what it is made of.
///
/// - A peer whose limits are just large enough receives the same messages, however the bytes are cut,
///   and with `tidy` between.
/// - One whose message limit is one byte too small receives what comes before, then refuses.
/// - A second inflater makes the same messages of the wire, without referring back beyond the window
///   that was agreed on.
/// - RSV1 is on first frames alone, and on those that were to be compressed.
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
    check_wire(&sent, &wire, peer_of(role), ours, threshold);

    let largest = sent.iter().map(|(message, _)| message.len()).max();
    let sent: Vec<_> = sent
        .into_iter()
        .map(|(message, _)| Event::Message(message))
        .collect();
    let peer = |largest: usize| {
        let config = Config::new().max_fragments(None).max_message_size(largest);
        let mut receiver = Receiver::new(peer_of(role), &config.max_frame_size(frame_size));
        receiver.set_decoders(deflate::negotiate(peer_of(role), &deflate).split().1);
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

/// Sends what the records say; returns the messages with what was asked for, and the bytes.
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

/// Makes a message: text, or binary that counts, is noise, or repeats noise from near or far.
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

/// A message of so many bytes is one piece at every level.
const MIN_PIECE: usize = 512;

/// Reads the wire as RFC 7692 says, with a second inflater.
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
        // By itself, a message of one piece that would not become smaller is sent as it is.
        let may_be_plain = !is_wanted || !ours.takeover;
        assert!(compressed || may_be_plain, "not compressed: {message:?}");
        assert!(is_wanted || !compressed, "compressed: {message:?}");
        let sent: usize = frames.iter().map(|frame| frame.len()).sum();
        let is_worse = compressed && !ours.takeover && len <= MIN_PIECE && sent >= len;
        assert!(!is_worse, "{frames:02x?} are more than {message:?}");
    }
}
