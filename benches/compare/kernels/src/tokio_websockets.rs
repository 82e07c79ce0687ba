//! The masking function of tokio-websockets, as build.rs could get hold of it.

/// Masks or unmasks in place. The key is left rotated or not, as it happens.
pub type Mask = fn(key: &mut [u8; 4], input: &mut [u8]);

include!(concat!(env!("OUT_DIR"), "/tokio_websockets.rs"));
