//! The open connection as a machine without I/O, clock or task, for any runtime.
//!
//! [`Endpoint`] is one side of a connection with all its duties. Its owner
//!
//! 1. appends the bytes that were read to a buffer, and calls [`Endpoint::receive`] until it returns
//!    `None`, or [`Endpoint::receive_eof`] at the end of the stream;
//! 2. sends with [`Endpoint::send`], [`ping`](Endpoint::ping) and [`close`](Endpoint::close);
//! 3. writes the output to the stream, and calls [`Endpoint::on_written`], until the output is empty;
//! 4. performs the [`Step`] of [`Endpoint::next_step`], reports it with [`Endpoint::on_step`], and drops
//!    the stream at [`Step::Done`];
//! 5. passes the time to a [`Keepalive`], if it wants to detect dead peers.
//!
//! [`Receiver`] and [`Sender`] are the two halves of an endpoint, for a program that wants the duties in
//! its own hands. [`Receiver`] turns bytes into [`Event`]s, and [`Sender`] turns events into bytes. The
//! program sends [`Event::reply`] for each event and [`ProtocolError::close_frame`](crate::ProtocolError::close_frame) for an error, and
//! records Close frames in a [`Closing`]. [`Codec`](crate::Codec) consists of these parts.
//!
//! The opening handshake is in [`handshake`](crate::handshake).

mod assembler;
mod closing;
mod decoding;
mod endpoint;
mod event;
mod frame_reader;
mod keepalive;
mod keys;
mod outgoing;
mod output;
mod receiver;
mod sender;
mod step;
mod streamed;
mod unfinished;
mod work;

pub use closing::{Closed, Closing};
pub use endpoint::Endpoint;
pub use event::{Event, EventRef};
pub use keepalive::{Duty, Keepalive};
pub use keys::random_masking_key;
pub use output::Output;
pub use receiver::Receiver;
pub use sender::Sender;
pub use step::Step;

#[cfg(feature = "codec")]
pub(crate) use frame_reader::{FrameReader, Limit};
#[cfg(feature = "codec")]
pub(crate) use keys::masking_key;
#[cfg(feature = "codec")]
pub(crate) use sender::write_frame;
#[cfg(feature = "tokio")]
pub(crate) use {
    receiver::{Received, text},
    sender::{Chunk, check_size},
    work::Work,
};
