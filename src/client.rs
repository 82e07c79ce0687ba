//! [`connect`] and [`ClientBuilder`]: opening a connection as a client.

use std::io;

use bytes::BytesMut;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout_at},
};

use crate::{
    config::Config,
    connection::WebSocket,
    error::Error,
    frame::Role,
    handshake::{
        BodyReader, HandshakeError, Target,
        client::{self, MAX_INTERIM_RESPONSES, Offer},
        head,
    },
    net::{
        Stream,
        opening::{by, deadline, head_limits, open, read, read_head},
    },
};

/// How much of the body of a refusal is kept, in bytes.
const MAX_REFUSAL: usize = 64 << 10;

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
/// Dropping the future gives the connection up.
pub async fn connect(uri: &str) -> Result<WebSocket<Stream>, Error> {
    ClientBuilder::new().connect(uri).await
}

/// The options of a client.
///
/// ```no_run
/// # async fn example() -> Result<(), wsimd::Error> {
/// use wsimd::{ClientBuilder, Config};
///
/// let ws = ClientBuilder::new()
///     .config(Config::new().max_message_size(16 << 20))
///     .subprotocols(["chat.v2", "chat.v1"])?
///     .header("authorization", "Bearer abc")?
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
    /// The default options.
    pub fn new() -> Self {
        Self {
            config: Config::new().with_keepalive(),
            offer: Offer::default(),
        }
    }

    /// Sets the limits and timeouts of the connection, and the extensions that are offered.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.offer = self.offer.extensions(config.extensions());
        self.config = config.with_keepalive();
        self
    }

    /// Offers subprotocols, the preferred one first. Default: none.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`] for a name that is not a token, or is given twice.
    pub fn subprotocols<I>(mut self, names: I) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.offer = self.offer.subprotocols(names)?;
        Ok(self)
    }

    /// Adds a header to the request. `Host`, `User-Agent` and `Authorization` replace the default ones.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`] for a header that is malformed or that the handshake itself sets.
    pub fn header<N, V>(mut self, name: N, value: V) -> Result<Self, Error>
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        self.offer = self.offer.header(name, value)?;
        Ok(self)
    }

    /// Sets the `Origin` header, as a browser does. Default: none.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`] for a value that is no header value.
    pub fn origin(mut self, origin: &str) -> Result<Self, Error> {
        self.offer = self.offer.origin(origin)?;
        Ok(self)
    }

    /// Connects to a `ws://` URI over TCP, within [`Config::open_timeout`].
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] for a URI that is refused, or a server that answers anything but a
    /// correct 101: [`HandshakeError::Refused`] has its status, headers and body.
    /// [`Error::Unsupported`] for `wss://`, [`Error::Timeout`], [`Error::Io`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the connection up.
    pub async fn connect(&self, uri: &str) -> Result<WebSocket<Stream>, Error> {
        let target = Target::parse(uri).map_err(HandshakeError::from)?;
        if target.is_secure() {
            return Err(Error::Unsupported(
                "wss:// needs TLS, which this version of wsimd does not have: \
                 run ClientBuilder::handshake over a TLS stream",
            ));
        }
        let deadline = deadline(&self.config);
        let stream = by(deadline, async {
            let stream = TcpStream::connect((target.host(), target.port())).await?;
            Ok(Stream::tcp(stream)?)
        })
        .await?;
        let (ws, _) = self.open(&target, stream, deadline).await?;
        Ok(ws)
    }

    /// Runs the opening handshake over a stream that is connected already, within
    /// [`Config::open_timeout`]. The scheme of the URI does not matter.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the connection up.
    pub async fn handshake<S>(
        &self,
        uri: &str,
        io: S,
    ) -> Result<(WebSocket<S>, Response<()>), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let target = Target::parse(uri).map_err(HandshakeError::from)?;
        self.open(&target, io, deadline(&self.config)).await
    }

    async fn open<S>(
        &self,
        target: &Target,
        mut io: S,
        deadline: Instant,
    ) -> Result<(WebSocket<S>, Response<()>), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let request = client::request(target, &self.offer)?;
        let mut input = BytesMut::new();
        let response = by(deadline, self.ask(&request, &mut io, &mut input)).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let mut body = BodyReader::new(&response, MAX_REFUSAL);
            // That it was refused counts more than how far the body came.
            let _ = timeout_at(deadline, read_body(&mut io, &mut input, &mut body)).await;
            return Err(HandshakeError::refused(response, body.into_bytes()).into());
        }
        let negotiated = client::verify(&request, &self.offer, &response)?;
        let ws = open(io, Role::Client, &self.config, negotiated, &input);
        Ok((ws, response))
    }

    /// Writes the request and reads the final response; of others, a few are passed over.
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
        let limits = head_limits(&self.config);
        let mut passed = 0;
        loop {
            let head = read_head(io, input, limits).await?;
            let response = head::parse_response(&head, &limits)?;
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

/// Reads the body of a refusal as far as it comes and its limit allows.
async fn read_body<S: AsyncRead + Unpin>(
    io: &mut S,
    input: &mut BytesMut,
    body: &mut BodyReader,
) -> io::Result<()> {
    while !body.read(input) {
        if read(io, input).await? == 0 {
            body.eof();
        }
    }
    Ok(())
}
