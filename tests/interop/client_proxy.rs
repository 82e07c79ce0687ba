//! A client behind tinyproxy (HTTP `CONNECT`) and microsocks (SOCKS5).
//!
//! The proxies connect from another address than the client. The server sends the address that it sees, so that a
//! connection past the proxy is noticed.

use std::{
    env,
    io::ErrorKind,
    net::SocketAddr,
    process::{Command, Stdio},
};

use tokio::{net::TcpListener, task::spawn_blocking, time::timeout};
use wsimd::{
    ClientBuilder, CloseCode, Error, ServerBuilder, WebSocket, net::Stream, tls::client_config,
};

use super::{
    LIMIT,
    certificates::{Authority, Identity},
    check_echo,
    proxy::{Proxy, free_address},
};

/// The address of the proxies, as the server sees it.
const FROM: &str = "127.0.0.9";

/// Starts a server, which sends the address of the client and then echoes. Returns its port. It listens on both
/// addresses of `localhost`, because microsocks uses only the first one.
async fn start_server(tls: Option<&Identity>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut builder = ServerBuilder::new();
    if let Some(identity) = tls {
        builder = builder.tls(identity.server());
    }
    let mut server = builder.listen(listener);
    if let Ok(listener) = TcpListener::bind(("::1", port)).await {
        server = server.and_listen(listener);
    }
    tokio::spawn(server.serve(async |mut ws: WebSocket<Stream>| {
        let peer = ws.get_ref().peer_addr()?;
        ws.send(peer.ip().to_string()).await?;
        while let Some(message) = ws.recv().await? {
            ws.send(message).await?;
        }
        Ok::<(), Error>(())
    }));
    port
}

/// Starts tinyproxy with additional lines of configuration.
async fn start_http(lines: &str) -> Proxy {
    let address = free_address();
    let (host, port) = (address.ip(), address.port());
    let config = format!(
        "Port {port}\nListen {host}\nBind {FROM}\nTimeout 60\nMaxClients 20\nLogLevel Critical\n{lines}\n"
    );
    let files = [("config", config)];
    Proxy::start("tinyproxy", &["-d", "-c", "config"], address, &files).await
}

/// Starts microsocks with additional arguments.
async fn start_socks(args: &[&str]) -> Proxy {
    let address = free_address();
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let place = ["-i", &*host, "-p", &*port, "-b", FROM];
    Proxy::start("microsocks", &[&place, args].concat(), address, &[]).await
}

/// Starts HAProxy, which accepts TLS for a proxy.
async fn start_tls(behind: SocketAddr, authority: &Authority) -> Proxy {
    let address = free_address();
    let config = format!(
        "defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 30s\n    timeout server 30s\n\
         listen proxy\n    bind {address} ssl crt server.pem\n    server one {behind}\n"
    );
    let pem = authority.sign(&address.ip().to_string()).pem();
    let files = [("config", config), ("server.pem", pem)];
    Proxy::start("haproxy", &["-db", "-f", "config"], address, &files).await
}

/// Creates a client that uses this proxy.
fn through(proxy: &str) -> ClientBuilder {
    ClientBuilder::new().proxy(wsimd::Proxy::parse(proxy).unwrap())
}

/// Exchanges messages over a connection, which the proxy has to have opened.
async fn check(client: ClientBuilder, uri: &str) {
    let mut ws = client.connect(uri).await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some(FROM.into()), "{uri}");
    for len in [0, 125, 65_536, 1 << 20] {
        let bytes: Vec<u8> = (0..=255).cycle().take(len).collect();
        check_echo(&mut ws, bytes).await;
    }
    check_echo(&mut ws, "Γειά σου, κόσμε 🌍").await;
    ws.close(CloseCode::from(4000), "done ✓").await.unwrap();
    assert_eq!(ws.closed().unwrap().code(), CloseCode::from(4000));
}

/// Returns the text of the error of a proxy.
async fn refusal(client: ClientBuilder, uri: &str) -> String {
    let error = client.connect(uri).await.unwrap_err();
    assert!(matches!(error, Error::Proxy(_)), "{error:?}");
    error.to_string()
}

/// Returns a port of 127.0.0.1 on which no program listens.
async fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn ws_and_wss_pass_through_http_connect() {
    let authority = Authority::new("the servers");
    let proxy = start_http("").await;
    let way = format!("http://{}", proxy.address);
    let port = start_server(None).await;
    check(through(&way), &format!("ws://127.0.0.1:{port}/")).await;
    check(through(&way), &format!("ws://localhost:{port}/")).await;
    let port = start_server(Some(&authority.sign("localhost"))).await;
    let client = through(&way).tls(authority.client());
    check(client, &format!("wss://localhost:{port}/")).await;
}

