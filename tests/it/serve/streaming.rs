//! Messages in chunks under `serve`, which keeps written bytes while the handler is polled.

use std::time::Duration;

use tokio::{
    sync::{Notify, oneshot},
    time::{sleep, timeout},
};
use wsimd::{CloseCode, Config, Error, ServerBuilder, WebSocket, net::Stream};

use crate::support::{serve::with_server, soon};

/// Sends a word, flushes it, and waits until the client has it.
async fn dictate(mut ws: WebSocket<Stream>, heard: &Notify) -> Result<(), Error> {
    let mut message = ws.text_writer();
    for word in ["one ", "two "] {
        message.write_chunk(word).await?;
        message.flush().await?;
        heard.notified().await;
    }
    message.write_chunk("three").await?;
    message.finish().await?;
    heard.notified().await;
    Ok(())
}

async fn listen(mut ws: WebSocket<Stream>, heard: &Notify) -> Result<(), Error> {
    let mut message = ws.recv_stream().await?.expect("a message");
    for word in ["one ", "two ", "three"] {
        assert_eq!(message.chunk().await?, Some(word.into()));
        heard.notify_one();
    }
    assert_eq!(message.chunk().await?, None);
    Ok(())
}

static HEARD: Notify = Notify::const_new();

#[tokio::test]
async fn chunks_leave_with_a_flush_and_the_end_when_the_handler_waits() {
    with_server(|ws| dictate(ws, &HEARD), |ws| listen(ws, &HEARD)).await;
}

async fn leave_unfinished(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    let mut message = ws.text_writer();
    message.write_chunk("begun").await?;
    message.flush().await
}

/// The handler returns with an unfinished message, and its connection is dropped in the same poll.
#[tokio::test]
async fn a_handler_that_leaves_a_message_unfinished_closes_with_1011() {
    with_server(leave_unfinished, |mut ws| async move {
        let mut message = ws.recv_stream().await?.expect("a message");
        assert_eq!(message.chunk().await?, Some("begun".into()));
        let end = message.chunk().await.unwrap_err();
        assert_eq!(end.close_code(), Some(CloseCode::INTERNAL_ERROR));
        assert!(ws.closed().is_some_and(|it| it.received_first));
        Ok(())
    })
    .await;
}

async fn echo_chunks(ws: WebSocket<Stream>) -> Result<(), Error> {
    let (mut reader, mut writer) = ws.split();
    while let Some(mut message) = reader.recv_stream().await? {
        let mut echo = match message.is_text() {
            true => writer.text_writer(),
            false => writer.binary_writer(),
        };
        while let Some(chunk) = message.chunk().await? {
            echo.write_chunk(chunk).await?;
        }
        echo.finish().await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_echo_in_chunks_returns_messages_of_all_sizes() {
    with_server(echo_chunks, |ws| async move {
        let config = Config::new().max_message_size(1 << 24);
        let mut ws = WebSocket::new(ws.into_parts().io, wsimd::Role::Client, &config);
        for len in [0, 1, 30_000, 100_000, 3_000_000] {
            let sent = vec![7; len];
            let (mut reader, mut writer) = ws.split();
            let (done, received) = tokio::join!(writer.send(sent.clone()), reader.recv());
            done?;
            assert!(received? == Some(sent.into()), "{len}");
            ws = reader.reunite(writer).unwrap();
        }
        ws.close(CloseCode::NORMAL, "").await
    })
    .await;
}

/// The shutdown of the server is bounded, although a handler sends a message without an end.
#[tokio::test]
async fn a_message_without_an_end_does_not_hold_up_the_shutdown() {
    let (stop, stopped) = oneshot::channel::<()>();
    let config = Config::new().close_timeout(Duration::from_secs(1));
    let builder = ServerBuilder::new().config(config);
    let server = builder.bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let endless = |mut ws: WebSocket<Stream>| async move {
        let mut message = ws.binary_writer();
        loop {
            message.write_chunk(vec![7; 100]).await?;
            message.flush().await?;
            sleep(Duration::from_millis(5)).await;
        }
        #[expect(unreachable_code, reason = "the type of the error")]
        Ok::<(), Error>(())
    };
    let task = tokio::spawn(server.serve(endless).with_graceful_shutdown(stopped));
    let mut ws = soon(wsimd::connect(&format!("ws://{address}")))
        .await
        .unwrap();
    let mut message = soon(ws.recv_stream()).await.unwrap().unwrap();
    message.chunk().await.unwrap();
    stop.send(()).unwrap();
    let client = async { while let Ok(Some(_)) = message.chunk().await {} };
    timeout(Duration::from_secs(10), client).await.unwrap();
    soon(task).await.unwrap();
}
