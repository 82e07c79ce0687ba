//! Chromium without a window: a page sends and receives compressed messages.

use std::{
    env, fs,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
};

use tokio::{process::Command, sync::mpsc, time::timeout};
use wsimd::{Origins, Policy, Role, ServerBuilder};

use super::{
    LIMIT,
    deflate::{Connection, SETTINGS, Setting, TICKS, config},
    wire::Proxy,
};

async fn check(browser: &Path, setting: Setting, framed: bool) {
    let config = config(setting.ours(Role::Server));
    let server = ServerBuilder::new()
        .config(config.clone())
        .policy(Policy::new().origins(Origins::any()));
    let server = server.bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ws://{}", server.local_addr().unwrap());
    let proxy = Proxy::start(&uri).await;
    let lens = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&lens);
    let (reports, mut reported) = mpsc::channel(1);
    let serving = tokio::spawn(server.serve_openings(move |opening| {
        let (seen, reports) = (Arc::clone(&seen), reports.clone());
        async move {
            let is_report = opening.path() == "/report";
            let mut ws = opening.upgrade().await?;
            if is_report {
                let report = ws.recv().await?.unwrap();
                reports.send(report).await.unwrap();
                return Ok(());
            }
            Connection::accepted(ws, framed).echo(seen).await.unwrap();
            Ok(())
        }
    }));

    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("ci/peers/browser.html");
    let (page, echo) = (page.display(), &proxy.uri);
    let profile = env::temp_dir().join(format!("wsimd-browser-{}", std::process::id()));
    let mut browser = Command::new(browser)
        .args(["--headless", "--disable-gpu", "--remote-debugging-port=0"])
        // Otherwise Chromium does not run as root. The page is our own.
        .arg("--no-sandbox")
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{page}?echo={echo}&report={uri}/report"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the browser starts");
    let report = timeout(LIMIT, reported.recv()).await;
    browser.kill().await.unwrap();
    let _ = fs::remove_dir_all(profile);
    serving.abort();

    let report = report.expect("the page reports in time").unwrap();
    let report = report.as_text().unwrap();
    let agreed = proxy.agreed();
    assert_eq!(report, format!("ok: {agreed}"));
    setting.check_agreed(Role::Server, &agreed);
    let lens = lens.lock().unwrap();
    for role in [Role::Client, Role::Server] {
        let sent = proxy.sent(role);
        setting.check_sent(&sent, &lens);
        let (binary, len) = (&sent[TICKS + 5], lens[TICKS + 5]);
        assert!(binary.compressed && binary.len < len / 2, "{binary:?}");
    }
}

#[tokio::test]
#[ignore = "needs the peers: run `make peers`"]
async fn messages_are_compressed_both_ways_with_chromium() {
    let home = env::var("PEERS_HOME").expect("PEERS_HOME is set: run `make peers`");
    let browser = Path::new(&home).join("browser");
    if !browser.exists() {
        println!("skipped: setup.sh found no browser and said why");
        return;
    }
    for setting in SETTINGS {
        for framed in [false, true] {
            println!("{setting:?}, framed: {framed}");
            check(&browser, setting, framed).await;
        }
    }
}
