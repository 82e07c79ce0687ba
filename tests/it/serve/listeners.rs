//! Sources of streams: addresses, unix sockets, other listeners, and wrapped streams.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::sleep,
};
use wsimd::{
    ClientBuilder, CloseCode, Config, Error, ServerBuilder, WebSocket,
    net::{Listener, Stream},
};

use crate::support::{served::Served, soon};

async fn echo(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

/// Runs the opening handshake over a stream, and checks that the server echoes.
async fn check<S: AsyncRead + AsyncWrite + Unpin>(io: S) -> Result<WebSocket<S>, Error> {
    let opened = soon(ClientBuilder::new().handshake("ws://test", io)).await;
    let mut ws = opened?.0;
    ws.send("Hello").await?;
    assert_eq!(soon(ws.recv()).await?, Some("Hello".into()));
    Ok(ws)
}

#[tokio::test]
async fn a_name_listens_on_each_address_with_one_port() {
    let server = ServerBuilder::new().bind("localhost:0").await.unwrap();
    let addresses = server.local_addrs();
    assert_eq!(server.local_addr().unwrap(), addresses[0]);
    for address in &addresses {
        assert!(address.ip().is_loopback());
        assert_eq!(address.port(), addresses[0].port());
    }
    // Each family that the system has is there once.
    for (any, family) in [("127.0.0.1:0", false), ("[::1]:0", true)] {
        let exists = std::net::TcpListener::bind(any).is_ok();
        let resolved = tokio::net::lookup_host("localhost:0").await.unwrap();
        let has_name = resolved.filter(|it| it.is_ipv6() == family).count() > 0;
        let bound = addresses.iter().filter(|it| it.is_ipv6() == family).count();
        assert_eq!(bound, usize::from(exists && has_name), "{any}");
    }
    let task = tokio::spawn(server.serve(echo));
    for address in addresses {
        check(TcpStream::connect(address).await.unwrap())
            .await
            .unwrap();
    }
    task.abort();
}

#[tokio::test]
async fn two_addresses_of_one_list_share_a_port() {
    let list: [SocketAddr; 2] = ["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()];
    let server = ServerBuilder::new().bind(&list[..]).await.unwrap();
    let ports: Vec<u16> = server.local_addrs().iter().map(SocketAddr::port).collect();
    assert!(ports.iter().all(|port| *port == ports[0] && *port != 0));
    let absent: SocketAddr = "192.0.2.1:0".parse().unwrap();
    let error = ServerBuilder::new().bind(absent).await.unwrap_err();
    assert!(matches!(error, Error::Listen(_)), "{error:?}");
    // An address that this system does not have is skipped.
    let server = ServerBuilder::new()
        .bind(&[absent, list[0]][..])
        .await
        .unwrap();
    assert_eq!(server.local_addrs().len(), 1);
}

#[tokio::test]
async fn a_tcp_listener_that_exists_is_served() {
    let std = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    std.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(std).unwrap();
    let address = listener.local_addr().unwrap();
    let server = ServerBuilder::new().listen(listener);
    assert_eq!(server.local_addr().unwrap(), address);
    let task = tokio::spawn(server.serve(echo));
    check(TcpStream::connect(address).await.unwrap())
        .await
        .unwrap();
    task.abort();
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_served_and_corked() {
    use tokio::net::{UnixListener, UnixStream};

    let path = std::env::temp_dir().join(format!("wsimd-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let server = ServerBuilder::new().listen(UnixListener::bind(&path).unwrap());
    let kind = server.local_addr().unwrap_err().kind();
    assert_eq!(kind, io::ErrorKind::Unsupported);
    let task = tokio::spawn(server.serve(async |mut ws: WebSocket<Stream>| {
        assert!(ws.get_ref().peer_addr().is_err());
        while let Some(message) = ws.recv().await? {
            for _ in 0..100 {
                ws.send(message.clone()).await?;
            }
        }
        Ok(())
    }));
    let unix = UnixStream::connect(&path).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let (ws, _) = soon(ClientBuilder::new().handshake("ws://test", unix))
        .await
        .unwrap();
    let mut unix = ws.into_parts().io;
    // A masked "Hi". All its answers leave with one write.
    let hi = [0x81, 0x82, 0, 0, 0, 0, b'H', b'i'];
    unix.write_all(&hi).await.unwrap();
    let mut bytes = [0; 4096];
    let len = soon(unix.read(&mut bytes)).await.unwrap();
    assert_eq!(bytes[..len], [0x81, 2, b'H', b'i'].repeat(100));
    task.abort();
}

/// A listener of pipes in memory.
struct Pipes(UnboundedReceiver<DuplexStream>);

impl Listener for Pipes {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        match ready!(self.0.poll_recv(cx)) {
            Some(pipe) => Poll::Ready(Ok(Stream::new(pipe))),
            None => Poll::Pending,
        }
    }
}

fn pipes() -> (Pipes, UnboundedSender<DuplexStream>) {
    let (connect, pipes) = unbounded_channel();
    (Pipes(pipes), connect)
}

fn pipe(connect: &UnboundedSender<DuplexStream>) -> DuplexStream {
    let (near, far) = tokio::io::duplex(4096);
    connect.send(near).unwrap();
    far
}

#[tokio::test]
async fn pipes_in_memory_are_served() {
    let (listener, connect) = pipes();
    let server = ServerBuilder::new().listen(listener);
    let handle = server.handle();
    let task = tokio::spawn(server.serve(echo));
    let mut ws = check(pipe(&connect)).await.unwrap();
    let down = handle.shutdown(CloseCode::GOING_AWAY, "", Duration::from_secs(30));
    let (cut, end) = soon(async { tokio::join!(down, ws.recv()) }).await;
    assert_eq!((cut.unwrap(), end.unwrap()), (0, None));
    soon(task).await.unwrap();
}

/// A listener that always has another client, and records its name.
struct Busy(&'static str, Arc<Mutex<Vec<&'static str>>>);

impl Listener for Busy {
    fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        let mut names = self.1.lock().unwrap();
        if names.len() == 9 {
            return Poll::Pending;
        }
        names.push(self.0);
        // The peer is gone: the handshake fails at once.
        Poll::Ready(Ok(Stream::new(tokio::io::duplex(1).0)))
    }
}

#[tokio::test]
async fn listeners_take_turns() {
    let names = Arc::new(Mutex::new(Vec::new()));
    let busy = |name| Busy(name, Arc::clone(&names));
    let server = ServerBuilder::new().listen(busy("a"));
    let server = server.and_listen(busy("b")).and_listen(busy("c"));
    let task = tokio::spawn(server.serve(echo));
    soon(async {
        while names.lock().unwrap().len() < 9 {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    task.abort();
    assert_eq!(names.lock().unwrap().concat(), "abcabcabc");
}

/// Inverts each byte of a stream. Without vectored writes, unless `vectored`.
struct Inverted<S> {
    io: S,
    vectored: bool,
}

impl<S: AsyncRead + Unpin> AsyncRead for Inverted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let old = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        buf.filled_mut()[old..]
            .iter_mut()
            .for_each(|byte| *byte = !*byte);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Inverted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let inverted: Vec<u8> = buf.iter().map(|byte| !byte).collect();
        Pin::new(&mut self.io).poll_write(cx, &inverted)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let inverted: Vec<u8> = bufs
            .iter()
            .flat_map(|buf| buf.iter())
            .map(|byte| !byte)
            .collect();
        Pin::new(&mut self.io).poll_write(cx, &inverted)
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored
    }
}

#[tokio::test]
async fn wrapped_streams_keep_their_address_and_are_drained() {
    for vectored in [false, true] {
        let builder = ServerBuilder::new().wrap_streams(move |stream: Stream| async move {
            let io = stream.into_tcp().unwrap();
            Ok(Stream::new(Inverted { io, vectored }))
        });
        let server = Served::start(builder, |mut ws: WebSocket<Stream>| async move {
            let address = ws.get_ref().peer_addr()?;
            ws.recv().await?;
            ws.send("Hello").await?;
            ws.send(address.to_string()).await?;
            for _ in 0..100 {
                ws.send(vec![7; 10_000]).await?;
            }
            Ok(())
        })
        .await;
        let io = server.tcp().await;
        let local = io.local_addr().unwrap().to_string();
        let mut ws = check(Inverted { io, vectored }).await.unwrap();
        assert_eq!(soon(ws.recv()).await.unwrap(), Some(local.into()));
        for _ in 0..100 {
            assert_eq!(soon(ws.recv()).await.unwrap(), Some(vec![7; 10_000].into()));
        }
        assert_eq!(soon(ws.recv()).await.unwrap(), None);
        assert_eq!(ws.closed().unwrap().code(), CloseCode::NORMAL);
        server.has(0, 0).await;
    }
}

#[tokio::test]
async fn a_slow_or_failing_wrapper_delays_no_other_client() {
    let config = Config::new().open_timeout(Duration::from_secs(2));
    let builder = ServerBuilder::new().config(config);
    let builder = builder.wrap_streams(|stream: Stream| async move {
        let mut tcp = stream.into_tcp().unwrap();
        match tcp.read_u8().await? {
            b'f' => Err(io::Error::other("no certificate")),
            b's' => std::future::pending().await,
            _ => Ok(Stream::from(tcp)),
        }
    });
    let mut server = Served::start(builder, echo).await;
    let mut stuck = Vec::new();
    for kind in [b's', b's', b'f'] {
        let mut tcp = server.tcp().await;
        tcp.write_all(&[kind]).await.unwrap();
        stuck.push(tcp);
    }
    let (error, peer) = server.error().await;
    assert!(error.contains("no certificate"), "{error}");
    assert_eq!(peer, Some(stuck[2].local_addr().unwrap()));
    let mut tcp = server.tcp().await;
    tcp.write_all(b"o").await.unwrap();
    let mut ws = check(tcp).await.unwrap();
    ws.close(CloseCode::NORMAL, "").await.unwrap();
    for _ in 0..2 {
        let (error, _) = server.error().await;
        assert!(error.contains("opening handshake"), "{error}");
    }
    server.has(0, 0).await;
}

#[tokio::test]
async fn a_stream_gives_up_its_socket_unless_it_has_none() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tcp = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let local = tcp.local_addr().unwrap();
    let tcp = Stream::from(tcp).into_tcp().unwrap();
    assert_eq!(tcp.local_addr().unwrap(), local);
    assert!(tcp.nodelay().unwrap());
    let (near, mut far) = tokio::io::duplex(16);
    let address: SocketAddr = "192.0.2.1:5".parse().unwrap();
    let stream = Stream::new(near).with_peer_addr(address);
    let mut stream = stream.into_tcp().unwrap_err();
    assert_eq!(stream.peer_addr().unwrap(), address);
    assert_eq!(
        stream.local_addr().unwrap_err().kind(),
        io::ErrorKind::Unsupported
    );
    stream.write_all(b"still works").await.unwrap();
    stream.flush().await.unwrap();
    let mut bytes = [0; 11];
    soon(far.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(&bytes, b"still works");
}
