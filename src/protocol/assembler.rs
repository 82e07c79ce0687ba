//! [`Assembler`]: the payloads of data frames to one message (RFC 6455 §5.4, §8.1).

use super::{
    decoding::Decoding,
    frame_reader::{Limit, Piece},
    work::Work,
};
use crate::{
    budget::Share,
    config::Settings,
    extension::{DecodeState, Decoders},
    frame::{FrameHeader, Opcode, ProtocolError},
    payload::Payload,
    simd::Simd,
};

/// The length of a chunk of a streamed message after which nothing more is received, in bytes.
const FULL_CHUNK: usize = 48 << 10;

/// The number of bytes of a streamed message that are received in one step.
const CHUNK_STEP: usize = 16 << 10;

/// How a message is assembled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan<'a> {
    pub(super) settings: &'a Settings,
    pub(super) simd: Simd,
    /// Whether the message leaves in chunks.
    pub(super) is_streamed: bool,
}

/// Collects one message, and lets extensions decode it on the way.
#[derive(Debug)]
pub(super) struct Assembler {
    /// An idle connection has none.
    unfinished: Option<Box<Unfinished>>,
    /// Most connections have negotiated no extension.
    decoding: Option<Box<Decoding>>,
}

/// An unfinished message.
#[derive(Debug)]
struct Unfinished {
    payload: Payload,
    /// The number of frames that have begun.
    fragments: u32,
    /// The number of bytes that have left in chunks.
    taken: u64,
    /// Whether all of a streamed message has arrived.
    is_complete: bool,
}

impl Unfinished {
    /// Returns the number of bytes that have arrived.
    const fn len(&self) -> u64 {
        self.taken + self.payload.len() as u64
    }
}

impl Assembler {
    pub(super) const fn new() -> Self {
        Self {
            unfinished: None,
            decoding: None,
        }
    }

    /// Sets the negotiated extensions.
    pub(super) fn set_decoders(&mut self, decoders: Decoders) {
        self.decoding = (!decoders.is_empty()).then(|| Box::new(Decoding::new(decoders)));
    }

    /// Returns whether any extension was negotiated.
    pub(super) const fn is_decoding(&self) -> bool {
        self.decoding.is_some()
    }

    /// Returns the extensions, if any were negotiated.
    pub(super) fn decoding(&mut self) -> Option<&mut Decoding> {
        self.decoding.as_deref_mut()
    }

