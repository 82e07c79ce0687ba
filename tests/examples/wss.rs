//! `examples/wss.rs`: a server and a client over TLS and over TCP, with root certificates of a file and of the system.

use std::{fs, path::Path, process::Stdio};

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time::timeout,
};

use crate::{LIMIT, path};

/// Writes a certificate of `localhost`, which is its own root, and its key.
fn write_identity(folder: &Path) {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap();
    fs::write(folder.join("cert.pem"), cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
}

/// Runs the client, and returns its standard output or error.
async fn run(args: &[&str], roots: &Path) -> Result<String, String> {
    let ran = Command::new(path("wss"))
        .args(args)
        .env("SSL_CERT_FILE", roots)
        .env_remove("SSL_CERT_DIR")
        .output();
    let output = timeout(LIMIT, ran).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    match output.status.success() {
        true => Ok(text(output.stdout)),
        false => Err(text(output.stderr)),
    }
}

#[tokio::test]
async fn the_client_reaches_both_servers() {
    let folder = std::env::temp_dir().join(format!("wsimd-wss-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    write_identity(&folder);
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let (cert_arg, key_arg) = (cert.to_str().unwrap(), key.to_str().unwrap());

    let mut server = Command::new(path("wss"))
        .args(["serve", cert_arg, key_arg])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the example is built (`cargo build --examples`)");
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let mut uris = Vec::new();
    for scheme in ["ws", "wss"] {
        let line = lines.next_line().await.unwrap().unwrap();
        let start = format!("listening on {scheme}://127.0.0.1:");
        let port = line.strip_prefix(&start).unwrap();
        uris.push(format!("{scheme}://localhost:{port}/"));
    }
    let [ws, wss] = &uris[..] else { panic!() };

    // The roots of the file, those of the system, and those of a system that does not have the certificate.
    let empty = folder.join("empty.pem");
    fs::write(&empty, "").unwrap();
    let secure = "connected, TLS: Some(TLSv1_3)\nHello\n";
    assert_eq!(run(&[wss, cert_arg], &empty).await.unwrap(), secure);
    assert_eq!(run(&[wss], &cert).await.unwrap(), secure);
    assert_eq!(
        run(&[ws], &empty).await.unwrap(),
        "connected, TLS: None\nHello\n"
    );
    let other = folder.join("other");
    fs::create_dir_all(&other).unwrap();
    write_identity(&other);
    let error = run(&[wss], &other.join("cert.pem")).await.unwrap_err();
    assert!(error.contains("InvalidCertificate"), "{error}");
    let error = run(&[wss], &empty).await.unwrap_err();
    assert!(!error.is_empty());
    fs::remove_dir_all(&folder).unwrap();
}
