//! Shared by the targets of permessage-deflate: settings, and a second inflater that reads the wire.

use bytes::{Bytes, BytesMut};
use tokio_util::codec::Decoder;
use wsimd::{
    Config, Event, Frame, FrameCodec, Offer, Policy, ProtocolError,
    extension::{Deflate, Extensions},
    frame::{FrameHeader, Opcode, Role, Rsv},
    handshake::{Target, client, server},
    protocol::Receiver,
};

use super::{
    masking_key,
    model::inflater::{Fault, Inflater},
};

/// The parameters for the messages of one side.
#[derive(Clone, Copy)]
pub(crate) struct Direction {
    pub(crate) takeover: bool,
    /// 8 to 15 window bits. `None` omits the parameter, which means 15.
    pub(crate) bits: Option<u8>,
}

impl Direction {
    /// Reads the parameters from four bits.
    pub(crate) fn read(nibble: u8, takeover: bool) -> Self {
        let bits = (nibble & 8 == 0).then_some(8 + (nibble & 7));
        Self { takeover, bits }
    }

    pub(crate) fn inflater(self) -> Inflater {
        Inflater::new(self.bits.unwrap_or(15), self.takeover)
    }
}

/// Adds the parameters to negotiate to `deflate`.
pub(crate) fn settings(deflate: Deflate, client: Direction, server: Direction) -> Deflate {
    deflate
        .server_max_window_bits(server.bits)
        .client_max_window_bits(client.bits)
        .server_no_context_takeover(!server.takeover)
        .client_no_context_takeover(!client.takeover)
}

/// Negotiates with an endpoint of the same settings. Returns the extensions of this role.
pub(crate) fn negotiate(role: Role, deflate: &Deflate) -> Extensions {
    let config = Config::new().extension(deflate.clone());
    let target = Target::parse("ws://a").expect("a target");
    let request = client::request(&target, &Offer::new(), &config).expect("a request");
    let (response, at_server) =
        server::accept(&request, &Policy::new(), &config).expect("the request is accepted");
    let at_client = client::verify(&request, &config, &response).expect("the response is verified");
    let [ours, theirs] = match role {
        Role::Client => [at_client, at_server],
        Role::Server => [at_server, at_client],
    };
    assert!(!theirs.extensions().is_empty(), "nothing was negotiated");
    ours.into_extensions()
}

/// The number of pieces before which `tidy` is called. It is bounded, because creating a context takes
/// long.
const MAX_TIDIED: usize = 64;

/// Receives all pieces, with `tidies` calls of `tidy` before each. Returns the events, and the number of
/// remaining bytes or the violation.
pub(crate) fn receive(
    mut receiver: Receiver,
    pieces: &[&[u8]],
    tidies: usize,
) -> (Vec<Event>, Result<usize, ProtocolError>) {
    let mut input = BytesMut::new();
    let mut events = Vec::new();
    for (i, piece) in pieces.iter().enumerate() {
        if i < MAX_TIDIED {
            (0..tidies).for_each(|_| receiver.release_idle());
        }
        input.extend_from_slice(piece);
        loop {
            match receiver.receive(&mut input) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(receiver.receive(&mut input), Err(error), "not sticky");
                    return (events, Err(error));
                }
            }
        }
    }
    (events, Ok(input.len()))
}

/// A message on the wire.
pub(crate) struct Sent {
    pub(crate) is_text: bool,
    /// Whether its first frame has RSV1.
    pub(crate) compressed: bool,
    /// Whether a continuation frame has RSV1.
    pub(crate) marked_twice: bool,
    /// Whether its last frame was sent.
    pub(crate) ended: bool,
    pub(crate) frames: Vec<Bytes>,
}

/// The result of the second inflater.
pub(crate) struct Inflated {
    /// The message, or its bytes before the fault.
    pub(crate) bytes: Vec<u8>,
    pub(crate) verdict: Result<(), Fault>,
    /// The number of streams that ended, and the budget that these ends cost.
    pub(crate) ends: (usize, usize),
}