    /// Returns the part of `input` that may be read in one step, and the limit of the next frame.
    pub(super) fn next_step<'a>(&self, input: &'a [u8], plan: Plan<'_>) -> (&'a [u8], Limit) {
        let (mut visible, mut limit) = match &self.decoding {
            None => (input, self.limit(plan)),
            Some(decoding) => (decoding.visible(input), decoding.limit(plan)),
        };
        if plan.is_streamed {
            visible = visible.get(..CHUNK_STEP).unwrap_or(visible);
        }
        let (fragments, len) = match &self.unfinished {
            Some(unfinished) => (unfinished.fragments, unfinished.len()),
            None => (0, 0),
        };
        let max_fragments = plan.settings.max_fragments(len);
        if fragments >= max_fragments {
            limit.too_many = Some(ProtocolError::TooManyFragments {
                limit: max_fragments,
            });
        }
        (visible, limit)
    }

    /// Takes the bytes that have arrived of a data frame. Returns whether the message is complete. Extensions
    /// may [pause](Self::is_paused).
    pub(super) fn take(
        &mut self,
        piece: &Piece<'_>,
        plan: Plan<'_>,
        work: &mut Work,
    ) -> Result<bool, ProtocolError> {
        work.piece();
        if piece.begins {
            self.begin(&piece.header, plan)?;
        }
        // A frame has begun.
        let Some(unfinished) = self.unfinished.as_deref_mut() else {
            return Ok(false);
        };
        let is_last = piece.missing == 0;
        let Some(decoding) = &mut self.decoding else {
            append(piece, &mut unfinished.payload, plan)?;
            return Ok(is_last && piece.header.fin);
        };
        let is_ended = if decoding.is_active() {
            let state = unfinished.decode_state(plan, work);
            decoding.decode(Some(piece), &mut unfinished.payload, state, work)?
        } else {
            append(piece, &mut unfinished.payload, plan)?;
            is_last
        };
        let payload = &mut unfinished.payload;
        Ok(is_ended && decoding.end(payload))
    }

    /// Lets extensions continue after a pause. Returns whether the message is complete.
    pub(super) fn resume(
        &mut self,
        plan: Plan<'_>,
        work: &mut Work,
    ) -> Result<bool, ProtocolError> {
        let (Some(decoding), Some(unfinished)) = (&mut self.decoding, &mut self.unfinished) else {
            return Ok(false);
        };
        let state = unfinished.decode_state(plan, work);
        let payload = &mut unfinished.payload;
        Ok(decoding.decode(None, payload, state, work)? && decoding.end(payload))
    }

    /// Begins a frame of a new message, or a continuation.
    fn begin(&mut self, header: &FrameHeader, plan: Plan<'_>) -> Result<(), ProtocolError> {
        let unfinished = self.unfinished.get_or_insert_with(|| {
            let share = Share::new(plan.settings.budget.clone());
            let payload = Payload::new(header.opcode == Opcode::Text, share);
            Box::new(Unfinished {
                payload,
                fragments: 0,
                taken: 0,
                is_complete: false,
            })
        });
        unfinished.fragments = unfinished.fragments.saturating_add(1);
        let plain = self.limit(plan);
        match &mut self.decoding {
            Some(decoding) => decoding.begin(header, plain),
            None => Ok(()),
        }
    }

    /// Returns the limit of the next frame if no extension decodes it.
    fn limit(&self, plan: Plan<'_>) -> Limit {
        let len = self.unfinished.as_ref().map_or(0, |it| it.len());
        let settings = plan.settings;
        let left = plan.max_message_size().saturating_sub(len);
        match plan.is_streamed {
            false => Limit::new(left, settings.max_frame_size, len, settings),
            true => Limit::streamed(left, len, settings),
        }
    }

    /// Returns whether arrived bytes still wait to be decoded.
    #[inline]
    pub(super) fn is_paused(&self) -> bool {
        self.decoding.as_ref().is_some_and(|it| it.is_paused())
    }

    /// Discards the unfinished message and releases its memory.
    pub(super) fn discard(&mut self) {
        self.unfinished = None;
    }

    /// Ends the message, once all of its last frame has arrived. Returns whether it is text, and its
    /// payload.
    pub(super) fn end(&mut self) -> Result<(bool, Vec<u8>), ProtocolError> {
        let payload = match self.unfinished.take() {
            Some(unfinished) => unfinished.payload,
            None => Payload::new(false, Share::UNLIMITED),
        };
        Ok((payload.is_text(), payload.finish()?))
    }
}

fn append(piece: &Piece<'_>, payload: &mut Payload, plan: Plan<'_>) -> Result<(), ProtocolError> {
    let missing = piece.missing_of_message();
    let follows = match plan.is_streamed {
        false => missing,
        true => missing.min(room_of_chunk(payload) as u64),
    };
    payload.reserve(piece.chunk.len(), follows)?;
    payload.append(piece.chunk, piece.key, plan.simd)?;
    payload.check_end(missing)
}

/// Returns the number of bytes after which a chunk is full.
fn room_of_chunk(payload: &Payload) -> usize {
    FULL_CHUNK.saturating_sub(payload.len())
}

impl Plan<'_> {
    /// Returns the largest message, in bytes.
    const fn max_message_size(&self) -> u64 {
        match self.is_streamed {
            false => self.settings.max_message_size,
            true => self.settings.max_streamed_message_size,
        }
    }
}

