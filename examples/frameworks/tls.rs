//! Ticks over `ws://` and `wss://`: a server with a port for each, and a client that connects again.
//!
//! ```text
//! cargo run --package wsimd-frameworks --bin on-rustls -- serve cert.pem key.pem
//! cargo run --package wsimd-frameworks --bin on-rustls -- wss://localhost:8443 root.pem
//! ```
//!
//! [`Stream`] is the type of both streams, so that handlers and functions need no type parameter.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};
use wsimd::{
    ClientBuilder, CloseCode, Error, ServerBuilder, WebSocket, handshake::Target, net::Stream,
};

/// The failure of the program.
type Failure = Box<dyn std::error::Error>;

/// The time between two ticks.
const PAUSE: Duration = Duration::from_millis(10);

/// The number of connections that fail one after the other before the client gives up.
const ATTEMPTS: u32 = 5;

/// The handler: sends ten ticks, and asks the client to connect again.
async fn ticks(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    for number in 1..=10 {
        ws.send(format!("tick {number}")).await?;
        sleep(PAUSE).await;
    }
    ws.close(CloseCode::SERVICE_RESTART, "").await
}

/// Accepts TLS on the port of `wss://`.
async fn accept(stream: Stream, wss_port: u16, tls: TlsAcceptor) -> io::Result<Stream> {
    if stream.local_addr()?.port() != wss_port {
        return Ok(stream);
    }
    let tcp = stream.into_tcp().map_err(|_| io::ErrorKind::Unsupported)?;
    Ok(Stream::new(tls.accept(tcp).await?))
}

async fn serve(cert: &str, key: &str) -> Result<(), Failure> {
    let chain = CertificateDer::pem_file_iter(cert)?.collect::<Result<_, _>>()?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    let tls = TlsAcceptor::from(Arc::new(config));
    let ws = TcpListener::bind("127.0.0.1:0").await?;
    let wss = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on ws://{}", ws.local_addr()?);
    println!("listening on wss://{}", wss.local_addr()?);
    let wss_port = wss.local_addr()?.port();
    ServerBuilder::new()
        .wrap_streams(move |stream| accept(stream, wss_port, tls.clone()))
        .on_error(|error, peer| eprintln!("{peer:?}: {error}"))
        .listen(ws)
        .and_listen(wss)
        .serve(ticks)
        .await;
    Ok(())
}

/// Connects to a URI with either scheme.
async fn connect(uri: &str, tls: &TlsConnector) -> Result<WebSocket<Stream>, Error> {
    let target = Target::parse(uri)?;
    let tcp = TcpStream::connect((target.host(), target.port())).await?;
    let mut stream = Stream::from(tcp);
    if target.is_secure() {
        let name = ServerName::try_from(target.host().to_owned()).map_err(Error::other)?;
        stream = Stream::new(tls.connect(name, stream).await?);
    }
    let (ws, _) = ClientBuilder::new().handshake(uri, stream).await?;
    Ok(ws)
}

/// Prints ticks and the round-trip time of the last ping. Connects again after an error that may be temporary.
async fn watch(uri: &str, tls: &TlsConnector) -> Result<(), Error> {
    let mut failures = 0;
    loop {
        let end = match connect(uri, tls).await {
            Ok(ws) => {
                failures = 0;
                print_ticks(ws).await
            }
            Err(error) => Err(error),
        };
        match end {
            Err(error) if error.is_retryable() && failures < ATTEMPTS => println!("{error}"),
            end => return end,
        }
        failures += 1;
        sleep(PAUSE * 2_u32.pow(failures)).await;
    }
}

async fn print_ticks(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    drop(ws.ping().await?);
    while let Some(tick) = ws.recv().await? {
        let tick = tick.as_text().unwrap_or_default();
        println!("{tick}, round-trip time: {:?}", ws.latency());
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", cert, key] => serve(cert, key).await,
        [uri, root] => Ok(watch(uri, &connector(root)?).await?),
        _ => Err("usage: on-rustls serve CERT KEY | URI ROOT".into()),
    }
}

/// Trusts the certificates that this root has signed.
fn connector(root: &str) -> Result<TlsConnector, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(root)?)?;
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
