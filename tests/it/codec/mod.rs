//! `Codec` and `FrameCodec` under `Framed`, `FramedRead`, `FramedWrite` and by hand.

mod by_hand;
mod end;
mod frame_codec;
mod framed;
mod parts;
mod sending;

use tokio_util::codec::Framed;
use wsimd::{CloseFrame, Codec, Config, Error, Event, ProtocolError, Role, SendError};

use crate::support::{
    frames::key,
    script::{Script, Seen},
};

fn config() -> Config {
    Config::new().masking_keys(key)
}

fn framed(role: Role, script: Script) -> (Framed<Script, Codec>, Seen) {
    let seen = script.seen.clone();
    (Framed::new(script, Codec::new(role, &config())), seen)
}

fn close_event(code: u16, reason: &str) -> Event {
    Event::Close(CloseFrame::new(code, reason).unwrap())
}

fn send_error<T>(result: Result<T, Error>) -> SendError {
    match result {
        Ok(_) => panic!("it was sent"),
        Err(Error::Send(error)) => error,
        Err(error) => panic!("not of sending: {error:?}"),
    }
}

fn violation<T>(result: Result<T, Error>) -> ProtocolError {
    match result {
        Ok(_) => panic!("no violation"),
        Err(Error::Protocol(error)) => error,
        Err(error) => panic!("not a violation: {error:?}"),
    }
}
