//! `Receiver::receive_with` and `Endpoint::receive_with`: lent messages beside owned ones.

use bytes::BytesMut;
use wsimd::{
    Config, Event, EventRef, MessageRef, ProtocolError,
    extension::Deflate,
    frame::Role,
    protocol::{Closed, Endpoint, Receiver, Step},
    simd::Simd,
};

use super::{deflate, masking_key, role, split::splits};

/// The bytes behind the input that belong to another buffer in the same memory.
const NEIGHBOUR: [u8; 2 * MessageRef::PADDING] = [0xA5; 2 * MessageRef::PADDING];

/// The length of the pieces from which on the input has a neighbour, which copies the input.
const MIN_PIECE: usize = 8;

/// Receives arbitrary bytes in arbitrary pieces, owned and lent.
///
/// Input:
/// 1. a byte of flags: 1 the receiver is a server, 2 messages limited to 300 bytes, 4 frames to 100
///    bytes, 8 messages to 3 frames, 16 permessage-deflate, 32 pongs are held, 64 the rest is records;
/// 2. two lengths of pieces;
/// 3. the bytes of the wire, with flag 64 the records of `deflate::frames`.
///
/// The closure overwrites the payload, and with it the padding of every other message.
///
/// Properties:
/// - The lent events are the owned ones, and so are the violation and the remaining bytes. This holds for
///   every backend, and for a receiver that takes and lends in turn.
/// - The output, the next step and the Close frames of an endpoint are the same.
/// - The bytes behind the input are as before.
pub fn lend(data: &[u8]) {
    let Some((&[flags, ref lengths @ ..], rest)) = data.split_first_chunk::<3>() else {
        return;
    };
    let case = Case::new(flags);
    let wire = match flags & 64 {
        0 => rest.to_vec(),
        _ => deflate::frames(case.role, rest),
    };
    let expected = deflate::receive(case.receiver(Simd::detect()), &[&wire], 0);
    for (how, pieces) in splits(&wire, *lengths) {
        for simd in Simd::available() {
            let name = simd.name();
            let seen = case.receive(simd, &pieces, |_| true);
            assert_eq!(seen, expected, "{how}, lent on {name} (left)");
        }
        let seen = case.receive(Simd::detect(), &pieces, |number| number % 2 == 0);
        assert_eq!(seen, expected, "{how}, lent and taken in turn (left)");

        let owned = case.run(&pieces, |_| false);
        let lent = case.run(&pieces, |_| true);
        assert_eq!(lent, owned, "{how}, an endpoint lends (left) and takes");
        assert_eq!(lent.events, expected.0, "{how}, an endpoint (left)");
        assert_eq!(lent.violation, expected.1.err(), "{how}, an endpoint");
    }
}

struct Case {
    role: Role,
    config: Config,
    deflates: bool,
}

/// The outcome of an endpoint.
#[derive(Debug, PartialEq)]
struct Outcome {
    events: Vec<Event>,
    violation: Option<ProtocolError>,
    remaining: usize,
    /// The output after each piece.
    output: Vec<BytesMut>,
    step: Step,
    closed: Closed,
}

impl Case {
    fn new(flags: u8) -> Self {
        let mut config = Config::new().masking_keys(masking_key);
        if flags & 2 != 0 {
            config = config.max_message_size(300);
        }
        if flags & 4 != 0 {
            config = config.max_frame_size(100);
        }
        if flags & 8 != 0 {
            config = config.max_fragments(3);
        }
        if flags & 32 != 0 {
            config = config.write_high_water(10);
        }
        Self {
            role: role(flags & 1 != 0),
            config,
            deflates: flags & 16 != 0,
        }
    }

    fn receiver(&self, simd: Simd) -> Receiver {
        let mut receiver = Receiver::with_simd(self.role, &self.config, simd);
        if self.deflates {
            let extensions = deflate::negotiate(self.role, &Deflate::new());
            receiver.set_decoders(extensions.split().1);
        }
        receiver
    }

