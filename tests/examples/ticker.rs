//! `examples/ticker.rs`: subscriptions, errors and trades as JSON; the clients of the example.

use std::process::Stdio;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{ChildStdout, Command},
    time::timeout,
};
use wsimd::{CloseCode, WebSocket, net::Stream};

use crate::{Example, LIMIT, path};

async fn receive(ws: &mut WebSocket<Stream>) -> Option<Value> {
    let received = timeout(LIMIT, ws.recv_json()).await;
    received.expect("recv_json completes").unwrap()
}

/// Receives the trades that were published before an answer, and returns the answer.
async fn answer(ws: &mut WebSocket<Stream>) -> Value {
    loop {
        let event = receive(ws).await.unwrap();
        if event["type"] != "trade" {
            return event;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticker_with_subscriptions_errors_and_ctrl_c() {
    #[derive(Debug, Deserialize)]
    struct Trade {
        symbol: String,
        price: f64,
        size: u64,
    }

    let ticker = Example::start("ticker");
    let mut ws = wsimd::connect(&ticker.uri("/")).await.unwrap();
    ws.send_json(&json!({"subscribe": "BTC-USD"}))
        .await
        .unwrap();
    let subscribed = json!({"type": "subscribed", "symbol": "BTC-USD"});
    assert_eq!(receive(&mut ws).await, Some(subscribed));
    for _ in 0..10 {
        let trade = timeout(LIMIT, ws.recv_json::<Trade>()).await.unwrap();
        let trade = trade.unwrap().unwrap();
        assert_eq!(trade.symbol, "BTC-USD");
        assert!((64_000.0..64_010.0).contains(&trade.price), "{trade:?}");
        assert!((1..10).contains(&trade.size), "{trade:?}");
    }

    for (request, reason) in [
        (r#"{"subscribe": "DOGE-USD"}"#, "no such symbol: DOGE-USD"),
        (
            r#"{"subscribe": 5}"#,
            "unexpected JSON in subscribe at byte 14",
        ),
        (r#"{"buy": "BTC-USD"}"#, "unexpected JSON"),
        ("{", "invalid JSON at byte "),
    ] {
        ws.send(request).await.unwrap();
        let error = answer(&mut ws).await;
        assert_eq!(error["type"], "error");
        let text = error["reason"].as_str().unwrap();
        assert!(text.starts_with(reason), "{text}");
    }

    ws.send_json(&json!({"unsubscribe": "BTC-USD"}))
        .await
        .unwrap();
    let unsubscribed = json!({"type": "unsubscribed", "symbol": "BTC-USD"});
    assert_eq!(answer(&mut ws).await, unsubscribed);
    ws.send_json(&json!({"subscribe": "ETH-USD"}))
        .await
        .unwrap();
    let subscribed = json!({"type": "subscribed", "symbol": "ETH-USD"});
    assert_eq!(receive(&mut ws).await, Some(subscribed), "no other trade");

    ticker.interrupt();
    while let Some(event) = receive(&mut ws).await {
        assert_eq!(event["symbol"], "ETH-USD");
    }
    assert_eq!(ws.closed().unwrap().code(), CloseCode::GOING_AWAY);
    let status = ticker.wait().await;
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_of_the_ticker() {
    let run = Command::new(path("ticker")).kill_on_drop(true).output();
    let output = timeout(LIMIT, run)
        .await
        .expect("the example ends")
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 8, "{lines:?}");
    assert!(lines[1].starts_with("error: invalid JSON at byte 0"));
    assert_eq!(lines[2], "error: no such symbol: DOGE-USD");
    assert_eq!(lines[3], "subscribed: ETH-USD");
    for trade in &lines[4..7] {
        assert!(trade.starts_with("trade: "), "{trade}");
        assert!(trade.contains(" ETH-USD at 320"), "{trade}");
    }
    assert!(lines[7].starts_with("mean price: 6400"), "{}", lines[7]);
}

/// Reads the output of a client up to a line with this start.
async fn read_until(lines: &mut Lines<BufReader<ChildStdout>>, start: &str) {
    let found = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.starts_with(start) {
                return;
            }
        }
        panic!("no line starts with {start:?}");
    };
    timeout(LIMIT, found).await.expect("the client prints");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_a_ticker_that_restarts_subscribes_again() {
    let ticker = Example::start("ticker");
    let address = ticker.address.clone();
    let mut client = Command::new(path("ticker"))
        .arg(ticker.uri("/"))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
    read_until(&mut lines, "subscribed: ETH-USD").await;
    read_until(&mut lines, "trade: ").await;
    // Ends the server without a Close frame.
    drop(ticker);
    let ticker = Example::start_at(&address, "ticker", &[]);
    read_until(&mut lines, "subscribed: ETH-USD").await;
    read_until(&mut lines, "trade: ").await;
    // Ends the server with a Close frame.
    ticker.interrupt();
    assert!(ticker.wait().await.success());
    let _ticker = Example::start_at(&address, "ticker", &[]);
    read_until(&mut lines, "subscribed: ETH-USD").await;
    read_until(&mut lines, "trade: ").await;
    assert!(client.try_wait().unwrap().is_none());
}
