//! Redirects: off by default, bounded, never out of TLS, and without the secrets of another origin.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncWriteExt, duplex},
    task::JoinHandle,
    time::Instant,
};
use wsimd::{
    ClientBuilder, Error, Offer, Opening, Origins, Policy, ServerBuilder,
    handshake::HandshakeError,
    http::{HeaderMap, Response, StatusCode},
    net::Stream,
};

/// A server that redirects `/to/<status>/<target>`, where the target is encoded with `!` for `/`, and accepts any
/// other path. It keeps the requests.
struct Site {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<(String, HeaderMap)>>>,
    task: JoinHandle<()>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Site {
    async fn start(builder: ServerBuilder) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let policy = Policy::new().origins(Origins::any());
        let server = builder.policy(policy).bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let task = tokio::spawn(server.serve_openings(move |opening| {
            let path = opening.request().uri().to_string();
            let request = (path, opening.headers().clone());
            seen.lock().unwrap().push(request);
            answer(opening)
        }));
        Self {
            address,
            requests,
            task,
        }
    }

    fn paths(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests.iter().map(|(path, _)| path.clone()).collect()
    }

    fn last_headers(&self) -> HeaderMap {
        self.requests.lock().unwrap().last().unwrap().1.clone()
    }
}

async fn answer(opening: Opening<Stream>) -> Result<(), Error> {
    let path = opening.path().to_owned();
    let Some((status, target)) = path.strip_prefix("/to/").and_then(|it| it.split_once('/')) else {
        let mut ws = opening.upgrade().await?;
        ws.send(path).await?;
        return Ok(());
    };
    let response = Response::builder()
        .status(status)
        .header("location", target.replace('!', "/"))
        .body("moved")
        .unwrap();
    opening.respond(response).await
}

/// A client that finds the names of `hosts` at their addresses.
fn client(hosts: Vec<(&'static str, SocketAddr)>) -> ClientBuilder {
    ClientBuilder::new()
        .max_redirects(10)
        .resolve_with(move |host, _| {
            let hosts = hosts.clone();
            async move {
                let found = hosts.iter().find(|(name, _)| *name == host);
                Ok(found.map(|(_, address)| *address).into_iter().collect())
            }
        })
}

fn reason(error: &Error) -> &'static str {
    match error {
        Error::Handshake(error) => match **error {
            HandshakeError::Redirect { reason, .. } => reason,
            ref error => panic!("{error:?}"),
        },
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn redirects_are_off_by_default() {
    let site = Site::start(ServerBuilder::new()).await;
    let uri = format!("ws://{}/to/302/!x", site.address);
    let error = wsimd::connect(&uri).await.unwrap_err();
    assert_eq!(error.status(), Some(StatusCode::FOUND));
    assert_eq!(error.response().unwrap().headers()["location"], "/x");
    assert_eq!(error.response().unwrap().body(), "moved");
    assert_eq!(
        error.to_string(),
        "opening handshake failed: the server answered 302 Found to \"/x\", not 101; redirects are not followed \
         (ClientBuilder::max_redirects)"
    );
    assert_eq!(site.paths(), ["/to/302/!x"]);
}

#[tokio::test]
async fn five_statuses_redirect() {
    let site = Site::start(ServerBuilder::new()).await;
    let client = ClientBuilder::new().max_redirects(1);
    for status in [301, 302, 303, 307, 308] {
        let uri = format!("ws://{}/to/{status}/!x?y=z", site.address);
        let mut ws = client.connect(&uri).await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap(), "/x");
    }
    for status in [300, 304, 305, 306] {
        let uri = format!("ws://{}/to/{status}/!x", site.address);
        let error = client.connect(&uri).await.unwrap_err();
        assert_eq!(error.status().unwrap(), status, "{error}");
    }
}

#[tokio::test]
async fn one_origin_gets_all_headers_again_and_another_none() {
    let (first, second) = (
        Site::start(ServerBuilder::new()).await,
        Site::start(ServerBuilder::new()).await,
    );
    let hosts = vec![("a.test", first.address), ("b.test", second.address)];
    let mut offer = Offer::new()
        .origin("https://page.test")
        .and_then(|offer| offer.subprotocols(["chat"]))
        .unwrap();
    for (name, value) in [
        ("cookie", "session=1"),
        ("x-api-key", "2"),
        ("proxy-authorization", "Basic 3"),
        ("user-agent", "mine"),
    ] {
        offer = offer.header(name, value).unwrap();
    }
    let client = client(hosts).offer(offer);
    let own = [
        "authorization",
        "cookie",
        "x-api-key",
        "proxy-authorization",
    ];

    let uri = "ws://user:secret@a.test/to/302/!same";
    client.connect(uri).await.unwrap();
    let headers = first.last_headers();
    assert!(
        own.iter().all(|name| headers.contains_key(*name)),
        "{headers:?}"
    );
    assert_eq!(headers["user-agent"], "mine");
    assert_eq!(headers["host"], "a.test");

    for target in [
        "ws:!!b.test!x",
        "!!b.test!x",
        "http:!!b.test!x",
        "ws:!!a.test:81!x",
    ] {
        let uri = format!("ws://user:secret@a.test/to/307/{target}");
        client.connect(uri).await.unwrap();
        let site = if target.contains("b.test") {
            &second
        } else {
            &first
        };
        let headers = site.last_headers();
        assert!(
            own.iter().all(|name| !headers.contains_key(*name)),
            "{headers:?}"
        );
        assert!(
            headers["user-agent"]
                .to_str()
                .unwrap()
                .starts_with("wsimd/")
        );
        assert_eq!(headers["origin"], "https://page.test");
        assert_eq!(headers["sec-websocket-protocol"], "chat");
    }
}

#[tokio::test]
async fn headers_stay_away_after_a_way_over_another_origin() {
    let (first, second) = (
        Site::start(ServerBuilder::new()).await,
        Site::start(ServerBuilder::new()).await,
    );
    let hosts = vec![("a.test", first.address), ("b.test", second.address)];
    let offer = Offer::new().header("cookie", "session=1").unwrap();
    let client = client(hosts).offer(offer);
    // `a.test` redirects to `b.test`, whose own path has one more redirect, back to `a.test`.
    let mut ws = client
        .connect("ws://u:p@a.test/to/302/ws:!!b.test!to!302!ws:!!a.test!x")
        .await
        .unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "/x");
    assert_eq!(second.paths().len(), 1);
    let headers = first.last_headers();
    assert!(!headers.contains_key("cookie") && !headers.contains_key("authorization"));
}