    /// Receives all pieces. Event number n is lent if `lends(n)`.
    fn receive(
        &self,
        simd: Simd,
        pieces: &[&[u8]],
        lends: impl Fn(usize) -> bool,
    ) -> (Vec<Event>, Result<usize, ProtocolError>) {
        let mut receiver = self.receiver(simd);
        let mut input = Input::default();
        let mut events = Vec::new();
        for piece in pieces {
            input.append(piece);
            loop {
                let number = events.len();
                let received = match lends(number) {
                    true => receiver.receive_with(&mut input.bytes, |it| copy(it, number)),
                    false => receiver.receive(&mut input.bytes),
                };
                match received {
                    Ok(Some(event)) => events.push(event),
                    Ok(None) => break,
                    Err(error) => {
                        let again = receiver.receive_with(&mut input.bytes, |it| copy(it, 0));
                        assert_eq!(again, Err(error), "not sticky");
                        return (events, Err(error));
                    }
                }
            }
            input.check();
        }
        (events, Ok(input.bytes.len()))
    }

    /// Receives all pieces by an endpoint, whose output is taken after each piece.
    fn run(&self, pieces: &[&[u8]], lends: impl Fn(usize) -> bool) -> Outcome {
        let mut endpoint = Endpoint::new(self.role, &self.config);
        if self.deflates {
            endpoint.set_extensions(deflate::negotiate(self.role, &Deflate::new()));
        }
        let mut input = Input::default();
        let mut output = BytesMut::new();
        let mut outputs = Vec::new();
        let mut events = Vec::new();
        for piece in pieces {
            input.append(piece);
            loop {
                let number = events.len();
                let received = match lends(number) {
                    true => {
                        endpoint.receive_with(&mut input.bytes, &mut output, |it| copy(it, number))
                    }
                    false => endpoint.receive(&mut input.bytes, &mut output),
                };
                match received {
                    Ok(Some(event)) => events.push(event),
                    Ok(None) => break,
                    Err(error) => {
                        assert_eq!(endpoint.next_step(), Step::Flush, "after {error:?}");
                        let again = endpoint.receive(&mut input.bytes, &mut output);
                        assert_eq!(again, Err(error), "not sticky");
                        break;
                    }
                }
            }
            input.check();
            outputs.push(output.split());
            endpoint.on_written(&mut output);
        }
        Outcome {
            events,
            violation: endpoint.violation(),
            remaining: input.bytes.len(),
            output: outputs,
            step: endpoint.next_step(),
            closed: endpoint.close_frames(),
        }
    }
}

/// The input of a receiver, with another buffer directly behind it in the same memory.
#[derive(Default)]
struct Input {
    bytes: BytesMut,
    neighbour: BytesMut,
}

impl Input {
    fn append(&mut self, piece: &[u8]) {
        if piece.len() < MIN_PIECE {
            return self.bytes.extend_from_slice(piece);
        }
        let len = self.bytes.len() + piece.len();
        let mut bytes = BytesMut::with_capacity(len + NEIGHBOUR.len());
        bytes.extend_from_slice(&self.bytes);
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(&NEIGHBOUR);
        self.neighbour = bytes.split_off(len);
        self.bytes = bytes;
    }

    fn check(&self) {
        let is_intact = self.neighbour.is_empty() || self.neighbour == NEIGHBOUR[..];
        assert!(is_intact, "changed: {:02x?}", self.neighbour);
    }
}

/// Copies a lent event, and overwrites it.
fn copy(event: EventRef<'_>, number: usize) -> Event {
    match event {
        EventRef::Message(message) => {
            let copy = message.to_message();
            assert_eq!(message.as_text(), copy.as_text());
            match number % 2 {
                0 => message.with_padding(|bytes, len| {
                    assert_eq!(bytes.len(), len + MessageRef::PADDING);
                    bytes.fill(0xFF);
                }),
                _ => message.into_bytes_mut().fill(0xFF),
            }
            Event::Message(copy)
        }
        EventRef::Ping(payload) => Event::Ping(payload),
        EventRef::Pong(payload) => Event::Pong(payload),
        EventRef::Close(frame) => Event::Close(frame),
    }
}
