//! `WebSocket`, its halves and its handles, over scripted streams, pipes and sockets.

mod backpressure;
mod byte_stream;
mod cancel;
mod cutting;
mod driving;
mod ends;
mod fairness;
mod halves;
mod handles;
mod inbox;
#[cfg(feature = "json")]
mod json_attacks;
mod keepalive;
mod keepalive_seams;
mod large;
mod lending;
mod lending_attacks;
mod model;
mod reader_attacks;
mod reserving;
mod shared_tasks;
#[cfg(feature = "stream")]
mod sink_attacks;
mod slow_peers;
mod split;
mod split_wakers;
#[cfg(feature = "stream")]
mod stream_model;
mod streaming;
mod streaming_model;
#[cfg(feature = "stream")]
mod streams;
mod writer_attacks;
