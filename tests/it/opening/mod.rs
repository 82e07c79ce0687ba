//! RFC 6455 §4, the opening handshake: of both sides, of the client, of the server.

mod client;
mod credentials;
mod handshake;
mod server;
mod timeout;
