//! TLS from the client to nginx or HAProxy, and from these to the server.

use tokio::time::timeout;
use wsimd::{
    ClientBuilder, CloseCode, Config, Error, Offer, ServerBuilder, WebSocket, net::Stream,
    tls::server_name,
};

use super::{
    LIMIT, assert_refused,
    certificates::Authority,
    check_echo, echo, echo_server,
    proxy::{PROGRAMS, Program},
};

const URI: &str = "wss://localhost/chat";

#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn messages_and_close_codes_pass_behind_tls() {
    let authority = Authority::new("termination");
    let config = Config::new().max_message_size(16 << 20);
    for program in PROGRAMS {
        let (server, mut ended) = echo_server(config.clone()).await;
        let setup = program.guide().tls(&authority.sign("localhost"));
        let proxy = setup.start(server).await;
        let client = ClientBuilder::new()
            .config(config.clone())
            .addresses([proxy.address])
            .tls(authority.client());

        let mut ws = client.connect(URI).await.unwrap();
        for len in [0, 125, 65_536, 16 << 20] {
            let bytes: Vec<u8> = (0..=255).cycle().take(len).collect();
            check_echo(&mut ws, bytes).await;
        }
        check_echo(&mut ws, "Γειά σου, κόσμε 🌍").await;
        ws.close(CloseCode::from(4000), "done ✓").await.unwrap();
        let end = ended.recv().await.unwrap();
        assert_eq!(end, (CloseCode::from(4000), "done ✓".to_owned()));

        let mut ws = client.connect(URI).await.unwrap();
        ws.send("close").await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), None, "{program:?}");
        assert_eq!(ws.closed().unwrap().code(), CloseCode::GOING_AWAY);
    }
}

#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn only_pages_of_the_host_of_the_proxy_are_accepted_behind_tls() {
    let authority = Authority::new("termination");
    for program in PROGRAMS {
        let (server, _ended) = echo_server(Config::new()).await;
        let setup = program.guide().tls(&authority.sign("localhost"));
        let proxy = setup.start(server).await;
        let connect_as = async |page: &str| {
            ClientBuilder::new()
                .addresses([proxy.address])
                .tls(authority.client())
                .offer(Offer::new().origin(page).unwrap())
                .connect(URI)
                .await
        };
        connect_as("https://localhost").await.unwrap();
        assert_refused(connect_as("https://example.com").await, 403);
    }
}

#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn a_proxy_connects_to_a_server_with_tls() {
    let authority = Authority::new("encrypted");
    let server = ServerBuilder::new()
        .tls(authority.sign("localhost").server())
        .bind("127.0.0.1:0");
    let server = server.await.unwrap();
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(async |mut ws: WebSocket<Stream>| {
        assert_eq!(server_name(ws.get_ref()).as_deref(), Some("localhost"));
        echo(&mut ws).await
    }));
    for program in PROGRAMS {
        let guide = program.guide().file("ca.pem", &authority.pem);
        let setup = match program {
            Program::Nginx => guide.replace(
                "proxy_pass http://",
                "proxy_ssl_verify on; proxy_ssl_trusted_certificate ca.pem; proxy_ssl_name localhost; \
                 proxy_ssl_server_name on; proxy_pass https://",
            ),
            Program::Haproxy => guide.replace(
                "server one 127.0.0.1:8765",
                "server one 127.0.0.1:8765 ssl verify required ca-file ca.pem sni str(localhost)",
            ),
        };
        let proxy = setup.start(address).await;
        let mut ws = wsimd::connect(&proxy.uri()).await.unwrap();
        check_echo(&mut ws, "Γειά σου, κόσμε 🌍").await;
        check_echo(&mut ws, vec![7; 1 << 20]).await;
        ws.close(CloseCode::NORMAL, "").await.unwrap();
    }
}

/// The end of the process of a proxy closes the connection without `close_notify`.
#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn the_end_of_the_proxy_is_1006_on_both_sides() {
    let authority = Authority::new("termination");
    for program in PROGRAMS {
        let (server, mut ended) = echo_server(Config::new()).await;
        let setup = program.guide().tls(&authority.sign("localhost"));
        let proxy = setup.start(server).await;
        let client = ClientBuilder::new()
            .addresses([proxy.address])
            .tls(authority.client());
        let mut ws = client.connect(URI).await.unwrap();
        check_echo(&mut ws, "Hello").await;
        drop(proxy);
        let end = timeout(LIMIT, ws.recv()).await.expect("in time");
        assert!(matches!(end, Err(Error::Closed(_))), "{program:?}: {end:?}");
        assert_eq!(ws.closed().unwrap().code(), CloseCode::ABNORMAL);
        let (code, _) = timeout(LIMIT, ended.recv()).await.unwrap().unwrap();
        assert_eq!(code, CloseCode::ABNORMAL);
    }
}

#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn the_wrong_scheme_is_reported() {
    let authority = Authority::new("termination");
    for program in PROGRAMS {
        let (server, _ended) = echo_server(Config::new()).await;
        let setup = program.guide().tls(&authority.sign("localhost"));
        let proxy = setup.start(server).await;
        let error = wsimd::connect(&proxy.uri()).await.unwrap_err();
        let expected = match program {
            Program::Nginx => "the server answered 400 Bad Request, not 101",
            Program::Haproxy => "the server closed the connection before it answered",
        };
        assert!(error.to_string().ends_with(expected), "{error}");

        let proxy = program.guide().start(server).await;
        let client = ClientBuilder::new().tls(authority.client());
        let uri = proxy.uri().replace("ws://", "wss://");
        let error = client.connect(uri).await.unwrap_err().to_string();
        let start = format!("the TLS handshake with {} failed: ", proxy.address);
        assert!(error.starts_with(&start), "{error}");
        assert!(error.ends_with("(does the peer speak TLS?)"), "{error}");
    }
}