#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn an_http_proxy_checks_credentials() {
    let proxy = start_http("BasicAuth wsimd secret").await;
    let address = proxy.address;
    let uri = format!("ws://127.0.0.1:{}/", start_server(None).await);
    check(through(&format!("http://wsimd:secret@{address}")), &uri).await;
    let error = refusal(through(&format!("http://{address}")), &uri).await;
    let expected = format!("the proxy {address} answered 407 Proxy Authentication Required");
    assert_eq!(error, expected);
    let wrong = through(&format!("http://wsimd:wrong@{address}"));
    // tinyproxy answers 401 to wrong credentials, in place of 407 (RFC 9110 §15.5.8).
    let expected = format!("the proxy {address} answered 401 Unauthorized");
    assert_eq!(refusal(wrong, &uri).await, expected);
}

#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn an_http_proxy_forbids_a_port() {
    let port = start_server(None).await;
    let proxy = start_http("ConnectPort 443").await;
    let client = through(&format!("http://{}", proxy.address));
    let error = refusal(client, &format!("ws://127.0.0.1:{port}/")).await;
    let expected = format!("the proxy {} answered 403 Forbidden", proxy.address);
    assert_eq!(error, expected);
}

#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn ws_and_wss_pass_through_socks5() {
    let authority = Authority::new("the servers");
    let proxy = start_socks(&[]).await;
    let way = format!("socks5://{}", proxy.address);
    let port = start_server(None).await;
    check(through(&way), &format!("ws://127.0.0.1:{port}/")).await;
    let port = start_server(Some(&authority.sign("localhost"))).await;
    let client = through(&way)
        .tls(authority.client())
        .resolve_with(async |_, port| Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]));
    check(client, &format!("wss://localhost:{port}/")).await;
}

#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn a_socks5_proxy_checks_the_password() {
    let proxy = start_socks(&["-u", "wsimd", "-P", "pass word"]).await;
    let address = proxy.address;
    let uri = format!("ws://127.0.0.1:{}/", start_server(None).await);
    let right = through(&format!("socks5://wsimd:pass%20word@{address}"));
    check(right, &uri).await;
    let wrong = through(&format!("socks5://wsimd:wrong@{address}"));
    let expected =
        format!("the proxy {address} refused: it does not accept the user name and the password");
    assert_eq!(refusal(wrong, &uri).await, expected);
    let none = through(&format!("socks5://{address}"));
    let expected = format!(
        "the proxy {address} refused: it accepts none of the offered methods of authentication"
    );
    assert_eq!(refusal(none, &uri).await, expected);
}

/// microsocks does not know the name of the first server. The client does not know that of the second one.
#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn socks5_resolves_here_and_socks5h_at_the_proxy() {
    let proxy = start_socks(&[]).await;
    let port = start_server(None).await;
    let here = through(&format!("socks5://{}", proxy.address)).resolve_with(async |host, port| {
        assert_eq!(host, "chat.test");
        Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
    });
    check(here, &format!("ws://chat.test:{port}/")).await;

    let there = through(&format!("socks5h://{}", proxy.address))
        .resolve_with(async |_, _| Err(ErrorKind::NotFound.into()));
    let uri = format!("ws://localhost:{port}/");
    let mut ws = there.connect(uri).await.unwrap();
    assert!(ws.recv().await.unwrap().is_some());
    check_echo(&mut ws, "Hello").await;
}

#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn ws_and_wss_pass_through_a_proxy_with_tls() {
    let authority = Authority::new("the servers and the proxy");
    let http = start_http("BasicAuth wsimd secret").await;
    let proxy = start_tls(http.address, &authority).await;
    let way = format!("https://wsimd:secret@{}", proxy.address);
    let client = through(&way).tls(authority.client());
    let port = start_server(None).await;
    check(client.clone(), &format!("ws://127.0.0.1:{port}/")).await;
    let port = start_server(Some(&authority.sign("localhost"))).await;
    check(client, &format!("wss://localhost:{port}/")).await;

    let client = through(&way).tls(Authority::new("another").client());
    let error = refusal(client, &format!("wss://localhost:{port}/")).await;
    let expected = format!(
        "cannot use the proxy {}: invalid peer certificate: UnknownIssuer",
        proxy.address
    );
    assert_eq!(error, expected);
}

#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn a_proxy_that_is_not_there_is_reported() {
    let port = closed_port().await;
    for scheme in ["http", "https", "socks5", "socks5h"] {
        let authority = Authority::new("the proxy");
        let client = through(&format!("{scheme}://127.0.0.1:{port}")).tls(authority.client());
        let error = client.connect("ws://127.0.0.1/").await.unwrap_err();
        assert!(error.is_retryable());
        let text = error.to_string();
        let start = format!("cannot use the proxy 127.0.0.1:{port}: Connection refused");
        assert!(text.starts_with(&start), "{text}");
    }
}

#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn a_server_behind_the_proxy_that_is_not_there_is_reported() {
    let uri = format!("ws://127.0.0.1:{}/", closed_port().await);
    let http = start_http("").await;
    let error = refusal(through(&format!("http://{}", http.address)), &uri).await;
    let expected = format!(
        "the proxy {} answered 500 Internal Server Error",
        http.address
    );
    assert_eq!(error, expected);
    let socks = start_socks(&[]).await;
    let error = refusal(through(&format!("socks5://{}", socks.address)), &uri).await;
    let expected = format!(
        "the proxy {} refused: the server refuses the connection (SOCKS reply 5)",
        socks.address
    );
    assert_eq!(error, expected);
}