impl Sent {
    /// Inflates the message, which is the next one of its direction.
    pub(crate) fn inflate(&self, inflater: &mut Inflater, limit: usize) -> Inflated {
        let mut bytes = self.frames.concat();
        let verdict;
        let mut ends = (0, 0);
        if self.compressed {
            (bytes, verdict) = inflater.judge(&bytes, limit);
            ends = inflater.ends();
        } else {
            verdict = match bytes.len() > limit {
                true => Err(Fault::TooLong),
                false => Ok(()),
            };
            bytes.truncate(limit);
        }
        Inflated {
            bytes,
            verdict,
            ends,
        }
    }
}

/// Reads messages up to a Close frame, an illegal header, or the end of the wire. Returns them, and
/// whether the codec has judged every byte that a receiver judges.
pub(crate) fn messages(role: Role, wire: &[u8]) -> (Vec<Sent>, bool) {
    let mut codec = FrameCodec::new(role, &Config::new().max_frame_size(None)).rsv(Rsv::RSV1);
    let mut input = BytesMut::from(wire);
    let mut messages: Vec<Sent> = Vec::new();
    loop {
        let Frame {
            fin,
            rsv,
            opcode,
            payload,
        } = match codec.decode(&mut input) {
            Ok(Some(frame)) => frame,
            Ok(None) => return (messages, codec.decode_eof(&mut input).is_ok()),
            Err(_) => return (messages, true),
        };
        match opcode {
            Opcode::Close => return (messages, true),
            Opcode::Ping | Opcode::Pong => continue,
            Opcode::Continuation => {}
            Opcode::Text | Opcode::Binary => messages.push(Sent {
                is_text: opcode == Opcode::Text,
                compressed: rsv == Rsv::RSV1,
                marked_twice: false,
                ended: false,
                frames: Vec::new(),
            }),
        }
        let message = messages.last_mut().expect("the codec checks the order");
        message.marked_twice |= opcode == Opcode::Continuation && rsv == Rsv::RSV1;
        message.ended = fin;
        message.frames.push(payload);
    }
}

/// Writes the frames of the records, as the peer of this role sends them.
///
/// A record is the kind, the length and the payload of a frame. The kind is 1 binary (of a first frame),
/// 2 not compressed, 4 more frames follow, 8 RSV1 on a continuation, 16 a ping before the frame, and the
/// high bits of the length.
pub(crate) fn frames(role: Role, mut records: &[u8]) -> Vec<u8> {
    let masking_key = match role.peer() {
        Role::Client => Some(masking_key()),
        Role::Server => None,
    };
    let mut wire = BytesMut::new();
    let mut write = |fin, rsv, opcode, payload: &[u8]| {
        let header = FrameHeader {
            fin,
            rsv,
            opcode,
            masking_key,
            payload_len: payload.len() as u64,
        };
        header.write(&mut wire);
        let key = masking_key.map_or([0; 4], |key| key.to_bytes());
        let key = key.into_iter().cycle();
        wire.extend(payload.iter().zip(key).map(|(byte, key)| byte ^ key));
    };
    let mut begins = true;
    while let Some((&[kind, len], rest)) = records.split_first_chunk::<2>() {
        let len = usize::from(kind >> 5) << 8 | usize::from(len);
        let (payload, rest) = rest.split_at(len.min(rest.len()));
        records = rest;
        if kind & 16 != 0 {
            write(true, Rsv::NONE, Opcode::Ping, b"?");
        }
        let opcode = match (begins, kind & 1) {
            (false, _) => Opcode::Continuation,
            (true, 0) => Opcode::Text,
            (true, _) => Opcode::Binary,
        };
        let unmarked = if begins { 2 } else { 8 };
        let rsv = if (kind & unmarked == 0) == begins {
            Rsv::RSV1
        } else {
            Rsv::NONE
        };
        begins = kind & 4 == 0;
        write(begins, rsv, opcode, payload);
    }
    wire.to_vec()
}
