//! [`Opener`]: the steps of opening a connection.
//!
//! ```text
//!  resolve ─▶ connect ─┬─────────▶ TLS for wss:// ─▶ request ─▶ 101
//!                      └─▶ proxy ──────┘    ▲            └─▶ redirect ─┐
//!                                           └── resolve … ◀────────────┘
//! ```

use std::{io, time::Duration};

use bytes::BytesMut;
use http::{Request, Response, StatusCode};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout},
};

use crate::{
    config::Config,
    connection::WebSocket,
    error::{AddressError, Error},
    frame::Role,
    handshake::{
        BodyReader, HandshakeError, Target,
        client::{self, Offer},
        head, redirect,
    },
    net::{
        Stream,
        dial::Dialer,
        exchange::exchange,
        opening::{Deadline, deadline, into_websocket, read_some, with_deadline},
    },
    proxy::Proxies,
    tls::ClientTls,
};

/// The maximum number of bytes that are kept of the body of a refusal.
const MAX_REFUSAL: usize = 64 << 10;
/// The time in which the body of a refusal has to arrive, from the end of its head. The body only explains the refusal
/// to people, and may have no end if the server keeps the stream open.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(1);

/// A connection and the 101 response that opened it.
pub(super) type Opened<S> = (WebSocket<S>, Response<()>);

/// The options of a client, and the steps of opening a connection.
#[derive(Clone, Debug)]
pub(super) struct Opener {
    pub(super) config: Config,
    pub(super) dialer: Dialer,
    pub(super) proxies: Proxies,
    pub(super) tls: ClientTls,
    pub(super) max_redirects: u32,
}

/// A request that was sent, and its response.
struct Asked<S> {
    io: S,
    request: Request<()>,
    response: Response<()>,
    /// The bytes that arrived after the head of the response.
    input: BytesMut,
}

impl Opener {
    /// Opens a connection, and follows redirects.
    pub(super) async fn open(
        &self,
        mut target: Target,
        mut offer: Offer,
    ) -> Result<Opened<Stream>, Error> {
        let deadline = self.deadline();
        let mut followed = 0;
        loop {
            let stream = self.connect(&target, deadline).await?;
            let asked = self.ask_securely(&target, &offer, stream, deadline).await?;
            let Some(next) = self.next_target(&target, &asked.response, followed)? else {
                return self.finish(asked, deadline).await;
            };
            if !next.has_origin_of(&target) {
                offer = offer.without_headers();
            }
            target = next;
            followed += 1;
        }
    }

    /// Opens a connection over a stream to the server, with TLS if the target is secure.
    pub(super) async fn open_over(
        &self,
        target: &Target,
        offer: &Offer,
        stream: Stream,
    ) -> Result<Opened<Stream>, Error> {
        let deadline = self.deadline();
        let stream = self.secure(target, stream, deadline).await?;
        let asked = self.ask_securely(target, offer, stream, deadline).await?;
        self.finish(asked, deadline).await
    }

    /// Runs the opening handshake over a stream that is ready for it.
    pub(super) async fn handshake<S>(
        &self,
        target: &Target,
        offer: &Offer,
        io: S,
    ) -> Result<Opened<S>, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let deadline = self.deadline();
        let asked = self.ask(target, offer, io, deadline).await?;
        self.finish(asked, deadline).await
    }

    fn deadline(&self) -> Deadline {
        deadline(Role::Client, &self.config)
    }

    /// Returns the target of a redirect that is to be followed, or `None` if the response is the answer.
    fn next_target(
        &self,
        target: &Target,
        response: &Response<()>,
        followed: u32,
    ) -> Result<Option<Target>, HandshakeError> {
        if self.max_redirects == 0 {
            return Ok(None);
        }
        let Some(next) = redirect::target(target, response)? else {
            return Ok(None);
        };
        let refuse = |reason| Err(redirect::refuse(response, reason));
        if followed == self.max_redirects {
            return refuse("too many redirects (ClientBuilder::max_redirects)");
        }
        if self.dialer.has_place() && !next.has_origin_of(target) {
            return refuse(
                "it leaves the server that ClientBuilder::addresses or unix_socket names",
            );
        }
        Ok(Some(next))
    }

    /// Connects to the server of a target, by a proxy if one is set, and with TLS if the target is secure.
    async fn connect(&self, target: &Target, deadline: Deadline) -> Result<Stream, Error> {
        if target.is_secure() {
            self.tls.prepare().await?;
        }
        let stream = match self.proxies.route(target, &self.dialer) {
            // Boxed, so that a client without a proxy does not keep the memory of the steps.
            Some(route) => Box::pin(route.connect(&self.tls, &self.config, deadline)).await?,
            None => {
                let dialed = self.dialer.dial(target.host(), target.port());
                with_deadline(deadline.of_connect(), dialed).await?
            }
        };
        self.secure(target, stream, deadline).await
    }

    /// Runs the TLS handshake if the target is secure.
    async fn secure(
        &self,
        target: &Target,
        stream: Stream,
        deadline: Deadline,
    ) -> Result<Stream, Error> {
        if !target.is_secure() {
            return Ok(stream);
        }
        let connected = self.tls.connect(target.host(), target.port(), stream);
        with_deadline(deadline.of_tls(), connected).await
    }

    /// Sends the request as [`ask`](Self::ask) does. A server that refuses the certificate of the client may say so only
    /// after its own TLS handshake (RFC 8446 §4.4.2.4).
    async fn ask_securely(
        &self,
        target: &Target,
        offer: &Offer,
        stream: Stream,
        deadline: Deadline,
    ) -> Result<Asked<Stream>, Error> {
        let asked = self.ask(target, offer, stream, deadline).await;
        asked.map_err(|error| match error {
            Error::Io(error)
                if target.is_secure() && error.kind() == io::ErrorKind::InvalidData =>
            {
                let (host, port) = (target.host(), target.port());
                Error::Tls(Box::new(AddressError::of_host(host, port, error)))
            }
            error => error,
        })
    }

    /// Sends the request and reads the final response.
    async fn ask<S>(
        &self,
        target: &Target,
        offer: &Offer,
        mut io: S,
        deadline: Deadline,
    ) -> Result<Asked<S>, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let request = client::request(target, offer, &self.config)?;
        let (mut head, mut input) = (BytesMut::new(), BytesMut::new());
        head::write_request(&request, &mut head);
        let asked = exchange(&mut io, &head, &mut input, &self.config);
        let response = with_deadline(deadline, asked).await?;
        Ok(Asked {
            io,
            request,
            response,
            input,
        })
    }

    /// Verifies the response, or reads the body of a refusal.
    async fn finish<S>(&self, asked: Asked<S>, deadline: Deadline) -> Result<Opened<S>, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Asked {
            mut io,
            request,
            response,
            mut input,
        } = asked;
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