impl Unfinished {
    /// Returns the limits of the next bytes to be decoded.
    fn decode_state(&self, plan: Plan<'_>, work: &Work) -> DecodeState {
        let mut state = DecodeState::new(plan.max_message_size(), work.decodable(), plan.simd);
        if plan.is_streamed {
            state.stream(self.taken, room_of_chunk(&self.payload) as u64);
        }
        state
    }
}

/// Messages that leave in chunks.
impl Assembler {
    /// Returns the unfinished message's kind, if a chunk of it has arrived.
    pub(super) fn chunk_is_text(&self) -> Option<bool> {
        let unfinished = self.unfinished.as_deref()?;
        let has_chunk = unfinished.is_complete || unfinished.payload.chunk_len() > 0;
        has_chunk.then(|| unfinished.payload.is_text())
    }

    /// Returns whether a chunk is as large as chunks become.
    pub(super) fn is_full(&self) -> bool {
        let unfinished = self.unfinished.as_ref();
        unfinished.is_some_and(|it| room_of_chunk(&it.payload) == 0)
    }

    /// Takes the chunk that has arrived. Returns whether it is the last.
    pub(super) fn take_chunk(&mut self) -> Option<(Vec<u8>, bool)> {
        let unfinished = self.unfinished.as_deref_mut()?;
        let is_last = unfinished.is_complete;
        let chunk = unfinished.payload.take_chunk();
        unfinished.taken += chunk.len() as u64;
        if is_last {
            self.unfinished = None;
        }
        Some((chunk, is_last))
    }

    /// Records that all of a streamed message has arrived.
    pub(super) fn complete(&mut self) -> Result<(), ProtocolError> {
        if let Some(unfinished) = &mut self.unfinished {
            unfinished.payload.check_end(0)?;
            unfinished.is_complete = true;
        }
        Ok(())
    }
}

#[cfg(feature = "tokio")]
impl Assembler {
    /// Returns whether all of a streamed message has arrived.
    pub(super) fn is_complete(&self) -> bool {
        self.unfinished.as_ref().is_some_and(|it| it.is_complete)
    }

    /// Returns whether a message has begun and not ended.
    pub(super) const fn is_unfinished(&self) -> bool {
        self.unfinished.is_some()
    }

    /// Returns whether chunks of the message have left.
    pub(super) fn is_taken(&self) -> bool {
        self.unfinished.as_ref().is_some_and(|it| it.taken > 0)
    }

    /// Checks that the message is not too large if `missing` bytes of its frame follow.
    pub(super) fn check_size(
        &self,
        missing: u64,
        settings: &Settings,
    ) -> Result<(), ProtocolError> {
        let Some(payload) = self.unfinished.as_ref().map(|it| &it.payload) else {
            return Ok(());
        };
        let is_decoded = self.decoding.as_ref().is_some_and(|it| it.is_active());
        let missing = if is_decoded { 0 } else { missing };
        let (size, limit) = (payload.len() as u64 + missing, settings.max_message_size);
        match size > limit {
            true => Err(ProtocolError::MessageTooBig { size, limit }),
            false => Ok(()),
        }
    }

