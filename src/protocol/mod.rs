//! The open connection as two machines without I/O, clock or task: usable from any runtime.
//!
//! [`Receiver`] turns the bytes that arrived into [`Event`]s; [`Sender`] turns events into bytes.
//! They share nothing. Whoever drives them
//!
//! 1. appends what was read to a buffer and calls [`Receiver::receive`] until it returns `None`;
//! 2. sends [`Event::reply`] for every event that obliges to an answer;
//! 3. on an error, sends [`ProtocolError::close_frame`] and ends the connection (RFC 6455 §7.1.7);
//! 4. records Close frames in a [`Closing`], which knows what the connection's end means;
//! 5. asks [`Receiver::is_closed`] at the end of the stream: without a Close frame it is abnormal.
//!
//! The opening handshake is not here: see [`handshake`](crate::handshake).

mod assembler;
mod closing;
mod decoding;
mod endpoint;
mod event;
mod frame_reader;
mod keepalive;
mod receiver;
mod sender;

pub use crate::frame::{ProtocolError, Role, SendError};
pub use closing::{Closed, Closing};
pub use endpoint::{Endpoint, Step};
pub use event::Event;
pub use keepalive::{Duty, Keepalive};
pub use receiver::Receiver;
pub use sender::{Output, Sender, random_masking_key};

#[cfg(feature = "codec")]
pub(crate) use frame_reader::{FrameReader, Limit};
#[cfg(feature = "codec")]
pub(crate) use sender::{masking_key, write_frame};
#[cfg(feature = "tokio")]
pub(crate) use {
    receiver::{Received, text},
    sender::check_size,
};