#[tokio::test]
async fn the_number_of_redirects_is_limited() {
    let site = Site::start(ServerBuilder::new()).await;
    // The path redirects to itself.
    let uri = format!("ws://{}/to/302/", site.address);
    for (limit, requests) in [(1, 2), (3, 4), (10, 11), (u32::MAX, 11)] {
        site.requests.lock().unwrap().clear();
        let error = ClientBuilder::new()
            .max_redirects(limit)
            .connect(&uri)
            .await
            .unwrap_err();
        assert_eq!(
            reason(&error),
            "too many redirects (ClientBuilder::max_redirects)"
        );
        assert_eq!(site.paths().len(), requests);
        assert!(!error.is_retryable());
    }
}

#[tokio::test]
async fn a_redirect_keeps_to_explicit_addresses() {
    let site = Site::start(ServerBuilder::new()).await;
    let client = ClientBuilder::new()
        .max_redirects(10)
        .addresses([site.address]);
    client.connect("ws://a.test/to/302/!x").await.unwrap();
    let error = client
        .connect("ws://a.test/to/302/ws:!!b.test!x")
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "opening handshake failed: the server redirects to \"ws://b.test/x\": it leaves the server that \
         ClientBuilder::addresses or unix_socket names"
    );
}

#[tokio::test]
async fn each_server_on_the_way_needs_an_allowed_address() {
    let site = Site::start(ServerBuilder::new()).await;
    let inner = SocketAddr::from(([127, 0, 0, 9], 1));
    let hosts = vec![("a.test", site.address), ("inner.test", inner)];
    let client = client(hosts).allow_addresses(move |addr| addr.ip() != inner.ip());
    for target in ["ws:!!inner.test!", "ws:!!127.0.0.9:1!"] {
        let error = client
            .connect(format!("ws://a.test/to/302/{target}"))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("allow_addresses"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_body_of_a_redirect_is_not_waited_for() {
    let start = Instant::now();
    let is_moved = AtomicBool::new(false);
    let client = ClientBuilder::new()
        .max_redirects(1)
        .connect_with(move |_| {
            let is_moved = is_moved.swap(true, Ordering::Relaxed);
            let (near, mut far) = duplex(1 << 16);
            tokio::spawn(async move {
                if is_moved {
                    return ServerBuilder::new().accept(far).await.map(drop);
                }
                far.write_all(b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\nbody without end")
                    .await?;
                std::future::pending().await
            });
            async { Ok(Stream::new(near)) }
        });
    client.connect("ws://192.0.2.1/").await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[cfg(feature = "ring")]
#[tokio::test]
async fn a_redirect_may_enter_tls_and_not_leave_it() {
    let authority = super::certificates::Authority::new("tests");
    let plain = Site::start(ServerBuilder::new()).await;
    let secure = Site::start(ServerBuilder::new().tls(authority.server())).await;
    let client = ClientBuilder::new()
        .max_redirects(2)
        .tls(authority.client());
    let (ws, wss) = (plain.address.port(), secure.address.port());

    let uri = format!("ws://localhost:{ws}/to/301/https:!!localhost:{wss}!x");
    let mut secured = client.connect(uri).await.unwrap();
    assert_eq!(secured.recv().await.unwrap().unwrap(), "/x");
    assert!(wsimd::tls::inspect(secured.get_ref(), |_| ()).is_some());

    for scheme in ["ws", "http"] {
        let uri = format!("wss://localhost:{wss}/to/301/{scheme}:!!localhost:{ws}!x");
        let error = client.connect(uri).await.unwrap_err();
        assert_eq!(reason(&error), "it leaves TLS");
    }
    assert_eq!(plain.paths().len(), 1);
}
