//! No reset overtakes our Close frame: a socket that is closed with unread bytes resets the connection, and the peer
//! loses the bytes that it has not read.

use std::time::Duration;

use tokio::{
    io::AsyncWriteExt,
    sync::oneshot,
    task::JoinSet,
    time::{sleep, timeout},
};
use wsimd::{CloseCode, Config, WebSocket};

use super::{
    cases::{Case, Data, Peer, Who},
    model::expected,
    open, ours,
    peer::{RawPeer, Seen},
    sockets,
};
use crate::support::{
    frames::{BINARY, CONTINUATION, FIN, ROLES, TEXT, close, frame},
    secs, soon,
};

/// The number of repetitions, because a peer may lose our last bytes only sometimes.
const TIMES: usize = 200;

/// The number of bytes after the end: more than one read, and less than we discard.
const NOISE: usize = 3 << 20;

/// The peer writes before it reads: messages while we close, or noise behind its own end.
async fn flood(case: Case) -> Seen {
    let (near, far) = sockets(case.unix).await;
    let mut ws = open(near, &case);
    let handle = ws.handle();
    let mut peer = RawPeer::new(far, case);
    let noise = vec![0; if case.who.we_close() { 0 } else { NOISE }];
    let message = frame(case.role.peer(), FIN | BINARY, &[b'f'; 10_000]);
    if !case.who.we_close() {
        peer.end().await;
        // The sockets take a part of the noise.
        let _ = timeout(Duration::from_millis(20), peer.write(&noise)).await;
    }
    let (report, reported) = oneshot::channel();
    let near = async {
        ours::end(ws, &handle, &case).await;
        // The peer may have ended before us.
        let _ = report.send(());
    };
    let far = async {
        if case.who.we_close() {
            peer.write(&message.repeat(30)).await;
        }
        peer.behave(reported).await
    };
    soon(async { tokio::join!(near, far).1 }).await
}

#[tokio::test]
async fn a_peer_that_reads_last_reads_our_close_frame_each_time() {
    let ways = [
        Who::Close,
        Who::SendClose,
        Who::HandleTryClose,
        Who::Both,
        Who::PeerClose,
        Who::PeerViolation,
    ];
    for role in ROLES {
        for who in ways {
            let case = Case {
                role,
                who,
                code: Some(1001),
                data: Data::Nothing,
                unread: true,
                peer: Peer::Behaves,
                unix: false,
            };
            let mut running = JoinSet::new();
            for _ in 0..TIMES {
                running.spawn(flood(case));
                if running.len() >= 20 {
                    check(&case, &running.join_next().await.unwrap().unwrap());
                }
            }
            for seen in running.join_all().await {
                check(&case, &seen);
            }
        }
    }
}

fn check(case: &Case, seen: &Seen) {
    assert!(!seen.is_reset, "a reset of {case:?}");
    assert_eq!(seen.close, expected(case).sent, "{case:?}");
}

#[tokio::test]
async fn a_deadline_does_not_discard_what_has_arrived_in_time() {
    for role in ROLES {
        let (near, mut far) = sockets(false).await;
        let config = Config::new().close_timeout(secs(1));
        let mut ws = WebSocket::new(near, role, &config);
        ws.send_close(CloseCode::NORMAL, "").await.unwrap();
        let peer = role.peer();
        let bytes = [
            frame(peer, TEXT, b"in "),
            frame(peer, FIN | CONTINUATION, b"time"),
            close(peer, 1000, ""),
        ];
        far.write_all(&bytes.concat()).await.unwrap();
        far.shutdown().await.unwrap();
        // The application is late.
        sleep(Duration::from_millis(1500)).await;
        assert_eq!(ws.recv().await.unwrap(), Some("in time".into()));
        assert_eq!(ws.recv().await.unwrap(), None);
        assert!(ws.closed().unwrap().is_clean());
    }
}
