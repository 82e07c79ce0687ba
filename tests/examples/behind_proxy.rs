//! `examples/behind_proxy.rs`: a client that reaches its server through a proxy with a password.

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
    process::Command,
    time::timeout,
};
use wsimd::Error;

use crate::{LIMIT, path};

/// The credentials `user:secret` in base64.
const CREDENTIALS: &str = "proxy-authorization: basic dxnlcjpzzwnyzxq=";

/// Serves one client of a proxy for HTTP CONNECT, which asks for credentials.
async fn tunnel(client: TcpStream) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        client.read_line(&mut line).await?;
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_lowercase());
    }
    if !lines.iter().any(|line| line == CREDENTIALS) {
        let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
        return client.write_all(refusal).await;
    }
    let server = lines[0].split(' ').nth(1).unwrap();
    let mut server = TcpStream::connect(server).await?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// Runs the example, and returns its output.
async fn run(args: &[&str], variables: &[(&str, &str)]) -> String {
    let ran = Command::new(path("behind_proxy"))
        .args(args)
        .env_clear()
        .envs(variables.iter().copied())
        .output();
    let output = timeout(LIMIT, ran).await.unwrap();
    let output = output.expect("the example is built (`cargo build --examples`)");
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[tokio::test]
async fn the_client_reaches_its_server_through_the_proxy() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            tokio::spawn(tunnel(client));
        }
    });
    let server = wsimd::ServerBuilder::new()
        .bind("127.0.0.1:0")
        .await
        .unwrap();
    let uri = format!("ws://{}/", server.local_addr().unwrap());
    tokio::spawn(server.serve(async |mut ws| {
        while let Some(message) = ws.recv().await? {
            ws.send(message).await?;
        }
        Ok::<_, Error>(())
    }));

    let named = format!("http://user:secret@{proxy}");
    assert_eq!(run(&[&uri, &named], &[]).await, "Hello\n");
    assert_eq!(run(&[&uri], &[("all_proxy", &named)]).await, "Hello\n");
    assert_eq!(run(&[&uri], &[("http_proxy", &named)]).await, "Hello\n");
    let wrong = format!("http://user:wrong@{proxy}");
    let refused = format!("the proxy {proxy} answered 407 Proxy Authentication Required\n");
    assert_eq!(run(&[&uri, &wrong], &[]).await, refused);
    // A header of a request to a CGI program can set this variable.
    assert_eq!(run(&[&uri], &[("HTTP_PROXY", &wrong)]).await, "Hello\n");
    let exempt = [("all_proxy", wrong.as_str()), ("no_proxy", "127.0.0.0/8")];
    assert_eq!(run(&[&uri], &exempt).await, "Hello\n");
}
