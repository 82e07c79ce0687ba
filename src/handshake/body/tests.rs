use http::HeaderValue;
use proptest::prelude::*;

use super::*;

const CHUNKED: &[(&str, &str)] = &[("transfer-encoding", "chunked")];

fn response(status: u16, lines: &[(&'static str, &str)]) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in lines {
        response
            .headers_mut()
            .append(*name, HeaderValue::from_str(value).unwrap());
    }
    response
}

/// The body, whether the reader found its end, whether it is truncated, and the bytes left.
type Outcome = (Vec<u8>, bool, bool, Vec<u8>);

fn read_pieces(head: &Response<()>, limit: usize, pieces: &[&[u8]]) -> Outcome {
    let mut reader = BodyReader::new(head, limit);
    let mut input = BytesMut::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        assert_eq!(reader.read(&mut input), reader.is_done());
        assert!(reader.body.len() <= limit);
    }
    let is_done = reader.is_done();
    reader.receive_eof();
    assert!(reader.is_done());
    let is_truncated = reader.is_truncated();
    (
        reader.into_bytes().to_vec(),
        is_done,
        is_truncated,
        input.to_vec(),
    )
}

/// Reads the input whole, at every split and byte by byte, and asserts that the outcomes are equal.
fn read(head: &Response<()>, limit: usize, input: &[u8]) -> Outcome {
    let whole = read_pieces(head, limit, &[input]);
    for split in 0..=input.len() {
        let (first, second) = input.split_at(split);
        assert_eq!(
            read_pieces(head, limit, &[first, second]),
            whole,
            "split at {split}"
        );
    }
    let bytes: Vec<_> = input.chunks(1).collect();
    assert_eq!(read_pieces(head, limit, &bytes), whole);
    whole
}

fn outcome(body: &str, is_done: bool, is_truncated: bool, left: &str) -> Outcome {
    (body.into(), is_done, is_truncated, left.into())
}

#[test]
fn a_content_length_delimits_the_body() {
    let head = response(403, &[("content-length", "5")]);
    assert_eq!(
        read(&head, 100, b"hello, more"),
        outcome("hello", true, false, ", more")
    );
    assert_eq!(read(&head, 5, b"hello"), outcome("hello", true, false, ""));
    assert_eq!(read(&head, 100, b"hel"), outcome("hel", false, true, ""));
}

#[test]
fn a_body_over_the_limit_is_truncated() {
    let head = response(403, &[("content-length", "5")]);
    assert_eq!(read(&head, 4, b"hello"), outcome("hell", true, true, "o"));
    assert_eq!(read(&head, 0, b"hello"), outcome("", true, true, "hello"));
    let huge = response(403, &[("content-length", "18446744073709551615")]);
    assert_eq!(read(&huge, 2, b"hello"), outcome("he", true, true, "llo"));
    let head = response(403, &[]);
    assert_eq!(read(&head, 4, b"hello"), outcome("hell", true, true, "o"));
    let head = response(403, CHUNKED);
    assert_eq!(read(&head, 4, b"5\r\nhello\r\n0\r\n\r\n").0, b"hell");
    assert!(read(&head, 4, b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n").2);
}

#[test]
fn without_framing_the_connection_ends_the_body() {
    let head = response(503, &[]);
    assert_eq!(read(&head, 5, b"hello"), outcome("hello", false, false, ""));
    assert_eq!(read(&head, 5, b""), outcome("", false, false, ""));
}

#[test]
fn chunks_are_joined_at_every_split() {
    let head = response(503, CHUNKED);
    let input = b"2\r\nhe\r\n3;ext=\"1\"\r\nllo\r\n000\r\nTrailer: x\r\n\r\n";
    let left = "Trailer: x\r\n\r\n";
    assert_eq!(read(&head, 100, input), outcome("hello", true, false, left));
    assert_eq!(read(&head, 5, input), outcome("hello", true, false, left));
    assert_eq!(
        read(&head, 100, b"A \r\n0123456789\r\n0\r\n"),
        outcome("0123456789", true, false, "")
    );
}

#[test]
fn malformed_chunks_end_the_body_quietly() {
    let head = response(503, CHUNKED);
    let inputs: [&[u8]; 7] = [
        b"x\r\n",
        b"\r\n",
        b"1\r\nab",
        b"1\r\na\nb",
        b"-1\r\n",
        b"00000000000000001\r\n",
        b"1\na",
    ];
    for input in inputs {
        let (body, is_done, is_truncated, _) = read(&head, 100, input);
        assert!(is_done && is_truncated && body.len() <= 1, "{input:?}");
    }
    let (body, is_done, is_truncated, _) = read(&head, 100, b"ffffffffffffffff\r\nab");
    assert_eq!(
        (body.as_slice(), is_done, is_truncated),
        (&b"ab"[..], false, true)
    );
}

#[test]
fn endless_chunk_framing_is_bounded() {
    let head = response(503, CHUNKED);
    let mut reader = BodyReader::new(&head, 10);
    let mut input = BytesMut::from(&b"1;"[..]);
    input.extend_from_slice(&[b'x'; 2 * MAX_CHUNK_FRAMING]);
    assert!(reader.read(&mut input));
    assert!(reader.is_truncated());
    assert!(!input.is_empty());
}

#[test]
fn chunked_wins_over_content_length_and_other_codings_run_to_the_end() {
    let head = response(
        503,
        &[("content-length", "1"), ("transfer-encoding", "Chunked")],
    );
    assert_eq!(read(&head, 9, b"2\r\nhe\r\n0\r\n").0, b"he");
    for codings in [
        &[("transfer-encoding", "gzip, chunked")][..],
        &[CHUNKED[0], CHUNKED[0]],
    ] {
        let head = response(503, codings);
        assert_eq!(
            read(&head, 9, b"0\r\nx"),
            outcome("0\r\nx", false, false, "")
        );
    }
}

#[test]
fn a_malformed_content_length_is_ignored() {
    for value in ["", "-1", "+1", "1, 1", "x", "99999999999999999999"] {
        let head = response(503, &[("content-length", value)]);
        assert_eq!(
            read(&head, 9, b"abc"),
            outcome("abc", false, false, ""),
            "{value}"
        );
    }
    let head = response(503, &[("content-length", "1"), ("content-length", "2")]);
    assert_eq!(read(&head, 9, b"abc").0, b"abc");
}

#[test]
fn a_response_without_a_body_is_done_at_once() {
    for head in [
        response(204, &[]),
        response(304, CHUNKED),
        response(403, &[("content-length", "0")]),
    ] {
        assert!(BodyReader::new(&head, 9).is_done());
        assert_eq!(read(&head, 9, b"x"), outcome("", true, false, "x"));
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_nor_exceed_the_limit(
        input in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            "[0-3a\\r\\n;]{0,40}".prop_map(Vec::from),
        ],
        limit in 0_usize..20,
        framing in 0_usize..3,
    ) {
        let lines = [&[][..], CHUNKED, &[("content-length", "17")]][framing];
        let (body, ..) = read(&response(500, lines), limit, &input);
        prop_assert!(body.len() <= limit);
    }
}
