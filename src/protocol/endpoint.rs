//! [`Endpoint`]: one side of an open connection, with all the duties that RFC 6455 gives it.

mod sending;
#[cfg(feature = "tokio")]
mod streaming;

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::{
    Closed, Closing, Event, EventRef, Output, Receiver, Sender, Step,
    receiver::{Received, lend},
    work::Work,
};
use crate::{
    config::Config,
    extension::{Compress, Extensions},
    frame::{ProtocolError, Role, WholeFrame},
};

/// One side of an open WebSocket connection, without I/O, clock or task (RFC 6455 §5.5, §7).
///
/// The [module](super) lists the duties of the stream's owner.
///
/// ```
/// use bytes::BytesMut;
/// use wsimd::{Config, Event, Role, protocol::{Endpoint, Step}};
///
/// let mut server = Endpoint::new(Role::Server, &Config::new());
/// let mut client = Endpoint::new(Role::Client, &Config::new());
/// let (mut to_client, mut to_server) = (BytesMut::new(), BytesMut::new());
///
/// client.send("Hello", &mut to_server)?;
/// let event = server.receive(&mut to_server, &mut to_client)?;
/// assert_eq!(event, Some(Event::from("Hello")));
///
/// server.close(wsimd::CloseFrame::EMPTY, &mut to_client);
/// client.receive(&mut to_client, &mut to_server)?;
/// server.receive(&mut to_server, &mut to_client)?;
/// assert_eq!(server.next_step(), Step::Flush);
/// assert!(server.close_frames().is_complete());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Endpoint {
    receiver: Receiver,
    sender: Sender,
    closing: Closing,
    /// The newest pong, while the output has no room for it.
    held_pong: Option<Box<Bytes>>,
    step: Step,
}

impl Endpoint {
    /// Creates the endpoint that has this role. Its opening handshake has completed.
    pub fn new(role: Role, config: &Config) -> Self {
        Self {
            receiver: Receiver::new(role, config),
            sender: Sender::new(role, config),
            closing: Closing::default(),
            held_pong: None,
            step: Step::Continue,
        }
    }

    /// Uses the extensions that the opening handshake negotiated. Call this method before the first message: the
    /// rest of an unfinished message is dropped.
    pub fn set_extensions(&mut self, extensions: Extensions) {
        let (encoders, decoders) = extensions.split();
        self.sender.set_encoders(encoders);
        self.receiver.set_decoders(decoders);
    }

    /// Takes the endpoint apart. A held pong is dropped. [`Sender::send`] appends the rest of an unfinished
    /// message before its own.
    pub fn into_parts(self) -> (Receiver, Sender, Closing) {
        (self.receiver, self.sender, self.closing)
    }

    /// Receives the next event from `input`; `None` when more bytes are needed or the connection has
    /// come to its end. Bytes after the end are discarded.
    ///
    /// The duty of the event has been performed: the pong, the echoed Close frame or the Close frame of
    /// a violation is in `output`. Pongs that find more than [`Config::write_high_water`] bytes there
    /// are held, and only the newest is kept (RFC 6455 §5.5.3).
    ///
    /// # Errors
    ///
    /// The peer's violation of the protocol or of a limit. Every later call returns the error again.
    pub fn receive(
        &mut self,
        input: &mut BytesMut,
        output: &mut impl Output,
    ) -> Result<Option<Event>, ProtocolError> {
        if self.step != Step::Continue {
            input.clear();
            return self.violation().map_or(Ok(None), Err);
        }
        let received = self.next(input, output, &mut Work::unlimited())?;
        Ok(received.map(Received::into_event))
    }

    /// Receives the next event as [`receive`](Self::receive) does, and lends it to `f` as
    /// [`Receiver::receive_with`] does.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    pub fn receive_with<R>(
        &mut self,
        input: &mut BytesMut,
        output: &mut impl Output,
        f: impl FnOnce(EventRef<'_>) -> R,
    ) -> Result<Option<R>, ProtocolError> {
        if self.step == Step::Continue
            && let Some(frame) = self.receiver.find_whole(input)
        {
            self.open_whole(frame, input, output)?;
            return Ok(Some(lend(frame, input, f)));
        }
        let event = self.receive(input, output)?;
        Ok(event.map(|event| event.lend(f)))
    }

    /// Receives before the end, as [`receive`](Self::receive). The payload of a message is not a message yet.
    #[inline]
    pub(crate) fn next(
        &mut self,
        input: &mut BytesMut,
        output: &mut impl Output,
        work: &mut Work,
    ) -> Result<Option<Received>, ProtocolError> {
        let received = self.receiver.next(input, work);
        match &received {
            Ok(Some(Received::Control(event))) => self.on_control(event, output),
            Err(error) => self.on_violation(*error, output),
            Ok(_) => {}
        }
        received
    }

    /// Takes a whole message out of the input, as [`Receiver::take_whole`]. `None` after a violation.
    #[cfg(feature = "tokio")]
    #[inline(always)]
    pub(crate) fn take_whole(
        &mut self,
        frame: WholeFrame,
        input: &mut BytesMut,
        output: &mut impl Output,
    ) -> Option<Received> {
        let received = self.receiver.take_whole(frame, input);
        received
            .map_err(|error| self.on_violation(error, output))
            .ok()
    }

