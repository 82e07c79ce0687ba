//! `Stream` for `Reconnect`.

use futures_util::{StreamExt, stream::FusedStream};

use super::*;

#[tokio::test(start_paused = true)]
async fn the_stream_of_connections_ends_after_its_first_error() {
    let answers = [
        Answer::Refuse,
        Answer::Close(secs(1)),
        Answer::Lose(secs(1)),
        Answer::Respond("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
        Answer::Late(secs(0)),
    ];
    let (mut connections, attempts) = reconnect(answers);
    for _ in 0..2 {
        let ws = StreamExt::next(&mut connections).await.unwrap().unwrap();
        let _ = session(ws).await;
        assert!(!connections.is_terminated());
    }
    let error = StreamExt::next(&mut connections)
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(error.status().unwrap(), 403);
    for _ in 0..2 {
        assert!(connections.is_terminated());
        assert!(StreamExt::next(&mut connections).await.is_none());
    }
    assert_eq!(attempts.count(), 4);
    // The method tries again.
    connections.next().await.unwrap();
    assert!(!connections.is_terminated());
}
