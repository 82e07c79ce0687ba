//! JSON that is sent and received by whole connections and halves.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use tokio::io::duplex;
use wsimd::{
    CloseCode, Config, Error, JsonErrorKind, Message, Role, ServerBuilder, WebSocket,
    extension::Deflate, json::Value,
};

use crate::support::{
    connection,
    frames::{BINARY, CONTINUATION, FIN, PING, ROLES, TEXT, close, frame},
    memory, poll_once,
    script::Script,
};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Trade {
    symbol: String,
    price: f64,
    sizes: Vec<u64>,
}

fn trade(len: usize) -> Trade {
    Trade {
        symbol: "é\"\\".repeat(len),
        price: 101.25,
        sizes: vec![1, u64::MAX],
    }
}

#[tokio::test]
async fn values_travel_between_all_kinds_of_connections() {
    for config in [
        Config::new(),
        Config::new().outgoing_frame_size(100),
        Config::new().write_high_water(10),
    ] {
        let (near, far) = duplex(1000);
        let mut client = WebSocket::new(near, Role::Client, &config);
        let (mut reader, mut writer) = WebSocket::new(far, Role::Server, &config).split();
        let values: Vec<Trade> = [0, 1, 20, 30, 10_000].map(trade).into();
        let echo = async {
            while let Some(trade) = reader.recv_json::<Trade>().await? {
                writer.send_json(&trade).await?;
            }
            Ok::<_, Error>(())
        };
        let exchange = async {
            for value in &values {
                client.send_json(value).await?;
                let echoed = client.recv_with(|message| {
                    assert!(message.is_text());
                    message.json::<Trade>()
                });
                assert_eq!(&echoed.await?.unwrap().unwrap(), value);
            }
            client.close(CloseCode::NORMAL, "").await
        };
        let (echoed, exchanged) = tokio::join!(echo, exchange);
        echoed.unwrap();
        exchanged.unwrap();
    }
}

#[tokio::test]
async fn a_value_that_is_no_document_is_not_sent_and_the_connection_goes_on() {
    for role in ROLES {
        let (mut ws, seen) = connection(role, Config::new(), Script::new([]).silent());
        let error = ws
            .send_json(&HashMap::from([((1, 2), 3)]))
            .await
            .unwrap_err();
        assert!(matches!(&error, Error::Json(it) if it.kind() == JsonErrorKind::Serialize));
        assert_eq!((error.close_frame(), ws.buffered()), (None, 0));
        assert!(seen.written().is_empty());
        ws.send_json("é").await.unwrap();
        assert_eq!(seen.written(), frame(role, FIN | TEXT, "\"é\"".as_bytes()));
        let (_, mut writer) = ws.split();
        writer.send_json(&[1, 2]).await.unwrap();
        assert!(seen.written().ends_with(&frame(role, FIN | TEXT, b"[1,2]")));
    }
}