    /// Unmasks a whole message in place, as [`Receiver::open_whole`].
    #[inline]
    pub(crate) fn open_whole(
        &mut self,
        frame: WholeFrame,
        input: &mut BytesMut,
        output: &mut impl Output,
    ) -> Result<(), ProtocolError> {
        let opened = self.receiver.open_whole(frame, input);
        opened.inspect_err(|error| self.on_violation(*error, output))
    }

    /// Reports the end of the stream. Without the peer's Close frame the end is abnormal, 1006.
    pub fn receive_eof(&mut self) {
        // The peer may not read the output any more.
        self.end(Step::HalfClose);
    }

    /// Ends the connection at once, because the stream has failed or a deadline has passed.
    pub fn abandon(&mut self) {
        self.step = Step::Done;
        self.drop_unsent();
    }

    /// Returns the next step of the owner of the stream.
    #[inline]
    pub const fn next_step(&self) -> Step {
        self.step
    }

    /// Records that this step was performed. Does nothing unless it is the
    /// [`next_step`](Self::next_step): a read can lead to another step meanwhile.
    pub fn on_step(&mut self, performed: Step) {
        if self.step != performed {
            return;
        }
        let violated = self.violation().is_some();
        self.step = match (self.step, self.role()) {
            (Step::Continue, _) => Step::Continue,
            // The server closes the stream first (RFC 6455 §7.1.1).
            (Step::Flush, Role::Server) => Step::HalfClose,
            (Step::HalfClose, Role::Server) if violated => Step::Drain,
            (Step::HalfClose, Role::Server) => Step::Discard,
            (Step::Flush, Role::Client) => Step::Drain,
            (Step::Drain, Role::Client) => Step::HalfClose,
            _ => Step::Done,
        };
    }

    /// Returns the peer's violation, if there was one.
    pub fn violation(&self) -> Option<ProtocolError> {
        self.receiver.violation()
    }

    /// Returns the Close frames so far, as they stand if the connection ends now.
    pub fn close_frames(&self) -> Closed {
        self.closing.close_frames()
    }

    /// Returns whether messages may be sent.
    #[inline]
    pub const fn is_open(&self) -> bool {
        matches!(self.step, Step::Continue) && !self.sender.is_closed()
    }

    /// Sets whether the messages sent from now on are compressed. Default: [`Compress::Auto`].
    pub const fn set_compress(&mut self, compress: Compress) {
        self.sender.set_compress(compress);
    }

    /// Releases extension memory that was not used since the last call. Call it every 20 s or so.
    pub fn release_idle(&mut self) {
        self.receiver.release_idle();
        self.sender.release_idle();
    }

    /// Returns the role of the endpoint.
    pub const fn role(&self) -> Role {
        self.sender.role()
    }

    /// Returns [`Config::close_timeout`]. It starts with our Close frame, or with the first step after
    /// [`Step::Continue`]. After it, [`abandon`](Self::abandon) the connection.
    pub fn close_timeout(&self) -> Duration {
        self.config().settings.close_timeout
    }

    /// Returns the configuration of the endpoint.
    pub const fn config(&self) -> &Config {
        self.sender.config()
    }

    /// Returns the receiving half.
    #[cfg(any(feature = "tokio", feature = "codec"))]
    #[inline]
    pub(crate) const fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// Returns the receiving half.
    #[cfg(feature = "tokio")]
    pub(crate) const fn receiver_mut(&mut self) -> &mut Receiver {
        &mut self.receiver
    }

    /// Takes `len` bytes that were read to the [`Receiver::destination`].
    #[cfg(feature = "tokio")]
    pub(crate) fn on_arrived(&mut self, len: usize, output: &mut impl Output) {
        if let Err(error) = self.receiver.on_arrived(len) {
            self.on_violation(error, output);
        }
    }

    /// Records that the last `len` bytes of the output were never written.
    #[cfg(feature = "tokio")]
    pub(crate) fn on_output_lost(&mut self, len: usize) {
        self.closing.on_output_lost(len);
    }

    /// Drops the pong and the rest of the message that wait for room.
    pub(crate) fn drop_unsent(&mut self) {
        self.held_pong = None;
        self.sender.drop_unfinished();
    }

    /// Appends a pong.
    fn reply(&mut self, payload: &Bytes, output: &mut impl Output) {
        let before = output.len();
        self.sender.reply(payload, output);
        self.closing.on_pong(output.len() - before);
    }

    fn on_control(&mut self, event: &Event, output: &mut impl Output) {
        match event {
            Event::Ping(payload) if self.takes_control(output) && self.held_pong.is_none() => {
                self.reply(payload, output);
            }
            Event::Ping(payload) => self.held_pong = Some(Box::new(payload.clone())),
            Event::Close(frame) => {
                self.closing.on_received(frame.clone());
                self.close_now(frame.clone(), output);
                self.end(Step::Flush);
            }
            Event::Pong(_) | Event::Message(_) => {}
        }
    }

    #[cold]
    fn on_violation(&mut self, error: ProtocolError, output: &mut impl Output) {
        self.close_now(error.close_frame(), output);
        self.end(Step::Flush);
    }

    /// Ends the connection, beginning with this step. The first end counts.
    fn end(&mut self, step: Step) {
        if self.step == Step::Continue {
            self.step = step;
        }
        self.drop_unsent();
    }
}
