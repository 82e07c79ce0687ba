//! permessage-deflate (RFC 7692) between endpoints of this crate.

use bytes::BytesMut;
use wsimd::{
    Event, Message, Role,
    extension::Compress,
    protocol::{Receiver, Sender},
};

use crate::support::deflate::{agree, config, deflate};

#[test]
fn messages_of_all_sizes_arrive() {
    for takeover in [true, false] {
        for bits in 8..=15 {
            let config = config(deflate(bits, takeover));
            let (client, server) = agree(&config, &config);
            let mut sender = Sender::new(Role::Client, &config);
            sender.set_encoders(client.split().0);
            let mut receiver = Receiver::new(Role::Server, &config);
            receiver.set_decoders(server.split().1);
            for len in [0, 1, 10, 1000, 0, 40_000, 100, 1_000_000] {
                for compress in [Compress::Auto, Compress::Never, Compress::Always] {
                    sender.set_compress(compress);
                    let text = "{\"price\": 12.5, \"é\": [1,2,3]}".repeat(len / 20 + 1);
                    let len = (0..=len)
                        .rev()
                        .find(|len| text.is_char_boundary(*len))
                        .unwrap();
                    let text = &text[..len];
                    for message in [Message::from(text), Message::from(text.as_bytes().to_vec())] {
                        let mut wire = BytesMut::new();
                        sender.send(message.clone(), &mut wire).unwrap();
                        if compress != Compress::Never && len > 100 {
                            assert!(wire.len() < len / 4, "{} of {len}", wire.len());
                        }
                        let received = receiver.receive(&mut wire).unwrap();
                        assert_eq!(received, Some(Event::Message(message)));
                        assert!(wire.is_empty());
                    }
                }
            }
        }
    }
}
