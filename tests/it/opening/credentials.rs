//! Credentials are in no error, no log and no answer.

use tokio::io::duplex;
use wsimd::{ClientBuilder, Error, Offer, ServerBuilder, handshake::Credentials};

use crate::support::{opening::*, script::Script};

#[tokio::test(start_paused = true)]
async fn credentials_are_in_no_error() {
    const URI: &str = "ws://user:sesame@server.example.com/";
    let offer = Offer::new().header("cookie", "id=sesame").unwrap();
    let client = ClientBuilder::new().offer(offer);
    let mut shown = vec![format!("{client:?}")];
    let show = |error: Error| format!("{error} {error:?}");

    let answers = [
        "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 200\n",
        "",
        RESPONSE,
    ];
    for answer in answers {
        let peer = Peer {
            answer: Some(|_: &str| Script::whole(answer.as_bytes())),
            script: Script::new([]),
        };
        shown.push(show(error_of(client.handshake(URI, peer).await)));
    }
    let (near, _far) = duplex(4096);
    shown.push(show(error_of(client.handshake(URI, near).await)));
    for (part, by) in [
        ("ws:", "wss:"),
        ("ws:", "http:"),
        ("com/", "com:x/"),
        ("com/", "com/#f"),
        ("com/", "com/\u{e9}"),
        ("user", ""),
        (":sesame", ":sesame%zz"),
        (":sesame", ":sesame@:sesame"),
        ("server", "[server"),
    ] {
        shown.push(show(error_of(
            client.connect(&URI.replacen(part, by, 1)).await,
        )));
    }
    let refused = Offer::new().header("authorization", "sesame\r\n");
    shown.push(show(refused.unwrap_err().into()));

    // A server does not print the credentials that it received.
    let basic = "Authorization: Basic dXNlcjpzZXNhbWU=\r\nCookie: id=sesame";
    let request = request_and(basic).replace("Version: 13", "Version: 8");
    let (opened, seen) = accept(&ServerBuilder::new(), Script::whole(request.as_bytes())).await;
    shown.push(show(error_of(opened)));
    shown.push(String::from_utf8(seen.written()).unwrap());
    let origin = request_and("Origin: http://user:sesame@server.example.com");
    let (opened, seen) = accept(&ServerBuilder::new(), Script::whole(origin.as_bytes())).await;
    shown.push(show(error_of(opened)));
    shown.push(String::from_utf8(seen.written()).unwrap());

    for text in shown {
        assert!(!text.contains("sesame"), "{text}");
        assert!(!text.contains("dXNlcjpzZXNhbWU"), "{text}");
    }
}

#[tokio::test]
async fn credentials_are_not_in_the_debug_output_of_a_request() {
    let uri = "ws://user:sesame@h/";
    let offer = Offer::new().header("cookie", "id=sesame").unwrap();
    let client = ClientBuilder::new().offer(offer);
    let (_, (_, request)) = meet(&client, &ServerBuilder::new(), uri).await;
    assert_eq!(request.headers()["authorization"], "Basic dXNlcjpzZXNhbWU=");
    let credentials = Credentials::from_headers(request.headers()).unwrap();
    assert!(credentials.matches("user", "sesame"));
    assert!(!format!("{credentials:?}").contains("sesame"));
    let shown = format!("{request:?}");
    assert!(
        !shown.contains("dXNlcjpzZXNhbWU") && !shown.contains("sesame"),
        "{shown}"
    );
}