#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn the_wrong_scheme_of_a_proxy_is_reported() {
    let authority = Authority::new("the proxy");
    let http = start_http("").await;
    let tls = start_tls(http.address, &authority).await;
    let socks = start_socks(&[]).await;
    for (scheme, address, start, end) in [
        (
            "http",
            tls.address,
            "the proxy ",
            " closed the connection before it answered",
        ),
        (
            "http",
            socks.address,
            "the proxy ",
            r#" does not speak HTTP: it began with "\x05\xff""#,
        ),
        (
            "https",
            socks.address,
            "cannot use the proxy ",
            "(does the peer speak TLS?)",
        ),
    ] {
        let client = through(&format!("{scheme}://{address}")).tls(authority.client());
        let error = refusal(client, "ws://127.0.0.1/").await;
        assert!(error.starts_with(&format!("{start}{address}")), "{error}");
        assert!(error.ends_with(end), "{scheme}: {error}");
    }
}

#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn the_end_of_the_process_of_a_proxy_is_1006() {
    let uri = format!("ws://127.0.0.1:{}/", start_server(None).await);
    let http = start_http("").await;
    let socks = start_socks(&[]).await;
    for (scheme, proxy) in [("http", http), ("socks5", socks)] {
        let client = through(&format!("{scheme}://{}", proxy.address));
        let mut ws = client.connect(&*uri).await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some(FROM.into()), "{scheme}");
        drop(proxy);
        let end = timeout(LIMIT, ws.recv()).await.expect("in time");
        let error = end.unwrap_err();
        assert_eq!(error.close_code(), Some(CloseCode::ABNORMAL), "{scheme}");
    }
}

/// The client of another process, for [`the_environment_names_the_proxy`]. Prints the first message or the error. Does
/// nothing in the process of the tests.
#[tokio::test]
#[ignore = "runs in another process"]
async fn connect_by_the_environment() {
    let (Ok(uri), Ok(roots)) = (env::var("INTEROP_URI"), env::var("INTEROP_ROOTS")) else {
        return;
    };
    let client = ClientBuilder::new()
        .proxy_from_env()
        .unwrap()
        .tls(client_config(roots).unwrap());
    let received = match client.connect(uri).await {
        Ok(mut ws) => ws.recv().await,
        Err(error) => Err(error),
    };
    match received {
        Ok(message) => println!("result {}", message.unwrap().as_text().unwrap()),
        Err(error) => println!("result {error}"),
    }
}

/// The names and the values of variables.
type Variables<'a> = &'a [(&'a str, &'a str)];

/// Runs [`connect_by_the_environment`] in a process with these variables.
async fn connect_with(uri: &str, roots: &str, variables: Variables<'_>) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    let name = "client_proxy::connect_by_the_environment";
    command.args(["--exact", name, "--ignored", "--nocapture"]);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command
        .env("INTEROP_URI", uri)
        .env("INTEROP_ROOTS", roots)
        .envs(variables.iter().copied())
        .stdin(Stdio::null());
    let output = spawn_blocking(move || command.output().unwrap());
    let output = String::from_utf8(output.await.unwrap().stdout).unwrap();
    let (_, line) = output.split_once("result ").expect("a result");
    line.lines().next().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn the_environment_names_the_proxy() {
    let authority = Authority::new("the servers");
    let roots = &*authority.pem;
    let http = start_http("BasicAuth wsimd secret").await;
    let socks = start_socks(&[]).await;
    let http = &*format!("http://wsimd:secret@{}", http.address);
    let socks = &*format!("socks5h://{}", socks.address);
    let ws = format!("ws://127.0.0.1:{}/", start_server(None).await);
    let identity = authority.sign("localhost");
    let wss = format!("wss://localhost:{}/", start_server(Some(&identity)).await);
    let direct = "127.0.0.1";
    let cases: [(&str, Variables<'_>, &str); 9] = [
        (&ws, &[], direct),
        (&ws, &[("http_proxy", http)], FROM),
        (&ws, &[("all_proxy", socks)], FROM),
        (&ws, &[("https_proxy", http)], direct),
        (&wss, &[("HTTPS_PROXY", http)], FROM),
        (&wss, &[("https_proxy", http)], FROM),
        // A CGI program gets the header `Proxy` of its client in this variable.
        (&ws, &[("HTTP_PROXY", http)], direct),
        (
            &ws,
            &[("http_proxy", http), ("NO_PROXY", "127.0.0.1")],
            direct,
        ),
        (
            &wss,
            &[("https_proxy", http), ("no_proxy", "localhost")],
            direct,
        ),
    ];
    for (uri, variables, expected) in cases {
        let from = connect_with(uri, roots, variables).await;
        assert_eq!(from, expected, "{uri} {variables:?}");
    }
}
