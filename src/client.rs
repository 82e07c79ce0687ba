//! [`connect`] and [`ClientBuilder`]: opening a connection as a client.

use std::{io, time::Duration};

use bytes::BytesMut;
use http::{Request, Response, StatusCode};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, lookup_host},
    time::{Instant, timeout},
};

use crate::{
    config::Config,
    connection::WebSocket,
    error::{AddressError, Error},
    frame::Role,
    handshake::{
        BodyReader, HandshakeError, Target,
        client::{self, MAX_INTERIM_RESPONSES, Offer},
        head,
    },
    net::{
        Stream,
        opening::{Deadline, deadline, into_websocket, read_head, read_some, with_deadline},
    },
};

/// The maximum number of bytes that are kept of the body of a refusal.
const MAX_REFUSAL: usize = 64 << 10;
/// The time in which the body of a refusal has to arrive, from the end of its head. The body only explains the refusal
/// to people, and may have no end if the server keeps the stream open.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(1);

/// Connects to a `ws://` URI with the default options.
///
/// ```no_run
/// # async fn example() -> Result<(), wsimd::Error> {
/// let mut ws = wsimd::connect("ws://localhost:8765/chat").await?;
/// ws.send("Hello").await?;
/// let answer = ws.recv().await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// As [`ClientBuilder::connect`].
///
/// # Cancel safety
///
/// Dropping the future aborts the handshake and drops the stream.
pub async fn connect(uri: impl AsRef<str>) -> Result<WebSocket<Stream>, Error> {
    ClientBuilder::new().connect(uri).await
}

/// The options of a client.
///
/// ```no_run
/// # async fn example() -> Result<(), wsimd::Error> {
/// use wsimd::{ClientBuilder, Config, Offer};
///
/// let offer = Offer::new()
///     .subprotocols(["chat.v2", "chat.v1"])?
///     .header("authorization", "Bearer abc")?;
/// let ws = ClientBuilder::new()
///     .config(Config::new().max_message_size(16 << 20))
///     .offer(offer)
///     .connect("ws://localhost:8765")
///     .await?;
/// println!("the server chose {:?}", ws.subprotocol());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ClientBuilder {
    config: Config,
    offer: Offer,
}

impl ClientBuilder {
    /// Creates a builder with the default options.
    pub fn new() -> Self {
        Self {
            config: Config::new().with_keepalive(),
            offer: Offer::default(),
        }
    }

    /// Sets the limits and timeouts of the connection, and the extensions that are offered.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config.with_keepalive();
        self
    }

    /// Sets the origin, the subprotocols and the headers of the request. Default: an empty [`Offer`].
    #[must_use]
    pub fn offer(mut self, offer: Offer) -> Self {
        self.offer = offer;
        self
    }

    /// Connects to a `ws://` URI, a `&str` or a `String`, over TCP, within [`Config::open_timeout`].
    ///
    /// # Errors
    ///
    /// - [`Error::Handshake`] if the URI or an option is invalid, or if the server answers with anything but a
    ///   correct 101. [`Error::response`] returns the status and headers of another status, and the part of its
    ///   body that arrives within a second, up to 64 KiB.
    /// - [`Error::Unsupported`] for `wss://`.
    /// - [`Error::Resolve`], [`Error::Connect`], [`Error::ClosedInHandshake`], [`Error::Timeout`] and [`Error::Io`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts the handshake and drops the stream.
    pub async fn connect(&self, uri: impl AsRef<str>) -> Result<WebSocket<Stream>, Error> {
        let target = Target::parse(uri.as_ref())?;
        if target.is_secure() {
            return Err(Error::Unsupported(
                "wss:// needs TLS, which this version of wsimd does not have: \
                 run ClientBuilder::handshake over a TLS stream, as wsimd::guides::tls shows",
            ));
        }
        let deadline = deadline(Role::Client, &self.config);
        let stream = with_deadline(deadline.of_connect(), connect_tcp(&target)).await?;
        let stream = Stream::from(stream);
        let (ws, _) = self.run_handshake(&target, stream, deadline).await?;
        Ok(ws)
    }

    /// Runs the opening handshake over a connected stream, within [`Config::open_timeout`]. Returns the
    /// connection and the response of the server.
    ///
    /// The stream may be of any kind, for example of TLS: the guide on TLS has a program. `wss://` is accepted, and
    /// the scheme only sets the default port in `Host`.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts the handshake and drops the stream.
    pub async fn handshake<S>(
        &self,
        uri: impl AsRef<str>,
        io: S,
    ) -> Result<(WebSocket<S>, Response<()>), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let target = Target::parse(uri.as_ref())?;
        self.run_handshake(&target, io, deadline(Role::Client, &self.config))
            .await
    }

    async fn run_handshake<S>(
        &self,
        target: &Target,
        mut io: S,
        deadline: Deadline,
    ) -> Result<(WebSocket<S>, Response<()>), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let request = client::request(target, &self.offer, &self.config)?;
        let mut input = BytesMut::new();
        let asked = self.ask(&request, &mut io, &mut input);
        let response = with_deadline(deadline, asked).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let mut body = BodyReader::new(&response, MAX_REFUSAL);
            let patience = REFUSAL_PATIENCE.min(deadline.at - Instant::now());
            // Report the refusal even if its body cannot be read to the end.
            let _ = timeout(patience, read_body(&mut io, &mut input, &mut body)).await;
            return Err(HandshakeError::refused(response, body.into_bytes()).into());
        }
        let negotiated = client::verify(&request, &self.config, &response)?;
        let ws = into_websocket(io, Role::Client, &self.config, negotiated, &input);
        Ok((ws, response))
    }

    /// Writes the request and reads the final response. Skips at most [`MAX_INTERIM_RESPONSES`] interim
    /// ones.
    async fn ask<S>(
        &self,
        request: &Request<()>,
        io: &mut S,
        input: &mut BytesMut,
    ) -> Result<Response<()>, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut output = BytesMut::new();
        head::write_request(request, &mut output);
        io.write_all(&output).await?;
        io.flush().await?;
        let parse = |bytes: &[u8]| head::parse_response(bytes, &self.config);
        let mut passed = 0;
        loop {
            let response = read_head(io, Role::Server, input, parse).await?;
            if !client::is_interim(response.status()) || passed == MAX_INTERIM_RESPONSES {
                return Ok(response);
            }
            passed += 1;
        }
    }
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self::new()
    }
}

/// Connects to the first address of the host that accepts a connection.
async fn connect_tcp(target: &Target) -> Result<TcpStream, Error> {
    let (host, port) = (target.host(), target.port());
    let resolve_error = |error| {
        let address = host.to_owned();
        Error::Resolve(Box::new(AddressError { address, error }))
    };
    let addrs = lookup_host((host, port)).await.map_err(resolve_error)?;
    let mut last_error = None;
    for addr in addrs {
        match TcpStream::connect(addr).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last_error = Some(error),
        }
    }
    let Some(error) = last_error else {
        return Err(resolve_error(io::ErrorKind::NotFound.into()));
    };
    let address = match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    };
    Err(Error::Connect(Box::new(AddressError { address, error })))
}

/// Reads the body of a refusal, up to its end or its limit.
async fn read_body<S: AsyncRead + Unpin>(
    io: &mut S,
    input: &mut BytesMut,
    body: &mut BodyReader,
) -> io::Result<()> {
    while !body.read(input) {
        if read_some(io, input).await? == 0 {
            body.receive_eof();
        }
    }
    Ok(())
}
