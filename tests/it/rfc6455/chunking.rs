//! Random sequences of frames in random chunks, by the runner of the vectors.

use proptest::prelude::*;
use wsimd::{CloseFrame, Config, Event, Message, ProtocolError, Role};

use crate::support::{
    frames::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT, close_payload, frame},
    runner::Vector,
};

/// The next action of a peer.
#[derive(Clone, Debug)]
enum Step {
    /// Sends a message, cut into fragments at these points, with an optional ping between them.
    Message {
        message: Message,
        cuts: Vec<usize>,
        ping: Option<Vec<u8>>,
    },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, String),
    Violation(u8),
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        ".{0,80}".prop_map(Message::from),
        "[a-z]{0,300}".prop_map(Message::from),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Message::from),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let small = || prop::collection::vec(any::<u8>(), 0..=125);
    let pieces = prop::collection::vec(0..300_usize, 0..5);
    prop_oneof![
        8 => (message(), pieces, prop::option::of(small()))
            .prop_map(|(message, cuts, ping)| Step::Message { message, cuts, ping }),
        2 => small().prop_map(Step::Ping),
        1 => small().prop_map(Step::Pong),
        1 => (3000..5000_u16, ".{0,30}").prop_map(|(code, reason)| Step::Close(code, reason)),
        1 => prop_oneof![3..=7_u8, 11..=15_u8].prop_map(Step::Violation),
    ]
}

/// Converts the steps to bytes and to the expected events.
fn vector(role: Role, steps: &[Step]) -> Vector {
    let peer = role.peer();
    let mut vector = Vector::new(role, Vec::new()).config(Config::new());
    for step in steps {
        match step {
            Step::Message {
                message,
                cuts,
                ping,
            } => {
                write_message(&mut vector, peer, message, cuts, ping.as_deref());
                vector = vector.event(message.clone());
            }
            Step::Ping(payload) => {
                vector.input.extend(frame(peer, FIN | PING, payload));
                vector = vector.event(Event::Ping(payload.clone().into()));
            }
            Step::Pong(payload) => {
                vector.input.extend(frame(peer, FIN | PONG, payload));
                vector = vector.event(Event::Pong(payload.clone().into()));
            }
            Step::Close(code, reason) => {
                let payload = close_payload(*code, reason);
                vector.input.extend(frame(peer, FIN | CLOSE, &payload));
                let close = CloseFrame::new(*code, reason.as_str()).unwrap();
                return vector.event(Event::Close(close));
            }
            Step::Violation(opcode) => {
                vector.input.extend(frame(peer, FIN | opcode, b"?"));
                return vector.error(ProtocolError::ReservedOpcode(*opcode));
            }
        }
    }
    vector
}

fn write_message(
    vector: &mut Vector,
    peer: Role,
    message: &Message,
    cuts: &[usize],
    ping: Option<&[u8]>,
) {
    let payload = message.as_bytes();
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (payload.len() + 1)).collect();
    cuts.sort_unstable();
    let mut opcode = if message.is_text() { TEXT } else { BINARY };
    let mut start = 0;
    for cut in cuts {
        let fragment = frame(peer, opcode, &payload[start..cut]);
        vector.input.extend(fragment);
        if let Some(ping) = ping {
            vector.input.extend(frame(peer, FIN | PING, ping));
            vector.events.push(Event::Ping(ping.to_vec().into()));
        }
        opcode = CONTINUATION;
        start = cut;
    }
    vector
        .input
        .extend(frame(peer, FIN | opcode, &payload[start..]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn random_frames_in_random_chunks_mean_the_same(
        role in prop_oneof![Just(Role::Client), Just(Role::Server)],
        steps in prop::collection::vec(step(), 0..8),
        sizes in prop::collection::vec(1..200_usize, 1..40),
    ) {
        let vector = vector(role, &steps);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let mut rest = &vector.input[..];
        let mut chunks = Vec::new();
        for size in sizes.iter().cycle() {
            let (chunk, left) = rest.split_at(rest.len().min(*size));
            chunks.push(chunk);
            rest = left;
            if rest.is_empty() {
                break;
            }
        }
        vector.check_chunks(&runtime, &chunks);
        vector.check_chunks(&runtime, &[&vector.input]);
    }
}
