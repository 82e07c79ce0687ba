//! `FrameCodec`: single frames.

use bytes::BytesMut;
use tokio_util::codec::{Decoder, Encoder};
use wsimd::{
    Config, Frame, FrameCodec,
    frame::{Role, Rsv},
};

use super::{masking_key, role, split::splits};

/// Decodes arbitrary bytes in arbitrary pieces, encodes the frames, and decodes them again.
///
/// Input:
/// 1. a byte of flags: 1 the reader is a server, 2 frames limited to 100 bytes, 4 all reserved bits
///    owned, 8 no limit;
/// 2. two lengths of pieces;
/// 3. the bytes of the wire.
pub fn frame_codec(data: &[u8]) {
    let Some((&[flags, ref lengths @ ..], wire)) = data.split_first_chunk::<3>() else {
        return;
    };
    let role = role(flags & 1 != 0);
    let [(_, whole), others @ ..] = splits(wire, *lengths);
    let expected = decode(codec(role, flags), &whole);
    for (how, pieces) in others {
        let seen = decode(codec(role, flags), &pieces);
        assert_eq!(seen, expected, "{how} (left) is not as whole (right)");
    }

    let mut encoder = codec(role.peer(), flags);
    let mut output = BytesMut::new();
    for frame in &expected.frames {
        let verdict = encoder.encode(frame.clone(), &mut output);
        assert!(
            verdict.is_ok(),
            "a decoded frame cannot be encoded: {verdict:?}, {frame:?}"
        );
    }
    let again = decode(codec(role, flags), &[&output]);
    assert_eq!(again.end, "the end", "encoded frames end otherwise");
    assert_eq!(
        again.frames, expected.frames,
        "encoded and decoded (left) is not as before"
    );
}

fn codec(role: Role, flags: u8) -> FrameCodec {
    let mut config = Config::new().masking_keys(masking_key);
    if flags & 2 != 0 {
        config = config.max_frame_size(100);
    }
    if flags & 8 != 0 {
        config = config.max_frame_size(None);
    }
    let codec = FrameCodec::new(role, &config);
    if flags & 4 != 0 {
        return codec.rsv(Rsv::RSV1.union(Rsv::RSV2).union(Rsv::RSV3));
    }
    codec
}

#[derive(Debug, PartialEq)]
struct Decoded {
    frames: Vec<Frame>,
    /// The text of the error, because errors cannot be compared.
    end: String,
}

fn decode(mut codec: FrameCodec, pieces: &[&[u8]]) -> Decoded {
    let mut input = BytesMut::new();
    let mut frames = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match codec.decode(&mut input) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => {
                    let again = codec.decode(&mut input);
                    let end = format!("{error:?}");
                    assert_eq!(format!("{again:?}"), format!("Err({end})"), "not sticky");
                    return Decoded { frames, end };
                }
            }
        }
        assert!(
            input.len() < 14 + 125,
            "{} bytes are left, more than of a header or a control frame",
            input.len()
        );
    }
    let end = match codec.decode_eof(&mut input) {
        Ok(None) => "the end".to_owned(),
        Ok(Some(frame)) => panic!("a frame that `decode` had not returned: {frame:?}"),
        Err(error) => format!("{error:?}"),
    };
    Decoded { frames, end }
}
