//! Our side of a case.

use std::time::Duration;

use tokio::time::Instant;
use wsimd::{CloseCode, CloseFrame, Closed, Error, Handle, WebSocket, net::Stream};

use super::{
    MESSAGES, OUR_CODE, QUEUED_LEN,
    cases::{Case, Data, Who},
    model::{Code, Report},
};
use crate::support::soon;

/// The end as we report it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) report: Report,
    pub(super) took: Duration,
    pub(super) sent: Option<Code>,
    pub(super) received: Option<Code>,
    pub(super) received_first: bool,
    /// The number of received messages.
    pub(super) messages: usize,
}

/// Queues messages as the side that is going to close.
pub(super) async fn queue(ws: &mut WebSocket<Stream>, handle: &Handle, case: &Case) {
    let message = match case.data {
        Data::Compressed => vec![b'c'; 20 * QUEUED_LEN],
        _ => vec![b'q'; QUEUED_LEN],
    };
    for _ in 0..MESSAGES {
        match case.who {
            Who::HandleClose | Who::HandleTryClose => handle.try_send(message.clone()).unwrap(),
            // The socket may be full.
            _ => drop(ws.try_feed(message.clone())),
        }
    }
}

/// Ends the connection, waits for the report, and drops the connection.
pub(super) async fn end(ws: WebSocket<Stream>, handle: &Handle, case: &Case) -> Outcome {
    let start = Instant::now();
    let (result, messages, closed) = soon(run(ws, handle, case)).await;
    let took = start.elapsed();
    let report = match result {
        Ok(()) => Report::Ended,
        Err(Error::Closed(closed)) => Report::Closed(closed.code().into()),
        Err(Error::Timeout(_)) => Report::Timeout,
        Err(Error::Protocol(_)) => Report::Violation,
        Err(Error::Io(_)) => Report::Lost,
        Err(error) => panic!("{error:?} of {case:?}"),
    };
    // Handles know the same end as the connection.
    let at_handle = soon(handle.closed()).await;
    assert_eq!(closed.unwrap_or_default(), at_handle, "{case:?}");
    Outcome {
        report,
        took,
        sent: at_handle.sent.as_ref().map(code),
        received: at_handle.received.as_ref().map(code),
        received_first: at_handle.received_first,
        messages,
    }
}

fn code(frame: &CloseFrame) -> Code {
    frame.code().map(u16::from)
}

/// Ends the connection. Returns the result, the number of received messages and the Close frames.
async fn run(
    mut ws: WebSocket<Stream>,
    handle: &Handle,
    case: &Case,
) -> (Result<(), Error>, usize, Option<Closed>) {
    let code = case.code.map_or(CloseCode::NORMAL, CloseCode::from);
    let mut messages = 0;
    let result = match case.who {
        Who::Drop => {
            drop(ws);
            return (Err(Error::Closed(handle.closed().await.into())), 0, None);
        }
        Who::Both => ws.close(CloseCode::from(OUR_CODE), "").await,
        Who::Close => ws.close(code, "").await,
        Who::SendClose => match ws.send_close(code, "").await {
            Ok(()) => receive(&mut ws, &mut messages).await,
            failed => failed,
        },
        who => {
            match who {
                Who::HandleClose => handle.close(code, "").await.unwrap(),
                Who::HandleTryClose => handle.try_close(code, "").unwrap(),
                Who::HandleAbort => handle.abort(),
                _ => {}
            }
            receive(&mut ws, &mut messages).await
        }
    };
    (result, messages, ws.closed())
}

async fn receive(ws: &mut WebSocket<Stream>, messages: &mut usize) -> Result<(), Error> {
    while ws.recv().await?.is_some() {
        *messages += 1;
    }
    Ok(())
}
