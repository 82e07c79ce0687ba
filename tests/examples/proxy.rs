//! `examples/proxy.rs`: frames pass unchanged in both directions.

use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedSender, unbounded_channel},
    time::timeout,
};
use wsimd::{
    ClientBuilder, CloseCode, Closed, Config, Error, Message, Offer, Opening, Policy, Server,
    ServerBuilder, WebSocket, net::Stream,
};

use crate::{Example, LIMIT};

/// A configuration of both ends that cuts messages into frames of 4 bytes, and refuses longer frames.
fn config() -> Config {
    Config::new().outgoing_frame_size(4).max_frame_size(4)
}

/// The handler of the server behind the proxy: sends the URI and the cookie of the client, then echoes, and closes
/// with 4002 on request. The last step is to report the Close frames.
async fn echo(opening: Opening<Stream>, ends: UnboundedSender<Closed>) -> Result<(), Error> {
    let cookie = opening.headers()["cookie"].to_str().unwrap().to_owned();
    let path = opening.request().uri().to_string();
    let mut ws = opening.upgrade().await?;
    ws.send(format!("{path} {cookie}")).await?;
    while let Ok(Some(message)) = ws.recv().await {
        if message.as_text() == Some("close") {
            ws.send_close(CloseCode::from(4002), "as requested").await?;
        } else {
            ws.send(message).await?;
        }
    }
    ends.send(ws.closed().unwrap()).unwrap();
    Ok(())
}

async fn server() -> Server {
    let policy = Policy::new().subprotocols(["v2", "v1"]).unwrap();
    let builder = ServerBuilder::new().policy(policy).config(config());
    builder.bind("127.0.0.1:0").await.unwrap()
}

async fn connect(proxy: &Example) -> WebSocket<Stream> {
    let offer = Offer::new()
        .subprotocols(["v1", "v2"])
        .and_then(|offer| offer.header("cookie", "user=Aladdin"));
    let client = ClientBuilder::new().offer(offer.unwrap()).config(config());
    client.connect(&proxy.uri("/cave?door=1")).await.unwrap()
}

async fn receive(ws: &mut WebSocket<Stream>) -> Result<Option<Message>, Error> {
    timeout(LIMIT, ws.recv()).await.expect("recv completes")
}

#[tokio::test(flavor = "multi_thread")]
async fn fragments_pings_and_close_frames_through_the_proxy() {
    let server = server().await;
    let uri = format!("ws://{}", server.local_addr().unwrap());
    let (sender, mut ends) = unbounded_channel();
    tokio::spawn(server.serve_openings(move |opening| echo(opening, sender.clone())));
    let proxy = Example::start_with("proxy", &[&uri]);

    let mut ws = connect(&proxy).await;
    assert_eq!(ws.subprotocol(), Some("v2"), "the choice of the server");
    let greeting = Message::from("/cave?door=1 user=Aladdin");
    assert_eq!(receive(&mut ws).await.unwrap(), Some(greeting));
    // Both ends refuse frames of more than 4 bytes, so the message passes in its fragments.
    let long = Message::from("multi-byte: ".to_owned() + &"ö".repeat(1000));
    ws.send(long.clone()).await.unwrap();
    assert_eq!(receive(&mut ws).await.unwrap(), Some(long));
    let pong = ws.ping().await.unwrap();
    tokio::select! {
        message = receive(&mut ws) => panic!("{message:?}"),
        round_trip = pong => drop(round_trip.unwrap()),
    }
    ws.close(CloseCode::from(4001), "bye").await.unwrap();
    let closed = ws.closed().unwrap();
    assert_eq!(closed.code(), CloseCode::from(4001));

    let mut ws = connect(&proxy).await;
    receive(&mut ws).await.unwrap();
    ws.send("close").await.unwrap();
    let end = receive(&mut ws).await;
    assert!(
        matches!(&end, Err(Error::Closed(closed)) if closed.code() == CloseCode::from(4002)),
        "{end:?}"
    );
    for code in [4001, 4002] {
        let closed = timeout(LIMIT, ends.recv()).await.unwrap().unwrap();
        assert_eq!(closed.code(), CloseCode::from(code));
    }

    proxy.interrupt();
    let status = proxy.wait().await;
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_502() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ws://{}", listener.local_addr().unwrap());
    drop(listener);
    let proxy = Example::start_with("proxy", &[&uri]);
    let error = wsimd::connect(&proxy.uri("/")).await.unwrap_err();
    assert_eq!(error.status().map(|status| status.as_u16()), Some(502));
}
