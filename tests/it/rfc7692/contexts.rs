//! Released and shared contexts: later messages still work, and no connection reads the bytes of another.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use wsimd::{Config, Event, Parts, ProtocolError, Role, WebSocket, extension::Deflate};

use crate::{
    rfc7692::receiving::DAMAGED,
    support::{
        bits::Bits,
        deflate::{Inbound, Outbound, RSV1, agree, config, deflate, frames, noise, text},
        frames::{BINARY, CONTINUATION, FIN, PING, PONG, frame},
        inflater::Inflater,
        memory::held,
        opening::{URI, meet},
        soon,
        zlib::Zlib,
    },
};

/// The least memory of both contexts of a connection, in bytes.
const CONTEXTS: isize = 380 << 10;

/// A message whose first bytes refer `distance` bytes back.
fn stolen(distance: u16) -> Vec<u8> {
    Bits::new().fixed(false).copy(258, distance).end().message()
}

#[test]
fn a_message_does_not_reach_what_another_connection_received() {
    for takeover in [true, false] {
        let config = config(deflate(15, takeover));
        for ended in [true, false] {
            for distance in [1, 258, 1000, 16_384, 32_768] {
                let mut secret = Inbound::new(&config);
                let payload = Zlib::new(6, 15).message(&noise(40_000, 1));
                secret.message(&payload).unwrap();
                if ended {
                    let end = Bits::new().stored(true, b"").bytes();
                    secret.message(&end).unwrap();
                }
                secret.0.release_idle();
                secret.0.release_idle();
                let error = Inbound::new(&config)
                    .message(&stolen(distance))
                    .unwrap_err();
                assert_eq!(error, DAMAGED, "{distance} bytes back");
            }
        }
    }
}

#[test]
fn a_message_does_not_reach_further_than_what_this_connection_received() {
    let config = config(deflate(15, true));
    Inbound::new(&config)
        .message(&Zlib::new(6, 15).message(&noise(40_000, 1)))
        .unwrap();
    for tidy in [0, 1, 2] {
        let mut inbound = Inbound::new(&config);
        let own = Bits::new().fixed(false).literals(b"abc").end().message();
        inbound.message(&own).unwrap();
        for _ in 0..tidy {
            inbound.0.release_idle();
        }
        let reaches = Bits::new().fixed(false).copy(3, 3).end().message();
        assert_eq!(inbound.message(&reaches).unwrap(), b"abc");
        for _ in 0..tidy {
            inbound.0.release_idle();
        }
        assert_eq!(inbound.message(&stolen(7)).unwrap_err(), DAMAGED);
    }
}

#[test]
fn without_takeover_a_message_does_not_reach_those_before() {
    let mut inbound = Inbound::new(&config(deflate(15, false)));
    let own = Bits::new().fixed(false).literals(b"abc").end().message();
    for _ in 0..6 {
        assert_eq!(inbound.message(&own).unwrap(), b"abc");
    }
    assert_eq!(inbound.message(&stolen(1)).unwrap_err(), DAMAGED);
}

#[test]
fn what_was_compressed_for_one_connection_is_not_referred_to_on_another() {
    for takeover in [true, false] {
        let config = config(deflate(15, takeover));
        let secret = noise(5000, 7);
        let mut other = Outbound::new(&config);
        other.message(&[&secret[..], &secret].concat());
        other.0.release_idle();
        other.0.release_idle();
        let mut outbound = Outbound::new(&config);
        let message = [&secret[..], &secret].concat();
        let payload = outbound.message(&message);
        assert_eq!(Inflater::default().message(&payload), message);
    }
}

#[test]
fn contexts_that_were_given_back_leave_both_sides_able_to_go_on() {
    for bits in [8_u8, 9, 12, 15] {
        let config = config(deflate(bits, true));
        let (mut outbound, mut inbound) = (Outbound::new(&config), Inbound::new(&config));
        let mut zlib = Zlib::new(6, bits.max(9));
        // This inflater keeps every byte that was sent.
        let mut inflater = Inflater::default();
        for round in 0..8 {
            for len in [300, 5000, 70_000, 40, 1000] {
                let message = text(len + round);
                let sent = outbound.message(message.as_bytes());
                assert_eq!(inflater.message(&sent), message.as_bytes());
                let received = inbound.message(&zlib.message(message.as_bytes()));
                assert_eq!(received.unwrap(), message.as_bytes());
            }
            for _ in 0..round % 4 {
                outbound.0.release_idle();
                inbound.0.release_idle();
            }
        }
    }
}

#[test]
fn a_context_that_was_given_back_does_not_refer_to_messages_before() {
    let mut outbound = Outbound::new(&config(deflate(15, true)));
    let message = noise(2000, 3);
    let first = outbound.message(&message).len();
    outbound.0.release_idle();
    assert!(
        outbound.message(&message).len() < 100,
        "given back too early"
    );
    outbound.0.release_idle();
    outbound.0.release_idle();
    let last = outbound.message(&message);
    assert!(last.len() >= first);
    assert_eq!(Inflater::default().message(&last), message);
}

