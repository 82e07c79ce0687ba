//! The close code and reason that Python's `websockets` sees at the end of a handler.

use tokio::{
    io::{AsyncReadExt, BufReader},
    time::timeout,
};
use wsimd::{CloseCode, Error, ServerBuilder, WebSocket, net::Stream};

use super::{LIMIT, Peer};

/// Runs a Python client against a server with the handler. Returns the line that the client prints.
async fn ending<H, F>(handler: H) -> String
where
    H: Fn(WebSocket<Stream>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let server = ServerBuilder::new().bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ws://{}", server.local_addr().unwrap());
    let serving = tokio::spawn(server.serve(handler));
    let mut child = Peer::Python.start(&["ending", &uri]);
    let stdout = child.stdout.take().expect("stdout is piped");
    let mut output = String::new();
    let read = timeout(LIMIT, BufReader::new(stdout).read_to_string(&mut output)).await;
    read.expect("in time").unwrap();
    assert!(child.wait().await.unwrap().success());
    serving.abort();
    output.trim_end().to_owned()
}

#[tokio::test]
#[ignore = "needs the peers: run `make peers`"]
async fn their_client_gets_the_code_of_a_handler_that_closes() {
    let line = ending(async |mut ws: WebSocket<Stream>| {
        ws.send("last words").await?;
        ws.close(CloseCode::from(4001), "enough ✓").await
    });
    assert_eq!(line.await, r#"closed 4001 "enough ✓" after ["last words"]"#);
}

/// The server closes with 1000 after `Ok`, and with 1011 after an error or a panic.
#[tokio::test]
#[ignore = "needs the peers: run `make peers`"]
async fn their_client_gets_the_code_of_a_handler_that_ends() {
    let returned = ending(async |mut ws: WebSocket<Stream>| ws.send("last words").await);
    let failed = ending(async |mut ws: WebSocket<Stream>| {
        ws.send("last words").await?;
        Err(Error::Unsupported("a failure of the handler"))
    });
    let panicked = ending(async |mut ws: WebSocket<Stream>| {
        ws.send("last words").await?;
        panic!("a panic of the handler")
    });
    let lines = [
        (returned.await, 1000),
        (failed.await, 1011),
        (panicked.await, 1011),
    ];
    for (line, code) in lines {
        assert!(line.starts_with(&format!("closed {code} ")), "{line}");
        assert!(line.ends_with(r#" after ["last words"]"#), "{line}");
    }
}
