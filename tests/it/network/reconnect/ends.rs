//! The end of a connection, and `recover`.

use super::*;

#[tokio::test(start_paused = true)]
async fn an_error_of_a_session_is_recorded_or_returned() {
    let (mut connections, attempts) = reconnect([Answer::Lose(secs(1))]);
    let ws = connections.next().await.unwrap();
    let error = session(ws).await.unwrap_err();
    let text = error.to_string();
    connections.recover(error).unwrap();
    assert_eq!(connections.last_error().unwrap().to_string(), text);
    assert_eq!(connections.failures(), 1);
    // The connection is counted once.
    connections
        .recover(io::Error::other("late").into())
        .unwrap();
    assert_eq!(connections.failures(), 1);

    drop(connections.next().await.unwrap());
    let error = connections
        .recover(Error::other("wrong price"))
        .unwrap_err();
    assert_eq!(error.to_string(), "wrong price");
    assert_eq!(
        connections.last_error().unwrap().to_string(),
        "transport failed: late"
    );
    // The program may still connect again.
    connections.next().await.unwrap();
    assert_eq!((attempts.count(), connections.connections()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn an_error_after_the_last_attempt_is_returned() {
    let (connections, _) = reconnect([Answer::Lose(secs(10)), Answer::Lose(secs(1))]);
    let mut connections = connections.max_attempts(2);
    one_session(&mut connections).await.unwrap();
    one_session(&mut connections).await.unwrap();
    let error = one_session(&mut connections).await.unwrap_err();
    assert!(error.is_closed(), "{error}");
    assert_eq!(connections.failures(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_error_of_a_stable_connection_stays_until_a_clean_end() {
    let answers = [
        Answer::Lose(secs(10)),
        Answer::Close(secs(10)),
        Answer::Late(secs(0)),
    ];
    let (mut connections, _) = reconnect(answers);
    one_session(&mut connections).await.unwrap();
    assert_eq!(connections.failures(), 0);
    let ws = connections.next().await.unwrap();
    assert!(connections.last_error().unwrap().is_closed());
    session(ws).await.unwrap();
    connections.next().await.unwrap();
    assert!(connections.last_error().is_none());
}

#[test]
fn an_error_may_be_recorded_outside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().start_paused(true).build().unwrap();
    let enter = runtime.enter();
    let (mut connections, attempts) = reconnect([Answer::Late(secs(0))]);
    drop(enter);
    runtime.block_on(connections.next()).unwrap();
    let reset = io::Error::from(io::ErrorKind::ConnectionReset);
    connections.recover(reset.into()).unwrap();
    runtime.block_on(connections.next()).unwrap();
    assert_eq!(attempts.count(), 2);
}
