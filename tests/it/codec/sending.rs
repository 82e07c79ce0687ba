//! Messages and control frames that a `Codec` refuses to send.

use futures_util::{SinkExt, StreamExt};
use tokio_util::codec::Framed;
use wsimd::{CloseCode, CloseFrame, Codec, Event, SendError};

use super::{close_event, config, framed, send_error};
use crate::support::{
    frames::{BINARY, CONTINUATION, FIN, PING, PONG, ROLES, TEXT, close, frame},
    script::Script,
};

#[tokio::test]
async fn what_may_not_be_sent_leaves_nothing_behind() {
    for role in ROLES {
        let script = Script::new([]);
        let seen = script.seen.clone();
        let codec = Codec::new(role, &config().max_outgoing_message_size(10));
        let mut framed = Framed::new(script, codec);
        let too_big = send_error(framed.feed(vec![0; 11].into()).await);
        assert_eq!(
            too_big,
            SendError::MessageTooBig {
                size: 11,
                limit: 10
            }
        );
        for event in [
            Event::Ping(vec![0; 126].into()),
            Event::Pong(vec![0; 126].into()),
        ] {
            let too_long = send_error(framed.feed(event).await);
            assert_eq!(too_long, SendError::ControlTooLong { size: 126 });
        }
        assert!(framed.write_buffer().is_empty());
        // The codec still works.
        framed.send(vec![0; 10].into()).await.unwrap();
        framed.send(Event::Ping(vec![0; 125].into())).await.unwrap();
        let sent = [
            frame(role, FIN | BINARY, &[0; 10]),
            frame(role, FIN | PING, &[0; 125]),
        ];
        assert_eq!(seen.written(), sent.concat());
    }
}

#[tokio::test]
async fn one_close_frame_is_sent_and_no_message_after_it() {
    for role in ROLES {
        let input = frame(role.peer(), FIN | TEXT, b"still coming");
        let (mut framed, seen) = framed(role, Script::whole(&input).silent());
        framed.send(close_event(1000, "first")).await.unwrap();
        let sent = close(role, 1000, "first");
        assert_eq!(seen.written(), sent);
        for event in [
            Event::from("late"),
            Event::from(vec![1]),
            Event::Ping("late".into()),
        ] {
            let error = framed.feed(event).await.unwrap_err();
            assert!(error.is_closed(), "{error:?}");
            assert_eq!(send_error::<()>(Err(error)), SendError::Closed);
        }
        // A second Close is no error, so that every reply can be passed to the codec.
        framed.send(close_event(1001, "second")).await.unwrap();
        framed.send(Event::Close(CloseFrame::EMPTY)).await.unwrap();
        assert!(framed.write_buffer().is_empty());
        assert_eq!(seen.written(), sent);
        assert_eq!(
            framed.codec().close_frames().sent.unwrap().reason(),
            "first"
        );
        // The other direction is open, and pongs may still be sent.
        assert_eq!(framed.next().await.unwrap().unwrap(), "still coming".into());
        framed.send(Event::Pong("p".into())).await.unwrap();
        assert_eq!(
            seen.written(),
            [sent, frame(role, FIN | PONG, b"p")].concat()
        );
    }
}

#[tokio::test]
async fn the_codec_knows_who_said_close_first() {
    for role in ROLES {
        let input = close(role.peer(), 1001, "theirs");
        let (mut first, _) = framed(role, Script::whole(&input));
        first.send(close_event(1000, "ours")).await.unwrap();
        let half = first.codec().close_frames();
        assert_eq!(
            (half.code(), half.is_complete()),
            (CloseCode::ABNORMAL, false)
        );
        first.next().await.unwrap().unwrap();
        let (mut second, _) = framed(role, Script::whole(&input));
        second.next().await.unwrap().unwrap();
        let half = second.codec().close_frames();
        assert_eq!(
            (half.code(), half.is_complete()),
            (CloseCode::GOING_AWAY, false)
        );
        assert_eq!(half.sent, None);
        second.send(close_event(1000, "ours")).await.unwrap();
        for (framed, received_first) in [(first, false), (second, true)] {
            let closed = framed.codec().close_frames();
            assert!(closed.is_complete() && closed.is_clean());
            assert_eq!(closed.received_first, received_first);
            assert_eq!(
                (closed.code(), closed.reason()),
                (CloseCode::GOING_AWAY, "theirs")
            );
            assert_eq!(closed.sent.unwrap().reason(), "ours");
        }
    }
}

#[tokio::test]
async fn messages_are_sent_in_frames_of_the_configured_size() {
    for role in ROLES {
        let script = Script::new([]);
        let seen = script.seen.clone();
        let codec = Codec::new(role, &config().outgoing_frame_size(3));
        let mut framed = Framed::new(script, codec);
        framed.send("1234567".into()).await.unwrap();
        framed.send("123".into()).await.unwrap();
        framed.send("".into()).await.unwrap();
        let sent = [
            frame(role, TEXT, b"123"),
            frame(role, CONTINUATION, b"456"),
            frame(role, FIN | CONTINUATION, b"7"),
            frame(role, FIN | TEXT, b"123"),
            frame(role, FIN | TEXT, b""),
        ];
        assert_eq!(seen.written(), sent.concat());
    }
}
