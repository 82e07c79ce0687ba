//! The server side of a contestant: runtimes, listening, accepting.

use std::{
    future::Future,
    io::{self, Write},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    runtime::Builder,
};

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 4096;

/// Runs a server on tokio's current-thread runtime, or on its multi-thread runtime with two workers.
pub fn block_on(runtime: &str, server: impl Future<Output = ()>) -> io::Result<()> {
    let mut builder = match runtime {
        "current" => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(2).enable_all().build()?;
    runtime.block_on(server);
    Ok(())
}

/// Tells the driver the port.
pub fn announce(port: u16) {
    let mut out = io::stdout().lock();
    writeln!(out, "listening {port}").expect("the driver reads");
    out.flush().expect("the driver reads");
}

/// Listens on a free port of loopback and announces it.
pub fn listen() -> TcpListener {
    let listen = || {
        let socket = TcpSocket::new_v4()?;
        socket.bind(([127, 0, 0, 1], 0).into())?;
        let listener = socket.listen(BACKLOG)?;
        announce(listener.local_addr()?.port());
        io::Result::Ok(listener)
    };
    listen().expect("a port of loopback")
}

/// Listens, announces the port, and spawns `handler` for each connection. The result of a handler is
/// dropped: the driver sees that the connection ended.
pub async fn accept_loop<F>(handler: impl Fn(TcpStream) -> F)
where
    F: Future<Output: Send> + Send + 'static,
{
    let listener = listen();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        if stream.set_nodelay(true).is_ok() {
            tokio::spawn(handler(stream));
        }
    }
}
