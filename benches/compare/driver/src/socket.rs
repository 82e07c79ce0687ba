//! A socket of the load: TCP, or TLS over it.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    sync::Arc,
};

use contestant::tls::rustls::{ClientConfig, ClientConnection};

use crate::Outcome;

#[derive(Debug)]
pub struct Socket {
    pub tcp: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Socket {
    /// Performs the handshake of TLS if there is a configuration of it. The socket blocks.
    pub fn open(mut tcp: TcpStream, tls: Option<&Arc<ClientConfig>>) -> Outcome<Self> {
        let Some(config) = tls else {
            return Ok(Self { tcp, tls: None });
        };
        let mut tls = ClientConnection::new(Arc::clone(config), "localhost".try_into()?)?;
        tls.complete_io(&mut tcp)?;
        let tls = Some(tls.into());
        Ok(Self { tcp, tls })
    }

    /// Returns whether bytes that were written wait for the socket. An empty write sends them.
    pub fn has_unsent(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }
}

impl Read for Socket {
    /// Reads until the socket would block, or bytes have arrived. The end of the buffer is for the bytes on the wire. They
    /// complete a record of earlier bytes, so that the plaintext may be longer.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.tcp.read(buffer);
        };
        let (plain, wire) = buffer.split_at_mut(buffer.len() / 4 * 3);
        let mut filled = 0;
        while filled == 0 {
            let read = self.tcp.read(wire)?;
            if read == 0 {
                return Ok(0);
            }
            let mut wire = &wire[..read];
            while !wire.is_empty() {
                tls.read_tls(&mut wire)?;
                tls.process_new_packets().map_err(io::Error::other)?;
                filled += match tls.reader().read(&mut plain[filled..]) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                    read => read?,
                };
            }
        }
        Ok(filled)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.tcp.write(bytes);
        };
        let written = tls.writer().write(bytes)?;
        while tls.wants_write() {
            match tls.write_tls(&mut self.tcp) {
                Err(_) if written > 0 => break,
                sent => sent?,
            };
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