    /// Returns the payload, for bytes of a frame to be appended as they come from the stream; `None`
    /// when the frame is decoded.
    pub(super) fn direct_payload(&mut self) -> Option<&mut Payload> {
        match &self.decoding {
            Some(decoding) if decoding.is_active() => None,
            _ => Some(&mut self.unfinished.as_mut()?.payload),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::BytesMut;

    use crate::{
        budget::Budget,
        config::Config,
        frame::{CloseCode, ProtocolError, Role},
        protocol::{Event, Receiver},
    };

    const LIMIT: usize = 100_000;
    const FULL: ProtocolError = ProtocolError::TooManyUnfinishedBytes {
        limit: LIMIT as u64,
    };

    fn shared() -> (Arc<Budget>, Config) {
        let budget = Arc::new(Budget::new(LIMIT));
        let config = Config::new().with_budget(Some(Arc::clone(&budget)));
        (budget, config)
    }

    fn receiver(config: &Config) -> Receiver {
        Receiver::new(Role::Client, config)
    }

    /// A frame of a server that announces `len` bytes, and `arrived` of them.
    fn frame(first: u8, len: u64, arrived: usize) -> BytesMut {
        let mut frame = BytesMut::from(&[first, 127][..]);
        frame.extend_from_slice(&len.to_be_bytes());
        frame.extend_from_slice(&vec![b'x'; arrived]);
        frame
    }

    fn message_len(event: Option<Event>) -> usize {
        match event {
            Some(Event::Message(message)) => message.len(),
            other => panic!("no message: {other:?}"),
        }
    }

    #[test]
    fn connections_share_a_budget_and_a_failed_one_frees_its_part() {
        let (budget, config) = shared();
        let mut open = Vec::new();
        let failed = loop {
            let mut peer = receiver(&config);
            let mut fragment = BytesMut::from(&[2, 126, 0x27, 0x10][..]);
            fragment.extend_from_slice(&[0; 10_000]);
            match peer.receive(&mut fragment) {
                Ok(event) => assert_eq!(event, None),
                Err(error) => break (peer, error),
            }
            open.push(peer);
            assert!(open.len() < 100, "no limit");
        };
        assert_eq!(failed.1, FULL);
        assert_eq!(failed.1.close_code(), CloseCode::TRY_AGAIN_LATER);
        assert_eq!(failed.0.violation(), Some(FULL));
        assert!(budget.used() <= LIMIT && budget.used() >= open.len() * 10_000);
        // A message that arrives whole needs no part.
        let whole = receiver(&config).receive(&mut frame(0x82, 70_000, 70_000));
        assert_eq!(whole.map(message_len), Ok(70_000));
        // A connection that is in the middle of its message fails too, and frees its part.
        let used = budget.used();
        let mut more = BytesMut::from(&[0, 127, 0, 0, 0, 0, 0, 1, 0, 0][..]);
        more.extend_from_slice(&[0; 65_536]);
        assert_eq!(open[0].receive(&mut more), Err(FULL));
        assert!(budget.used() <= used - 10_000);
        // The end of a message frees its part, and so does the end of a connection.
        let used = budget.used();
        let mut end = BytesMut::from(&[0x80, 0][..]);
        assert_eq!(open[1].receive(&mut end).map(message_len), Ok(10_000));
        assert!(budget.used() <= used - 10_000);
        open.clear();
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_close_frame_and_a_violation_free_the_part() {
        for end in [&[0x88, 0][..], &[0x83, 0]] {
            let (budget, config) = shared();
            let mut peer = receiver(&config);
            let mut first = BytesMut::from(&[1, 1, b'x'][..]);
            assert_eq!(peer.receive(&mut first), Ok(None));
            assert_eq!(budget.used(), 1);
            assert!(!matches!(peer.receive(&mut end.into()), Ok(None)));
            assert_eq!(budget.used(), 0);
        }
    }

    #[test]
    fn a_frame_within_the_budget_arrives_in_chunks_of_any_size() {
        for size in [1, 7, 1000, 4096, 65_535, LIMIT] {
            let (budget, config) = shared();
            let mut peer = receiver(&config);
            let mut input = BytesMut::new();
            let mut received = None;
            for chunk in frame(0x82, LIMIT as u64, LIMIT).chunks(size) {
                assert!(received.is_none());
                input.extend_from_slice(chunk);
                received = peer.receive(&mut input).unwrap();
                assert!(budget.used() <= LIMIT);
            }
            assert_eq!(message_len(received), LIMIT);
            assert_eq!(budget.used(), 0);
        }
    }

    #[cfg(feature = "tokio")]
    #[test]
    fn direct_reads_stay_within_the_budget() {
        let (budget, config) = shared();
        let mut peer = receiver(&config);
        let mut input = frame(0x82, 1 << 20, 1);
        assert_eq!(peer.receive(&mut input), Ok(None));
        let mut read = 1;
        while let Some((payload, most)) = peer.destination() {
            assert!(most > 0);
            payload.resize(payload.len() + most, 0);
            peer.on_arrived(most).unwrap();
            read += most;
            assert!(read <= budget.used() && budget.used() <= LIMIT);
        }
        assert!(read > LIMIT / 16, "{read}");
        // The next bytes go through the input, and prove that the budget is exceeded.
        input.extend_from_slice(&[0; 10]);
        assert_eq!(peer.receive(&mut input), Err(FULL));
        assert_eq!(budget.used(), 0);
    }

    /// Chunks that have left count no more, and neither does the rest of a message that is dropped.
    #[cfg(feature = "tokio")]
    #[test]
    fn a_streamed_message_counts_with_the_bytes_that_were_not_taken() {
        let (budget, config) = shared();
        let mut peer = receiver(&config);
        peer.deliver_chunks();
        let mut input = frame(0x02, 1 << 20, 1 << 20);
        input.extend_from_slice(&frame(0x80, 1 << 20, 1 << 19));
        let mut taken = 0;
        while !input.is_empty() && taken < 700_000 {
            assert_eq!(peer.receive(&mut input), Ok(None));
            assert!(budget.used() <= 80_000, "{}", budget.used());
            let (is_text, chunk, is_last) = peer.take_chunk().unwrap();
            assert!(!is_text && !is_last && chunk.len() <= 64 << 10);
            assert_eq!(budget.used(), 0);
            taken += chunk.len();
        }
        assert_eq!(peer.receive(&mut input), Ok(None));
        assert!(budget.used() > 0);
        assert_eq!(peer.deliver_whole(), Ok(None));
        assert_eq!(budget.used(), 0);
        assert_eq!(peer.receive(&mut input), Ok(None));
        assert!(input.is_empty());
        assert_eq!(budget.used(), 0);
        input.extend_from_slice(&vec![b'x'; 1 << 19]);
        input.extend_from_slice(b"\x82\x01m");
        assert_eq!(peer.receive(&mut input).map(message_len), Ok(1));
        assert_eq!(budget.used(), 0);
    }

    #[cfg(feature = "deflate")]
    #[test]
    fn compressed_messages_count_with_their_decoded_bytes() {
        use crate::{
            extension::{Deflate, Extension as _, Extensions, Params},
            frame::Rsv,
            protocol::Sender,
        };

        let (budget, config) = shared();
        let negotiated = || {
            let (_, coders) = Deflate::new().accept(&Params::new()).unwrap();
            let mut extensions = Extensions::default();
            extensions.push("permessage-deflate", Rsv::RSV1, coders);
            extensions.split()
        };
        let mut unfinished = Vec::new();
        for (len, error) in [(30_000, None), (30_000, None), (90_000, Some(FULL))] {
            let mut sender = Sender::new(Role::Client, &config);
            sender.set_encoders(negotiated().0);
            let mut wire = BytesMut::new();
            sender.send(vec![7; len], &mut wire).unwrap();
            assert!(wire.len() < 1000);
            let last = wire.split_off(wire.len() - 1);
            let mut peer = Receiver::new(Role::Server, &config);
            peer.set_decoders(negotiated().1);
            assert_eq!(peer.receive(&mut wire).err(), error);
            assert!(budget.used() <= LIMIT);
            unfinished.push((peer, last));
        }
        assert!(budget.used() >= 40_000, "{}", budget.used());
        for (peer, last) in &mut unfinished[..2] {
            assert_eq!(peer.receive(last).map(message_len), Ok(30_000));
        }
        assert_eq!(budget.used(), 0);
    }
}