#[tokio::test]
async fn another_document_comes_back_and_the_next_one_is_received() {
    for role in ROLES {
        let peer = role.peer();
        let wrong = r#"{"symbol":"A","price":1,"sizes":[1,"x"]}"#;
        let input = [
            frame(peer, FIN | TEXT, wrong.as_bytes()),
            frame(peer, FIN | BINARY, b"\xFF"),
            frame(peer, TEXT, br#"{"symbol":"B","price":2,"#),
            frame(peer, FIN | PING, b""),
            frame(peer, FIN | CONTINUATION, br#""sizes":[]}"#),
            frame(peer, FIN | TEXT, b"[1"),
            frame(peer, FIN | TEXT, b"[1, 2]"),
            close(peer, 1000, ""),
        ]
        .concat();
        let (mut ws, _) = connection(role, Config::new(), Script::whole(&input));
        let Err(Error::Json(error)) = ws.recv_json::<Trade>().await else {
            panic!("a wrong type was accepted")
        };
        assert_eq!(
            (error.kind(), error.path()),
            (JsonErrorKind::Data, Some("sizes[1]"))
        );
        let message = error.into_message().unwrap();
        assert_eq!(message.as_text(), Some(wrong));
        let Err(Error::Json(error)) = ws.recv_json::<Trade>().await else {
            panic!("no JSON was accepted")
        };
        assert_eq!(error.kind(), JsonErrorKind::Syntax);
        assert_eq!(
            error.into_message(),
            Some(Message::from(b"\xFF".as_slice()))
        );
        assert_eq!(ws.recv_json::<Trade>().await.unwrap().unwrap().symbol, "B");
        let error = ws.recv_json_with(|_| ()).await.unwrap_err();
        assert_eq!(error.close_code(), Some(CloseCode::INVALID_PAYLOAD));
        let sum = |value: Value<'_>| value.items().filter_map(Value::as_i64).sum::<i64>();
        assert_eq!(ws.recv_json_with(sum).await.unwrap(), Some(3));
        assert!(ws.recv_json::<Trade>().await.unwrap().is_none());
        assert!(ws.recv_json_with(sum).await.unwrap().is_none());
    }
}

#[test]
fn documents_in_the_read_buffer_are_parsed_without_an_allocation() {
    #[derive(Deserialize)]
    struct Borrowed<'a> {
        symbol: &'a str,
    }
    for role in ROLES {
        let document = r#"{"symbol":"BTC-USD","price":1.5,"note":"a\u00e9\n"}"#;
        let one = frame(role.peer(), FIN | TEXT, document.as_bytes());
        let (mut ws, _) = connection(role, Config::new(), Script::whole(&one.repeat(100)));
        let mut receive = || {
            let typed = poll_once(ws.recv_with(|message| {
                message
                    .json::<Borrowed<'_>>()
                    .map(|trade| trade.symbol.len())
            }));
            assert!(matches!(typed, std::task::Poll::Ready(Ok(Some(Ok(7))))));
            let price = |trade: Value<'_>| trade.get("price")?.as_f64();
            let dynamic = poll_once(ws.recv_json_with(price));
            assert!(matches!(
                dynamic,
                std::task::Poll::Ready(Ok(Some(Some(1.5))))
            ));
        };
        receive();
        let ((), allocated) = memory::peak(|| (0..45).for_each(|_| receive()));
        assert_eq!(allocated, 0);
    }
}

#[tokio::test]
async fn compressed_documents_are_the_plain_ones() {
    let config = Config::new().extension(Deflate::new().threshold(0));
    let server = ServerBuilder::new()
        .config(config.clone())
        .bind("127.0.0.1:0")
        .await
        .unwrap();
    let uri = format!("ws://{}", server.local_addr().unwrap());
    let serve = server.serve(async |mut ws| {
        while let Some(trade) = ws.recv_json::<Trade>().await? {
            ws.send_json(&trade).await?;
        }
        Ok(())
    });
    let serving = tokio::spawn(serve);
    let mut ws = wsimd::ClientBuilder::new()
        .config(config)
        .connect(&uri)
        .await
        .unwrap();
    for len in [0, 1, 100, 40_000] {
        ws.send_json(&trade(len)).await.unwrap();
        let symbol = |it: Value<'_>| it.get("symbol")?.as_str().map(str::to_owned);
        let echoed = ws.recv_json_with(symbol).await.unwrap();
        assert_eq!(echoed, Some(Some(trade(len).symbol)));
    }
    // The peer is told that its document was wrong, and not that the server has failed.
    for (wrong, code) in [
        ("[]", CloseCode::POLICY_VIOLATION),
        ("]", CloseCode::INVALID_PAYLOAD),
    ] {
        let mut ws = wsimd::connect(&uri).await.unwrap();
        ws.send(wrong).await.unwrap();
        assert_eq!(ws.recv().await.unwrap_err().close_code(), Some(code));
    }
    serving.abort();
}

#[test]
fn a_document_takes_at_most_40_times_its_size_and_a_thread_keeps_at_most_2_mib() {
    let mut most = 0;
    for unit in [
        "1,",
        "\"\",",
        "{},",
        "\"a long string without any escape\",",
    ] {
        for len in [1 << 10, 32 << 10, 42 << 10, 64 << 10, 127 << 10, 1 << 20] {
            let count = len / unit.len();
            let document = format!("[{}1]", unit.repeat(count)).into_bytes();
            let message = Message::from(document.into_boxed_slice().into_vec());
            let len = message.len() as isize;
            let before = memory::held() - len;
            let (parsed, peak) = memory::peak(|| message.json_with(|it| it.len()));
            assert_eq!(parsed.unwrap(), count + 1);
            assert!(peak <= 40 * len + 2048, "{unit}: {peak} bytes of {len}");
            // The parser of the last document was held before.
            most = most.max(memory::held() - before);
        }
    }
    assert!(most > 512 << 10 && most <= 2 << 20, "{most} bytes are kept");
}