#[test]
fn nothing_is_given_back_within_a_message() {
    let message = text(3000);
    let payload = Zlib::new(6, 15).message(message.as_bytes());
    let whole = frame(Role::Client, FIN | RSV1 | BINARY, &payload);
    let (head, tail) = payload.split_at(payload.len() / 2);
    let fragments = [
        frame(Role::Client, RSV1 | BINARY, head),
        frame(Role::Client, FIN | CONTINUATION, tail),
    ];
    for takeover in [true, false] {
        for input in [&whole, &fragments.concat()] {
            for cut in 1..input.len() {
                let mut inbound = Inbound::new(&config(deflate(15, takeover)));
                assert_eq!(inbound.bytes(&input[..cut]), Ok(None));
                inbound.0.release_idle();
                inbound.0.release_idle();
                let received = inbound.bytes(&input[cut..]).unwrap();
                let expected = Event::Message(message.as_bytes().to_vec().into());
                assert_eq!(received, Some(expected), "cut at {cut}");
            }
        }
    }
}

/// A connection and the far end of its stream.
struct Session {
    ws: WebSocket<DuplexStream>,
    far: DuplexStream,
    inflater: Inflater,
}

impl Session {
    fn open(config: &Config) -> Self {
        let (near, far) = duplex(1 << 17);
        let parts = Parts::new(near, Role::Server, config).extensions(agree(config, config).1);
        let ws = WebSocket::from_parts(parts);
        let inflater = Inflater::default();
        Self { ws, far, inflater }
    }

    /// Exchanges a message in each direction.
    async fn exchange(&mut self) {
        let message = text(20_000).into_bytes();
        let payload = Bits::new().stored(false, &message).message();
        let received = frame(Role::Client, FIN | RSV1 | BINARY, &payload);
        self.far.write_all(&received).await.unwrap();
        assert_eq!(self.ws.recv().await.unwrap().unwrap().as_bytes(), message);
        self.ws.send(message.clone()).await.unwrap();
        let mut wire = vec![0; 1 << 16];
        let len = self.far.read(&mut wire).await.unwrap();
        let sent = frames(&wire[..len]);
        assert_eq!(sent[0].first, FIN | RSV1 | BINARY);
        assert_eq!(self.inflater.message(&sent[0].payload), message);
    }

    /// Receives until this number of keepalive pings has arrived.
    async fn idle(&mut self, pings: usize) {
        let answered = async {
            for _ in 0..pings {
                let mut ping = [0; 6];
                self.far.read_exact(&mut ping).await.unwrap();
                assert_eq!(ping[..2], [FIN | PING, 4]);
                let pong = frame(Role::Client, FIN | PONG, &ping[2..]);
                self.far.write_all(&pong).await.unwrap();
            }
        };
        tokio::select! {
            biased;
            message = self.ws.recv() => panic!("{message:?}"),
            () = answered => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_gives_its_contexts_back_with_the_second_ping() {
    let config = config(deflate(15, true)).ping_interval(Duration::from_secs(20));
    // This fills the pool that a thread keeps for all of its connections.
    Session::open(&config).exchange().await;
    let mut session = Session::open(&config);
    let before = held();
    session.exchange().await;
    let taken = held() - before;
    assert!(taken > CONTEXTS, "{taken} bytes with contexts");
    // Other connections fill the pool of the thread, so that contexts that are released now are freed.
    let mut others: Vec<_> = (0..8).map(|_| Session::open(&config)).collect();
    for other in &mut others {
        other.exchange().await;
    }
    for other in &mut others {
        other.idle(2).await;
    }
    drop(others);
    let before = held();
    session.idle(1).await;
    let freed = before - held();
    assert!(
        freed < CONTEXTS / 20,
        "the first ping gave {freed} bytes back"
    );
    session.exchange().await;
    let before = held();
    session.idle(2).await;
    let freed = before - held();
    assert!(freed > CONTEXTS, "{freed} bytes were given back");
    session.exchange().await;
}

#[tokio::test(start_paused = true)]
async fn messages_go_on_for_hours_between_endpoints_that_idle_now_and_then() {
    let config = Config::new().extension(Deflate::new().threshold(0));
    let client = wsimd::ClientBuilder::new().config(config.clone());
    let server = wsimd::ServerBuilder::new().config(config);
    let ((mut client, _), (mut server, _)) = meet(&client, &server, URI).await;
    let echo = tokio::spawn(async move {
        while let Some(message) = server.recv().await? {
            server.send(message).await?;
        }
        Ok::<_, wsimd::Error>(())
    });
    for seconds in [1, 15, 30, 45, 90, 3600, 1] {
        let message = text(500 + seconds);
        client.send(message.as_str()).await.unwrap();
        let received = soon(client.recv()).await.unwrap();
        assert_eq!(received.unwrap().as_text(), Some(message.as_str()));
        let pause = Duration::from_secs(seconds as u64);
        let idle = tokio::time::timeout(pause, client.recv()).await;
        assert!(idle.is_err(), "{idle:?}");
    }
    client.close(wsimd::CloseCode::NORMAL, "").await.unwrap();
    echo.await.unwrap().unwrap();
}

#[test]
fn a_message_that_failed_leaves_nothing_to_the_next_connection() {
    let config = config(deflate(15, false));
    for _ in 0..6 {
        let mut inbound = Inbound::new(&config);
        let damaged = Bits::new().stored(false, b"secret").put(0b110, 3).bytes();
        let error: ProtocolError = inbound.message(&damaged).unwrap_err();
        assert_eq!(error, DAMAGED);
        drop(inbound);
        let error = Inbound::new(&config).message(&stolen(3)).unwrap_err();
        assert_eq!(error, DAMAGED);
    }
}
