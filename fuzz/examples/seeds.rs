//! Writes the seeds of every target: `cargo run --example seeds`.
//!
//! Vectors by name, so that a folder of `corpus` reads as a list of cases.

use std::{fs, io, path::Path};

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Flags and two lengths of pieces, as most targets begin.
const CLIENT: [u8; 3] = [0, 0, 6];
const SERVER: [u8; 3] = [1, 2, 9];

fn main() -> io::Result<()> {
    headers()?;
    frames()?;
    requests()?;
    responses()?;
    events()?;
    masks()?;
    texts()?;
    inflated()?;
    deflated()?;
    stories()
}

fn seed(target: &str, name: &str, parts: &[&[u8]]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), parts.concat())
}

fn headers() -> io::Result<()> {
    let from_client = 0;
    let from_server = 1;
    let inside = 2;
    let no_limit = u64::MAX;
    let vectors: &[(&str, u8, u64, &[u8])] = &[
        (
            "text_masked",
            from_client,
            no_limit,
            b"\x81\x85\x37\xfa\x21\x3d",
        ),
        ("text_unmasked", from_server, no_limit, b"\x81\x05"),
        ("missing_mask", from_client, no_limit, b"\x81\x05"),
        (
            "unexpected_mask",
            from_server,
            no_limit,
            b"\x81\x85\x37\xfa\x21\x3d",
        ),
        ("continuation", from_server | inside, no_limit, b"\x80\x05"),
        (
            "unexpected_continuation",
            from_server,
            no_limit,
            b"\x80\x05",
        ),
        (
            "expected_continuation",
            from_server | inside,
            no_limit,
            b"\x82\x05",
        ),
        ("close", from_server, no_limit, b"\x88\x02"),
        (
            "ping_inside",
            from_client | inside,
            no_limit,
            b"\x89\x80\x37\xfa\x21\x3d",
        ),
        ("pong_125", from_server, no_limit, b"\x8a\x7d"),
        ("ping_too_long", from_server, no_limit, b"\x89\x7e\x00\x7e"),
        ("ping_fragmented", from_server, no_limit, b"\x09\x00"),
        ("reserved_opcode", from_server, no_limit, b"\x83\x00"),
        ("rsv1_owned", from_server | RSV1, no_limit, b"\xc1\x00"),
        ("rsv1_foreign", from_server, no_limit, b"\xc1\x00"),
        (
            "rsv3_owned_but_not_rsv2",
            from_server | 0x10,
            no_limit,
            b"\xb1\x00",
        ),
        ("len_126", from_server, no_limit, b"\x82\x7e\x00\x7e"),
        (
            "len_126_not_minimal",
            from_server,
            no_limit,
            b"\x82\x7e\x00\x7d",
        ),
        (
            "len_65535",
            from_client,
            65_535,
            b"\x82\xfe\xff\xff\x37\xfa\x21\x3d",
        ),
        (
            "len_65536",
            from_client,
            65_536,
            b"\x82\xff\0\0\0\0\0\x01\0\0\x37\xfa\x21\x3d",
        ),
        (
            "len_65536_not_minimal",
            from_server,
            no_limit,
            b"\x82\x7f\0\0\0\0\0\0\xff\xff",
        ),
        (
            "len_2_63",
            from_server,
            no_limit,
            b"\x82\x7f\x80\0\0\0\0\0\0\0",
        ),
        (
            "len_2_63_less_1",
            from_server,
            no_limit,
            b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",
        ),
        ("at_limit", from_server, 1000, b"\x82\x7e\x03\xe8"),
        ("over_limit", from_server, 1000, b"\x82\x7e\x03\xe9"),
        (
            "over_limit_long",
            from_server,
            70_000,
            b"\x02\x7f\0\0\0\0\0\x01\x11\x71",
        ),
        ("limit_below_form", from_server, 10, b"\x82\x7e\x00\x7e"),
        ("limit_0_control", from_server, 0, b"\x89\x14"),
    ];
    for (name, flags, limit, wire) in vectors {
        seed("header", name, &[&[*flags], &limit.to_be_bytes(), wire])?;
    }
    Ok(())
}

/// An event of `roundtrip`, see there.
type Record = [u8; 4];

/// A frame: its first byte and its payload.
type Frame<'a> = (u8, &'a [u8]);

