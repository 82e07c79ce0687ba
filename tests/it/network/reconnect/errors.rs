//! The errors after which another attempt follows, and those that are returned.

use super::*;

const UNAUTHORIZED: Answer =
    Answer::Respond("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
const NOT_FOUND: Answer = Answer::Respond("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
const UNAVAILABLE: Answer = Answer::Respond("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");

#[tokio::test(start_paused = true)]
async fn an_error_that_may_pass_is_followed_by_another_attempt() {
    for answer in [Answer::Refuse, Answer::Drop, Answer::Hang, UNAVAILABLE] {
        let (mut connections, attempts) = reconnect([answer, answer, Answer::Late(secs(0))]);
        connections.next().await.unwrap();
        assert_eq!((attempts.count(), connections.failures()), (3, 2));
        assert_eq!(connections.connections(), 1);
        let error = connections.last_error().unwrap();
        assert!(error.is_retryable(), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_a_retry_does_not_cure_is_returned() {
    let wrong = Answer::Respond("HTTP/1.1 101 Switching Protocols\r\n\r\n");
    let foreign = Answer::Respond("SSH-2.0-OpenSSH\r\n");
    for answer in [UNAUTHORIZED, NOT_FOUND, wrong, foreign] {
        let (mut connections, attempts) = reconnect([Answer::Refuse, answer]);
        let error = connections.next().await.unwrap_err();
        assert!(matches!(error, Error::Handshake(_)), "{error:?}");
        assert_eq!((attempts.count(), connections.failures()), (2, 2));
        // The error before it was retried.
        let error = connections.last_error().unwrap();
        assert!(matches!(error, Error::Connect(_)), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_after_an_error_tries_again_after_a_pause() {
    let answers = [UNAUTHORIZED, UNAUTHORIZED, Answer::Late(secs(0))];
    let mut times = Vec::new();
    for _ in 0..8 {
        let (mut connections, attempts) = reconnect(answers);
        for _ in 0..2 {
            let error = connections.next().await.unwrap_err();
            assert_eq!(error.status().unwrap(), 401);
        }
        connections.next().await.unwrap();
        assert_eq!(attempts.count(), 3);
        times.push(attempts.times()[1]);
    }
    assert!(times.iter().any(|time| *time > Duration::ZERO), "{times:?}");
}

#[cfg(feature = "ring")]
#[tokio::test]
async fn an_invalid_certificate_is_returned() {
    use crate::{network::certificates::Authority, support::serve::Running};

    let builder = ServerBuilder::new().tls(Authority::new("tests").server());
    let server = Running::start_with(builder, session).await;
    let client = ClientBuilder::new().tls(Authority::new("others").client());
    let uri = format!("wss://localhost:{}/", server.address.port());
    let mut connections = client.reconnect(uri).unwrap();
    let error = connections.next().await.unwrap_err();
    assert!(matches!(error, Error::Tls(_)), "{error:?}");
    assert_eq!(connections.failures(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_error_of_the_last_attempt_in_a_row_is_returned() {
    for limit in [0, 1, 2, 5] {
        let (connections, attempts) = reconnect([Answer::Refuse]);
        let mut connections = connections.max_attempts(limit);
        let error = connections.next().await.unwrap_err();
        assert!(matches!(error, Error::Connect(_)), "{error:?}");
        assert_eq!(attempts.count(), limit.max(1) as usize);
    }
    // A connection that ends early counts, and a stable one resets the count.
    let answers = [
        Answer::Refuse,
        Answer::Lose(secs(1)),
        Answer::Lose(secs(10)),
        Answer::Refuse,
        Answer::Close(secs(1)),
        UNAVAILABLE,
    ];
    let (connections, attempts) = reconnect(answers);
    let mut connections = connections.max_attempts(3);
    for _ in 0..3 {
        one_session(&mut connections).await.unwrap();
    }
    let error = one_session(&mut connections).await.unwrap_err();
    assert_eq!(error.status().unwrap(), 503);
    assert_eq!((attempts.count(), connections.failures()), (6, 3));
    // Without a limit.
    let (connections, attempts) = reconnect(vec![Answer::Refuse; 100]);
    let mut connections = connections.max_attempts(3).max_attempts(None);
    let forever = connections.next();
    assert!(tokio::time::timeout(secs(3600), forever).await.is_err());
    assert!(attempts.count() > 60, "{}", attempts.count());
}

#[tokio::test(start_paused = true)]
async fn the_function_decides_and_sees_each_error() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let answers = [
        NOT_FOUND,
        Answer::Refuse,
        Answer::Lose(secs(0)),
        NOT_FOUND,
        UNAUTHORIZED,
    ];
    let (connections, _) = reconnect(answers);
    let mut connections = connections.retry_if(move |error| {
        log.lock().unwrap().push(error.to_string());
        error.status().is_none_or(|status| status == 404)
    });
    one_session(&mut connections).await.unwrap();
    let error = one_session(&mut connections).await.unwrap_err();
    assert_eq!(error.status().unwrap(), 401);
    let seen = seen.lock().unwrap();
    for (error, text) in seen.iter().zip(["404", "refused", "lost", "404", "401"]) {
        assert!(error.contains(text), "{error}");
    }
    assert_eq!(seen.len(), 5);
}
