//! The server's half of an opening handshake, for contestants without one of their own.

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::BoxError;

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const MAX_HEAD: usize = 16 << 10;

/// Returns the length of the head at the beginning of `bytes`, once it is whole.
pub fn head_len(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(end + 4)
}

/// Returns the answer that belongs to a key (RFC 6455 §4.2.2).
pub fn accept(key: &str) -> String {
    let mut sha1 = sha1_smol::Sha1::new();
    sha1.update(key.as_bytes());
    sha1.update(GUID.as_bytes());
    BASE64_STANDARD.encode(sha1.digest().bytes())
}

/// Returns the value of a header line.
pub fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let lines = str::from_utf8(head).ok()?.split("\r\n");
    lines
        .filter_map(|line| line.split_once(':'))
        .find(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// Returns the response 101 to a request, `None` if it asks for no WebSocket.
pub fn response(head: &[u8]) -> Option<String> {
    let accept = accept(header(head, "sec-websocket-key")?);
    Some(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ))
}

/// Reads a request and answers it. A client that sends more before the answer is refused.
pub async fn accept_on(io: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<(), BoxError> {
    let mut head = Vec::with_capacity(1024);
    let len = loop {
        if let Some(len) = head_len(&head) {
            break len;
        }
        if head.len() > MAX_HEAD || io.read_buf(&mut head).await? == 0 {
            return Err("no request".into());
        }
    };
    if len != head.len() {
        return Err("frames before the answer".into());
    }
    let answer = response(&head).ok_or("no WebSocket request")?;
    io.write_all(answer.as_bytes()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_answer_is_that_of_the_rfc() {
        let answer = super::accept("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