fn frames() -> io::Result<()> {
    let long = [0x61; 126];
    let medium = [0x62; 301];
    let vectors: &[(&str, u8, &[Frame<'_>])] = &[
        (
            "hello",
            0,
            &[(FIN | TEXT, b"Hello"), (FIN | BINARY, b"\x00\xff")],
        ),
        (
            "empty",
            0,
            &[(FIN | TEXT, b""), (FIN | BINARY, b""), (FIN | PING, b"")],
        ),
        (
            "fragmented",
            0,
            &[
                (TEXT, b"Hel"),
                (FIN | PING, b"1"),
                (CONTINUATION, b""),
                (FIN | PONG, b"2"),
                (FIN | CONTINUATION, b"lo"),
                (FIN | CLOSE, b"\x03\xe8"),
            ],
        ),
        (
            "close_inside",
            0,
            &[
                (BINARY, b"1"),
                (FIN | CLOSE, b""),
                (FIN | CONTINUATION, b"2"),
            ],
        ),
        ("utf8", 0, &[(FIN | TEXT, "κόσμε 日本 😀".as_bytes())]),
        (
            "utf8_split",
            0,
            &[
                (TEXT, b"\xce\xba\xf0\x9f"),
                (FIN | CONTINUATION, b"\x98\x80"),
            ],
        ),
        ("utf8_bad", 0, &[(FIN | TEXT, b"ok \xed\xa0\x80")]),
        (
            "utf8_bad_early",
            0,
            &[(TEXT, b"\xf4\x90"), (FIN | CONTINUATION, b"\x80\x80")],
        ),
        (
            "utf8_unfinished",
            0,
            &[(TEXT, b"\xe2\x82"), (FIN | CONTINUATION, b"")],
        ),
        (
            "close_reason",
            0,
            &[
                (FIN | CLOSE, b"\x0f\xa0bye \xe2\x82\xac"),
                (FIN | TEXT, b"late"),
            ],
        ),
        ("close_1_byte", 0, &[(FIN | CLOSE, b"\x03")]),
        ("close_1005", 0, &[(FIN | CLOSE, b"\x03\xed")]),
        ("close_1014", 0, &[(FIN | CLOSE, b"\x03\xf6")]),
        ("close_bad_reason", 0, &[(FIN | CLOSE, b"\x03\xe8\xff")]),
        (
            "control_125",
            0,
            &[(FIN | PING, &long[1..]), (FIN | PONG, &long[1..])],
        ),
        ("control_126", 0, &[(FIN | PING, &long)]),
        ("control_fragmented", 0, &[(PING, b"1")]),
        (
            "reserved_opcode",
            0,
            &[(FIN | TEXT, b"a"), (FIN | 0xb, b"")],
        ),
        ("rsv1", 0, &[(FIN | RSV1 | TEXT, b"a")]),
        (
            "rsv1_owned",
            4,
            &[(RSV1 | TEXT, b"a"), (FIN | CONTINUATION, b"b")],
        ),
        ("unexpected_continuation", 0, &[(FIN | CONTINUATION, b"a")]),
        (
            "expected_continuation",
            0,
            &[(BINARY, b"a"), (FIN | BINARY, b"b")],
        ),
        ("len_126", 0, &[(FIN | BINARY, &long)]),
        ("frame_limit", 4 | 2, &[(FIN | BINARY, &long)]),
        (
            "message_limit",
            2,
            &[(TEXT, &medium[1..]), (FIN | CONTINUATION, &medium[300..])],
        ),
        (
            "fragments_limit",
            8,
            &[(TEXT, b""), (0, b""), (0, b""), (FIN, b"")],
        ),
    ];
    // Each vector for one role here and for the other there.
    let targets = ["receive", "frame_codec"];
    for (i, (name, flags, frames)) in vectors.iter().enumerate() {
        let key = Some(i / 2 % 2 == 0);
        for (prefix, target, role, key) in [
            (SERVER, targets[i % 2], "server", key),
            (CLIENT, targets[(i + 1) % 2], "client", None),
        ] {
            let mut wire = vec![prefix[0] | flags, prefix[1], prefix[2]];
            for (first, payload) in *frames {
                frame(&mut wire, *first, payload, key);
            }
            seed(target, &format!("{role}_{name}"), &[&wire])?;
        }
    }
    let claims: &[(&str, u8, &[u8])] = &[
        ("claims_65535", 0, b"\x82\x7e\xff\xffabc"),
        ("claims_65536", 0, b"\x82\x7f\0\0\0\0\0\x01\0\0abc"),
        ("claims_2_62", 16 | 8, b"\x81\x7f\x40\0\0\0\0\0\0\0abc"),
        ("claims_2_63", 16 | 8, b"\x81\x7f\x80\0\0\0\0\0\0\0abc"),
        ("claims_too_much", 0, b"\x81\x7f\0\0\0\0\0\x10\0\x01abc"),
        ("not_minimal", 0, b"\x81\x7e\0\x05Hello"),
        ("half_a_header", 0, b"\x81\x02ok\x82\x7f\0\0\0\0"),
        ("masked", 0, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"),
    ];
    for (name, flags, wire) in claims {
        for target in targets {
            seed(target, name, &[&[*flags, 1, 3], wire])?;
        }
    }
    Ok(())
}

/// Appends a frame, masked when there is a key: the one that changes nothing, or another.
#[expect(clippy::cast_possible_truncation, reason = "payloads are short")]
fn frame(wire: &mut Vec<u8>, first: u8, payload: &[u8], changes: Option<bool>) {
    let mask = if changes.is_some() { 0x80 } else { 0 };
    match payload.len() {
        len @ ..=125 => wire.extend([first, mask | len as u8]),
        len => wire.extend([first, mask | 126, (len >> 8) as u8, len as u8]),
    }
    let key = changes.map(|changes| {
        if changes {
            [0x37, 0xfa, 0x21, 0x3d]
        } else {
            [0; 4]
        }
    });
    wire.extend(key.iter().flatten());
    let key = key.unwrap_or_default();
    wire.extend(
        payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
}

const REQUEST: &str = "GET /chat?a=b HTTP/1.1\r\n\
    Host: server.example.com\r\n\
    Upgrade: websocket\r\n\
    Connection: keep-alive, Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\
    \r\n";

fn requests() -> io::Result<()> {
    let with = |line: &str| REQUEST.replace("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"));
    let instead = |old: &str, new: &str| REQUEST.replace(old, new);
    let vectors = [
        ("valid", 0, REQUEST.to_owned()),
        (
            "valid_lower_case",
            0,
            REQUEST
                .to_lowercase()
                .replace("get", "GET")
                .replace("http", "HTTP"),
        ),
        ("with_frames_behind", 0, format!("{REQUEST}\u{1}\u{2}")),
        (
            "subprotocols",
            4,
            with("Sec-WebSocket-Protocol: chat, superchat"),
        ),
        (
            "subprotocol_twice",
            4,
            with("Sec-WebSocket-Protocol: chat, chat"),
        ),
        (
            "origin_of_same_host",
            0,
            with("Origin: http://server.example.com"),
        ),
        ("origin_other", 0, with("Origin: http://evil.example\t")),
        ("origin_listed", 16, with("Origin: https://example.com:443")),
        ("origin_null", 16, with("Origin: null")),
        (
            "host_served",
            8,
            instead("server.example.com", "SERVER.example.com:80"),
        ),
        (
            "host_not_served",
            8,
            instead("server.example.com", "example.com"),
        ),
        ("host_ipv6", 8, instead("server.example.com", "[::1]:8080")),
        (
            "host_missing",
            0,
            instead("Host: server.example.com\r\n", ""),
        ),
        ("host_twice", 0, with("Host: server.example.com")),
        (
            "absolute_form",
            0,
            instead("/chat", "http://server.example.com:80/chat"),
        ),
        (
            "absolute_form_without_path",
            0,
            instead("/chat?a=b", "http://server.example.com?a=b"),
        ),
        (
            "absolute_form_mismatch",
            0,
            instead("/chat", "http://user:secret@example.com/chat"),
        ),
        ("fragment", 0, instead("?a=b", "#fragment")),
        ("asterisk", 0, instead("/chat?a=b", "*")),
        ("post", 0, instead("GET", "POST")),
        ("http_1_0", 0, instead("HTTP/1.1", "HTTP/1.0")),
        (
            "not_an_upgrade",
            0,
            instead("keep-alive, Upgrade", "keep-alive"),
        ),
        ("upgrade_to_h2c", 0, instead("websocket", "h2c")),
        ("upgrade_list", 0, instead("websocket", "h2c/1, ,WebSocket")),
        ("version_8", 0, instead("Version: 13", "Version: 8")),
        (
            "key_short",
            0,
            instead("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="),
        ),
        (
            "key_twice",
            0,
            with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
        ),
        ("body", 0, with("Content-Length: 0")),
        ("chunked", 0, with("Transfer-Encoding: chunked")),
        ("folded", 0, with("X-Folded: a\r\n b")),
        ("bare_lf", 0, instead("HTTP/1.1\r\n", "HTTP/1.1\n")),
        ("bare_cr", 0, with("X: a\rb")),
        ("nul", 0, with("X: a\0b")),
        ("escape", 0, instead("websocket", "\u{1b}[31m\u{e9}")),
        ("space_before_colon", 0, with("X : a")),
        ("leading_blank_line", 0, format!("\r\n{REQUEST}")),
        ("too_large", 1, with(&format!("X: {}", "x".repeat(300)))),
        ("too_many_headers", 2, with("A: 1")),
        ("unfinished", 0, instead("\r\n\r\n", "\r\n")),
    ];
    for (name, flags, wire) in vectors {
        seed("request", name, &[&[flags], wire.as_bytes()])?;
    }
    Ok(())
}

const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    \r\n";

fn responses() -> io::Result<()> {
    let with = |line: &str| RESPONSE.replace("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"));
    let instead = |old: &str, new: &str| RESPONSE.replace(old, new);
    let refusal = |head: &str, body: &str| format!("HTTP/1.1 {head}\r\n\r\n{body}");
    let vectors = [
        ("valid", 0, RESPONSE.to_owned()),
        (
            "with_frames_behind",
            0,
            format!("{RESPONSE}\u{1}\u{5}Hello"),
        ),
        ("no_reason", 0, instead(" Switching Protocols", "")),
        ("http_1_0", 0, instead("HTTP/1.1", "HTTP/1.0")),
        ("accept_wrong", 0, instead("s3pP", "S3pP")),
        ("accept_missing", 0, instead("Sec-WebSocket-Accept", "X")),
        (
            "accept_twice",
            0,
            with("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ),
        ("upgrade_list", 0, instead("websocket", "websocket, h2c")),
        (
            "connection_missing",
            0,
            instead("Connection: Upgrade\r\n", ""),
        ),
        ("subprotocol", 0, with("Sec-WebSocket-Protocol: superchat")),
        (
            "subprotocol_not_offered",
            0,
            with("Sec-WebSocket-Protocol: Chat"),
        ),
        (
            "subprotocol_twice",
            0,
            with("Sec-WebSocket-Protocol: chat\r\nsec-websocket-protocol: chat"),
        ),
        (
            "extension",
            0,
            with("Sec-WebSocket-Extensions: permessage-deflate"),
        ),
        ("body_not_allowed", 0, with("Content-Length: 0")),
        ("folded", 0, with("X: a\r\n\tb")),
        ("escape", 0, instead("websocket", "\u{1b}[31m\u{e9}")),
        ("too_large", 1, with(&format!("X: {}", "x".repeat(300)))),
        ("too_many_headers", 2, with("A: 1\r\nB: 2\r\nC: 3")),
        (
            "interim",
            0,
            refusal("103 Early Hints\r\nLink: </a>", RESPONSE),
        ),
        (
            "length",
            0,
            refusal("403 Forbidden\r\nContent-Length: 5", "Hello, too long"),
        ),
        (
            "length_short",
            0,
            refusal("403 Forbidden\r\nContent-Length: 50", "Hello"),
        ),
        (
            "length_malformed",
            0,
            refusal("403 Forbidden\r\nContent-Length: 5x", "Hello"),
        ),
        (
            "length_twice",
            0,
            refusal("403 No\r\nContent-Length: 5\r\nContent-Length: 5", "Hello"),
        ),
        (
            "length_over_limit",
            0,
            refusal("500 \r\nContent-Length: 120", &"x".repeat(120)),
        ),
        ("until_eof", 0, refusal("502 Bad Gateway", "Hello")),
        (
            "until_eof_over_limit",
            0,
            refusal("502 Bad Gateway", &"x".repeat(120)),
        ),
        ("no_content", 0, refusal("204 No Content", "not a body")),
        (
            "chunked",
            0,
            refusal(
                "401 Unauthorized\r\nTransfer-Encoding: chunked",
                "5;a=\"b\"\r\nHello\r\nA\r\n, 10 bytes\r\n0\r\nTrailer: x\r\n\r\nbehind",
            ),
        ),
        (
            "chunked_malformed",
            0,
            refusal(
                "401 Unauthorized\r\nTransfer-Encoding: chunked",
                "5\r\nHelloX\r\n",
            ),
        ),
        (
            "chunked_huge",
            0,
            refusal(
                "401 Unauthorized\r\nTransfer-Encoding: chunked",
                "ffffffffffffffff\r\nHello",
            ),
        ),
        (
            "gzip_chunked",
            0,
            refusal(
                "401 Unauthorized\r\nTransfer-Encoding: gzip, chunked",
                "5\r\nHello\r\n",
            ),
        ),
    ];
    for (name, flags, wire) in vectors {
        seed("response", name, &[&[flags, 0, 4], wire.as_bytes()])?;
    }
    Ok(())
}

fn events() -> io::Result<()> {
    let whole = [0, 0];
    let text = |alphabet: u8, len: u32| record(alphabet << 3, len);
    let binary = |len| record(2, len);
    let ping = |len| record(4, len);
    let pong = |len| record(5, len);
    let close = |code: u16, len: u8| {
        let [high, low] = code.to_be_bytes();
        [6, high, low, len]
    };
    let vectors: &[(&str, u8, [u8; 2], &[Record])] = &[
        (
            "short_forms",
            0,
            whole,
            &[binary(0), binary(1), binary(125)],
        ),
        (
            "medium_forms",
            0,
            whole,
            &[binary(126), text(0, 127), binary(65_535)],
        ),
        ("long_forms", 0, whole, &[binary(65_536), text(3, 65_537)]),
        (
            "alphabets",
            0,
            whole,
            &[
                text(0, 50),
                text(1, 51),
                text(2, 52),
                text(3, 53),
                text(3, 54),
            ],
        ),
        (
            "fragments_of_1",
            0,
            [0, 1],
            &[text(3, 40), ping(3), binary(5)],
        ),
        (
            "fragments_of_3",
            0,
            [0, 3],
            &[text(2, 100), pong(0), text(3, 99)],
        ),
        (
            "fragments_of_125",
            0,
            [0, 125],
            &[binary(125), binary(126), binary(250), text(1, 251)],
        ),
        ("fragments_of_126", 0, [0, 126], &[text(3, 1000)]),
        (
            "fragments_of_65535",
            0,
            [255, 255],
            &[binary(65_535), text(2, 65_536)],
        ),
        (
            "controls",
            0,
            whole,
            &[ping(0), ping(125), ping(126), pong(0), pong(125), pong(127)],
        ),
        ("close_empty", 0, whole, &[binary(3), record(7, 0)]),
        ("close_reason_123", 0, whole, &[close(1000, 123)]),
        ("close_reason_124", 0, whole, &[close(1000, 124), binary(1)]),
        ("close_1005", 0, whole, &[close(1005, 0), binary(1)]),
        (
            "after_close",
            0,
            whole,
            &[
                close(4999, 9),
                text(0, 5),
                ping(1),
                pong(1),
                close(1000, 0),
                record(7, 0),
            ],
        ),
        (
            "outgoing_limit",
            2,
            whole,
            &[binary(1000), text(2, 1001), binary(999), ping(5)],
        ),
        ("nothing", 0, whole, &[]),
    ];
    for (name, flags, frame_size, records) in vectors {
        for (role, flag) in [("client", 0), ("server", 1)] {
            let prefix = [flags | flag, frame_size[0], frame_size[1], 3, 200];
            let name = format!("{role}_{name}");
            seed("roundtrip", &name, &[&prefix, records.as_flattened()])?;
        }
    }
    Ok(())
}

fn record(kind: u8, len: u32) -> Record {
    let [_, a, b, c] = len.to_be_bytes();
    [kind, a, b, c]
}

/// What fills a payload before and after its pattern, as the input's byte has it.
const ASCII: u8 = 0;
const JSON: u8 = 1 << 3;
const GREEK: u8 = 2 << 3;
const MIXED: u8 = 3 << 3;

/// Name, kind of filler, its lengths before and after the pattern, lengths of pieces, pattern.
type Kernel = (&'static str, u8, [u16; 2], [u16; 3], &'static [u8]);

fn masks() -> io::Result<()> {
    let whole = [0xffff; 3];
    // By length: around what kernels read at once, their groups, and where they begin to align.
    for len in [
        0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257,
        511, 767, 1023, 1024, 1025, 1087, 2047, 2559,
    ] {
        kernel(
            "mask",
            &format!("len_{len:04}"),
            ASCII,
            [&[len, 0], &whole],
            b"",
        )?;
    }
    let vectors: &[Kernel] = &[
        (
            "repeated",
            7,
            [0, 0],
            whole,
            b"0123456789abcdefghijklmnopqrstuvwxyz!",
        ),
        ("longest", MIXED, [2559, 2559], whole, b"pattern"),
        ("pieces_of_1", JSON, [40, 0], [1, 1, 1], b""),
        ("pieces_of_3", JSON, [300, 0], [3, 3, 3], b""),
        ("pieces_none_5_64", GREEK, [1200, 300], [0, 5, 64], b""),
        (
            "pieces_63_257_1025",
            MIXED,
            [2500, 2500],
            [63, 257, 1025],
            b"",
        ),
    ];
    for (name, kind, fillers, pieces, pattern) in vectors {
        kernel("mask", name, *kind, [fillers, pieces], pattern)?;
    }
    Ok(())
}

fn texts() -> io::Result<()> {
    let whole = [0xffff; 3];
    let vectors: &[Kernel] = &[
        ("empty", ASCII, [0, 0], whole, b""),
        ("ascii", ASCII, [2000, 2000], whole, b""),
        ("ascii_by_1", ASCII, [20, 0], [1, 1, 1], b""),
        ("json", JSON, [1000, 1000], [125, 126, 1025], b""),
        ("greek", GREEK, [1500, 0], [1, 64, 1100], b""),
        ("mixed", MIXED, [2500, 2500], [3, 255, 1033], b""),
        ("mixed_by_1", MIXED, [24, 0], [1, 1, 1], b""),
        ("mixed_by_0_1_2", MIXED, [30, 0], [0, 1, 2], b""),
        ("end_of_2", ASCII, [126, 63], whole, b"\xdf\xbf"),
        ("end_of_3", GREEK, [253, 258], whole, b"\xed\x9f\xbf"),
        ("end_of_4", MIXED, [1021, 1100], whole, b"\xf4\x8f\xbf\xbf"),
        ("unfinished_2", ASCII, [63, 0], whole, b"\xc2"),
        ("unfinished_3", JSON, [255, 0], whole, b"\xe0\xa0"),
        ("unfinished_4", GREEK, [1023, 0], whole, b"\xf0\x90\x80"),
        (
            "carry_1_of_4",
            ASCII,
            [0, 1200],
            [1, 1100, 0],
            b"\xf0\x90\x80\x80",
        ),
        (
            "carry_2_of_4",
            ASCII,
            [0, 1300],
            [2, 1200, 0],
            b"\xf0\x90\x80\x80",
        ),
        (
            "carry_3_of_4",
            MIXED,
            [0, 1400],
            [3, 1300, 0],
            b"\xf4\x8f\xbf\xbf",
        ),
        (
            "carry_2_of_3",
            GREEK,
            [64, 2000],
            [66, 1100, 7],
            b"\xe0\xa0\x80",
        ),
        (
            "carry_1_of_2",
            ASCII,
            [256, 700],
            [257, 256, 3],
            b"\xc2\x80",
        ),
        (
            "carry_then_ascii",
            ASCII,
            [0, 1100],
            [2, 0, 2000],
            b"\xe2\x82",
        ),
        (
            "carry_3_then_ascii",
            JSON,
            [61, 70],
            [64, 64, 64],
            b"\xf0\x9f\x98",
        ),
        (
            "unfinished_before_ascii_group",
            ASCII,
            [255, 600],
            whole,
            b"\xc2",
        ),
        ("lone_continuation", ASCII, [64, 64], whole, b"\x80"),
        (
            "lone_continuation_first",
            ASCII,
            [0, 1100],
            [0, 1, 64],
            b"\xbf",
        ),
        (
            "one_continuation_too_many",
            MIXED,
            [64, 64],
            [65, 1, 64],
            b"\xc2\x80\x80",
        ),
        ("c0_last", ASCII, [63, 0], whole, b"\xc0"),
        (
            "c1_before_cut",
            ASCII,
            [127, 64],
            [128, 64, 64],
            b"\xc1\xbf",
        ),
        ("f5_last", GREEK, [255, 0], whole, b"\xf5"),
        ("ff_last", MIXED, [1023, 0], whole, b"\xff"),
        ("overlong_3", ASCII, [31, 31], whole, b"\xe0\x9f\xbf"),
        (
            "overlong_3_cut",
            ASCII,
            [0, 1100],
            [1, 1024, 1],
            b"\xe0\x9f\xbf",
        ),
        (
            "overlong_4",
            JSON,
            [254, 40],
            [255, 1, 40],
            b"\xf0\x8f\xbf\xbf",
        ),
        ("surrogate", GREEK, [62, 62], whole, b"\xed\xa0\x80"),
        (
            "surrogate_cut",
            ASCII,
            [15, 1100],
            [16, 1050, 16],
            b"\xed\xbf\xbf",
        ),
        (
            "above_10ffff",
            MIXED,
            [511, 511],
            whole,
            b"\xf4\x90\x80\x80",
        ),
        (
            "above_10ffff_cut",
            ASCII,
            [31, 300],
            [32, 256, 16],
            b"\xf4\x90\x80\x80",
        ),
        ("f5", ASCII, [191, 64], whole, b"\xf5\x80\x80\x80"),
        (
            "repeated_4",
            7,
            [1, 1],
            [127, 5, 1025],
            "\u{1f600}\u{10ffff}".as_bytes(),
        ),
        (
            "repeated_3",
            GREEK | 7,
            [5, 0],
            [64, 1, 1100],
            "\u{800}\u{ffff}z".as_bytes(),
        ),
        (
            "repeated_2",
            JSON | 7,
            [0, 9],
            [2559, 1, 1],
            "\u{80}\u{7ff}".as_bytes(),
        ),
    ];
    for (name, kind, fillers, pieces, pattern) in vectors {
        kernel("utf8", name, *kind, [fillers, pieces], pattern)?;
    }
    Ok(())
}

/// A seed for the byte kernels: a kind of filler, how much of it before and after the pattern, the
/// lengths of pieces, and the pattern. Where the bytes lie follows from the name.
fn kernel(
    target: &str,
    name: &str,
    kind: u8,
    [fillers, pieces]: [&[u16]; 2],
    pattern: &[u8],
) -> io::Result<()> {
    let from = name.bytes().fold(0, u8::wrapping_add);
    let mut prefix = vec![from, from.wrapping_mul(5), kind, 0x37, 0xfa, 0x21, 0x3d];
    prefix.extend(
        [fillers, pieces]
            .concat()
            .iter()
            .flat_map(|len| len.to_be_bytes()),
    );
    seed(target, name, &[&prefix, pattern])
}

/// Kinds of the records of `inflate`: whether it is not text, not compressed, not the last frame of a
/// message, or a continuation with RSV1; and a ping before it.
const AS_BINARY: u8 = 1;
const PLAIN: u8 = 2;
const MORE: u8 = 4;
const MARKED: u8 = 8;
const PINGED: u8 = 16;

/// Payloads of RFC 7692 §7.2.3: a block, one that refers to it, two that are last of their streams, one
/// that is not compressed, and nothing.
const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
const HELLO_AGAIN: &[u8] = b"\xf2\x00\x11\x00\x00";
const HELLO_LAST: &[u8] = b"\xf3\x48\xcd\xc9\xc9\x07\x00";
const HELLO_STORED: &[u8] = b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00";
const NOTHING: &[u8] = b"\x00";

/// A block with codes of its own.
const DYNAMIC: &[u8] = b"\x04\xc1\x01\x01\x00\x30\x0c\xc3\x20\xad\xa4\xbb\x7f\x0b\x07\x54\x31\x32\
    \x0e\x31\xca\x84\x3c\x44\x46\x42\x15\x23\xe3\x10\xa3\x4c\xc8\x43\x64\xa4\x0f";

/// Zeros: 3,000 of them.
const ZEROS: &[u8] =
    b"\xec\xc1\x31\x01\x00\x00\x00\xc2\xa0\xf5\x4f\x6d\x0d\x0f\xa0\x00\x00\x80\x77\x03";

/// Two messages, the second of which refers to the first.
const WORLD: &[u8] =
    b"\xf2\x48\xcd\xc9\xc9\xd7\x51\x48\xce\xcf\x2d\x28\x4a\x2d\x2e\x4e\x4d\x51\x28\xcf\
    \x2f\xca\x49\x01\x00";
const MOON: &[u8] = b"\xf2\xc0\x10\xce\xcd\xcf\xcf\x03\x00";

fn inflated() -> io::Result<()> {
    let no_takeover = 32 | 64;
    let vectors: &[(&str, u8, u8, &[Frame<'_>])] = &[
        ("hello", 0, 0x88, &[(0, HELLO), (AS_BINARY, HELLO_AGAIN)]),
        (
            "hello_by_itself",
            no_takeover,
            0x88,
            &[(0, HELLO), (0, HELLO)],
        ),
        (
            "nothing_to_refer_to",
            no_takeover,
            0x88,
            &[(0, HELLO), (0, HELLO_AGAIN)],
        ),
        (
            "fragments",
            0,
            0x77,
            &[
                (MORE, &HELLO[..3]),
                (MORE | PINGED, b""),
                (0, &HELLO[3..]),
                (MORE, b""),
                (0, HELLO_AGAIN),
            ],
        ),
        (
            "marked_twice",
            0,
            0x88,
            &[(MORE, &HELLO[..3]), (MARKED, &HELLO[3..])],
        ),
        (
            "plain_between",
            0,
            0,
            &[
                (0, WORLD),
                (PLAIN, b"Hello, plain"),
                (0, MOON),
                (0, NOTHING),
            ],
        ),
        (
            "last",
            0,
            0x88,
            &[
                (0, HELLO_LAST),
                (0, HELLO_AGAIN),
                (0, b"\x01"),
                (0, NOTHING),
                (0, HELLO),
            ],
        ),
        (
            "last_then_another",
            0,
            0x88,
            &[(MORE, HELLO_LAST), (0, HELLO_AGAIN), (0, HELLO_LAST)],
        ),
        ("stored", 0, 0x11, &[(0, HELLO_STORED), (0, HELLO_AGAIN)]),
        ("dynamic", 0, 0x88, &[(0, DYNAMIC), (AS_BINARY, DYNAMIC)]),
        (
            "no_bytes",
            0,
            0x88,
            &[(0, b""), (0, HELLO), (0, b""), (0, HELLO_AGAIN)],
        ),
        ("with_its_tail", 0, 0x88, &[(0, b"\0\0\0\xff\xff")]),
        ("incomplete", 0, 0x88, &[(0, &HELLO[..5])]),
        ("incomplete_stored", 0, 0x88, &[(0, &HELLO_STORED[..7])]),
        ("block_of_no_type", 0, 0x88, &[(0, b"\x06")]),
        ("beyond_start", 0, 0x88, &[(0, HELLO_AGAIN)]),
        (
            "start_of_window",
            0,
            0,
            &[(0, b"\x4a\x4a\x1c\xd9\x00\x00"), (0, b"\x02\xfa\x1f\0")],
        ),
        (
            "beyond_window",
            0,
            0,
            &[(AS_BINARY, ZEROS), (0, b"\x02\x61\x16\0")],
        ),
        ("zeros", 0, 0x88, &[(AS_BINARY, ZEROS), (AS_BINARY, ZEROS)]),
        (
            "message_limit",
            2,
            0x88,
            &[(0, DYNAMIC), (AS_BINARY, ZEROS)],
        ),
        ("frame_limit", 4, 0x88, &[(0, HELLO), (PLAIN, &[b'a'; 101])]),
        (
            "fragments_limit",
            8,
            0x88,
            &[(MORE, b""), (MORE, b""), (MORE, b""), (0, HELLO)],
        ),
        ("ratio", 16, 0x88, &[(0, DYNAMIC), (AS_BINARY, ZEROS)]),
        (
            "utf8_bad",
            0,
            0x88,
            &[(0, b"\xca\xcf\x56\x78\xbb\xa0\xc1\xde\xde\x1e\0")],
        ),
        (
            "utf8_bad_then_damaged",
            0,
            0x88,
            &[(0, b"\0\x02\0\xfd\xff\xff\xff\x07")],
        ),
        (
            "utf8_bad_then_long",
            2,
            0x88,
            &[(MORE, b"\0\x01\0\xfe\xff\xff"), (0, ZEROS)],
        ),
        (
            "utf8_split",
            0,
            0x88,
            &[
                (MORE, b"\0\x01\0\xfe\xff\xce"),
                (0, b"\0\x01\0\xfe\xff\xba\0"),
            ],
        ),
    ];
    for (name, flags, bits, frames) in vectors {
        for (role, flag) in [("client", 0), ("server", 1)] {
            let mut records = vec![flags | flag, *bits, 0, 5];
            for (kind, payload) in *frames {
                records.extend([*kind, payload.len().to_le_bytes()[0]]);
                records.extend_from_slice(payload);
            }
            seed("inflate", &format!("{role}_{name}"), &[&records])?;
        }
    }
    let wire = 128;
    let mut frames = Vec::new();
    frame(&mut frames, FIN | RSV1 | TEXT, HELLO, None);
    frame(&mut frames, FIN | PING, b"1", None);
    frame(&mut frames, FIN | RSV1 | BINARY, HELLO_AGAIN, None);
    seed("inflate", "client_wire", &[&[wire, 0x88, 2, 3], &frames])?;
    frame(&mut frames, FIN | RSV1 | PING, b"2", None);
    seed(
        "inflate",
        "client_wire_ping_marked",
        &[&[wire, 0x88, 2, 3], &frames],
    )
}

/// Name, flags, window bits, frame size, records of `deflate_roundtrip`.
type Deflated<'a> = (&'a str, u8, u8, [u8; 2], &'a [Record]);

fn deflated() -> io::Result<()> {
    let no_takeover = 2 | 4;
    let whole = [0, 0];
    let binary = 1;
    let always = 4;
    let never = 6;
    let tidied = 16;
    // Noise that comes again after so many bytes, or a few more.
    let [after_250, after_500, after_16000, after_32300] = [3, 4, 6, 7].map(|period| period << 5);
    let (noise, small, large) = (2 << 5, 300, 40_000);
    let again = |kind| {
        [
            record(kind, 900),
            record(kind, 900),
            record(kind | tidied, 900),
        ]
    };
    let vectors: &[Deflated<'_>] = &[
        ("text", 0, 0x88, whole, &again(always)),
        ("text_by_itself", no_takeover, 0x88, whole, &again(always)),
        ("text_in_fragments", 0, 0x88, [0, 100], &again(always)),
        (
            "fragments_of_1",
            0,
            0x88,
            [0, 1],
            &[record(always, 40), record(0, 40)],
        ),
        (
            "short_fragments",
            0,
            0x88,
            [0, 4],
            &[record(always, 1), record(always, 2048)],
        ),
        (
            "fragments_by_themselves",
            no_takeover,
            0x88,
            [0, 7],
            &again(binary | noise),
        ),
        (
            "threshold",
            31 << 3,
            0x88,
            whole,
            &[record(0, 495), record(0, 496), record(0, 495)],
        ),
        (
            "never",
            0,
            0x88,
            whole,
            &[record(always, 300), record(never, 300), record(always, 300)],
        ),
        (
            "none",
            0,
            0x88,
            whole,
            &[record(always, 0), record(never, 0), record(always | 1, 0)],
        ),
        (
            "none_by_itself",
            no_takeover,
            0x88,
            whole,
            &[record(always, 0), record(always, 1)],
        ),
        (
            "noise",
            0,
            0x88,
            whole,
            &[record(binary | always | noise, small); 3],
        ),
        (
            "noise_large",
            0,
            0x88,
            whole,
            &[record(binary | noise, large)],
        ),
        (
            "noise_by_itself",
            no_takeover,
            0x88,
            whole,
            &[record(binary | always | noise, small); 2],
        ),
        (
            "window_8",
            0,
            0x00,
            whole,
            &[record(binary | after_250, 5000)],
        ),
        (
            "window_9",
            0,
            0x11,
            whole,
            &[record(binary | after_500, 5000)],
        ),
        (
            "window_14",
            0,
            0x66,
            whole,
            &[record(binary | after_16000, large)],
        ),
        (
            "window_15",
            0,
            0x77,
            whole,
            &[record(binary | after_32300, 100_000)],
        ),
    ];
    for (i, (name, flags, bits, frame_size, records)) in (0u8..).zip(vectors) {
        for (role, flag) in [("client", 0), ("server", 1)] {
            let level = [0x68, 0x11, 0x99, 0x34][usize::from(i % 4)];
            let prefix = [
                flags | flag,
                *bits,
                level,
                frame_size[0],
                frame_size[1],
                3,
                200,
            ];
            let name = format!("{role}_{name}");
            seed(
                "deflate_roundtrip",
                &name,
                &[&prefix, records.as_flattened()],
            )?;
        }
    }
    Ok(())
}

/// Stories of two endpoints: settings, then operations of a role, a close code, a kind and arguments.
fn stories() -> io::Result<()> {
    const C: u8 = 0;
    const S: u8 = 1;
    let settings =
        |high_water: u8, frame_size: u8, keepalive: u8| [high_water, frame_size, keepalive];
    // A text of fewer than 130 bytes.
    let text = |role, len| vec![role, 0, 0, 1, len];
    let large = |role, which| vec![role, 0, 12, 7, which];
    let ping = |role, len| vec![role, 0, 22, len];
    let pong = |role, len| vec![role, 0, 26, len];
    let all = |role| vec![role, 0, 27];
    let some = |role, len| vec![role, 0, 38, len];
    let half = |role| vec![role, 0, 43];
    let eof = |role| vec![role, 0, 48];
    let seconds = |seconds| vec![C, 0, 54, seconds];
    let lose_ping = |role| vec![role, 0, 58];
    let close = |role, code| vec![role, code, 59];
    let close_within = |role| vec![role, 0, 61];
    let violate = |role, kind| vec![role, 0, 62, kind];
    let cut = |role, len| vec![role, 0, 63, len];
    let stories = [
        (
            "messages",
            settings(3, 0, 0),
            vec![text(C, 9), text(S, 0), all(C), half(S), large(S, 2)],
        ),
        (
            "fragments",
            settings(3, 2, 0),
            vec![text(C, 99), some(C, 7), ping(C, 3), all(C), all(S)],
        ),
        (
            "pings",
            settings(3, 0, 0),
            vec![ping(C, 0), ping(C, 125), pong(C, 9), all(C), all(S)],
        ),
        (
            "held_pong",
            settings(0, 0, 0),
            vec![
                text(S, 50),
                ping(C, 1),
                all(C),
                ping(C, 2),
                all(C),
                all(S),
                all(S),
            ],
        ),
        (
            "close_by_client",
            settings(3, 0, 0),
            vec![text(C, 3), close(C, 0), all(C), all(S), eof(S), eof(C)],
        ),
        (
            "close_by_server",
            settings(3, 0, 0),
            vec![close(S, 3), some(S, 3), text(C, 9), all(S), all(C)],
        ),
        (
            "close_by_both",
            settings(2, 3, 0),
            vec![close(C, 1), close(S, 2), half(C), half(S), all(C), all(S)],
        ),
        (
            "close_within_a_message",
            settings(3, 0, 0),
            vec![text(C, 9), close_within(C), all(C), all(S)],
        ),
        (
            "ping_after_close",
            settings(3, 0, 0),
            vec![close(C, 0), ping(S, 5), all(S), all(C), all(S)],
        ),
        (
            "violations",
            settings(3, 0, 0),
            vec![
                text(C, 9),
                violate(C, 3),
                text(C, 9),
                violate(S, 7),
                all(C),
                all(S),
            ],
        ),
        (
            "violation_after_close",
            settings(3, 0, 0),
            vec![close(C, 0), violate(C, 1), violate(S, 4), all(S), all(C)],
        ),
        (
            "cut",
            settings(3, 0, 0),
            vec![text(C, 99), close(C, 0), cut(C, 50), all(C), eof(C)],
        ),
        (
            "keepalive",
            settings(3, 0, 1),
            vec![
                seconds(20),
                all(C),
                all(S),
                seconds(20),
                all(C),
                all(S),
                seconds(29),
            ],
        ),
        (
            "lost_ping",
            settings(3, 0, 3),
            vec![lose_ping(C), seconds(9), all(C), seconds(29), seconds(29)],
        ),
        (
            "blocked",
            settings(1, 0, 2),
            vec![
                text(S, 99),
                seconds(4),
                text(C, 9),
                all(C),
                seconds(4),
                all(C),
                seconds(29),
            ],
        ),
    ];
    for (name, settings, ops) in stories {
        let len = u8::try_from(ops.len()).expect("a story is short");
        seed("endpoint", name, &[&[len], &settings, &ops.concat()])?;
    }
    Ok(())
}
