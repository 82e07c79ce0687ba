//! [`Proxy`]: a program of `INTEROP_HOME`. [`Setup`]: nginx or HAProxy with a configuration of the deployment guide.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use super::certificates::Identity;

const GUIDE: &str = include_str!("../../src/guides/deployment.md");

pub(crate) const PROGRAMS: [Program; 2] = [Program::Nginx, Program::Haproxy];

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Program {
    Nginx,
    Haproxy,
}

impl Program {
    /// The name of the program, and the language of its block in the guide.
    fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
        }
    }

    /// Returns the configuration of the guide.
    pub(crate) fn guide(self) -> Setup {
        let start = format!("```{}\n", self.name());
        let (_, rest) = GUIDE.split_once(&start).expect("the guide has a block");
        let (block, _) = rest.split_once("```").expect("the block ends");
        Setup {
            program: self,
            text: block.to_owned(),
            files: Vec::new(),
        }
    }
}

/// The configuration of a proxy.
pub(crate) struct Setup {
    program: Program,
    text: String,
    /// The names and the texts of further files.
    files: Vec<(&'static str, String)>,
}

impl Setup {
    /// Replaces a text that occurs once.
    pub(crate) fn replace(mut self, from: &str, to: &str) -> Self {
        assert_eq!(self.text.matches(from).count(), 1, "{from:?} in the guide");
        self.text = self.text.replace(from, to);
        self
    }

    /// Accepts TLS with this certificate.
    pub(crate) fn tls(self, identity: &Identity) -> Self {
        let setup = match self.program {
            Program::Nginx => self.replace(
                "listen 80;",
                "listen 80 ssl; ssl_certificate server.pem; ssl_certificate_key server.pem;",
            ),
            Program::Haproxy => self.replace("bind :80", "bind :80 ssl crt server.pem"),
        };
        setup.file("server.pem", &identity.pem())
    }

    /// Adds a file to the folder of the proxy.
    pub(crate) fn file(mut self, name: &'static str, text: &str) -> Self {
        self.files.push((name, text.to_owned()));
        self
    }

    /// Starts the proxy in front of the server.
    pub(crate) async fn start(self, server: SocketAddr) -> Proxy {
        let address = free_address();
        let program = self.program;
        let setup = self.replace("127.0.0.1:8765", &server.to_string());
        let (setup, args) = match program {
            Program::Nginx => {
                let mut setup = setup.replace("listen 80", &format!("listen {address}"));
                setup.text = nginx_main(&setup.text);
                (
                    setup,
                    ["-e", "stderr", "-p", ".", "-c", "config"].as_slice(),
                )
            }
            Program::Haproxy => {
                let setup = setup.replace("bind :80", &format!("bind {address}"));
                (setup, ["-db", "-f", "config"].as_slice())
            }
        };
        let mut files = setup.files;
        files.push(("config", setup.text));
        Proxy::start(program.name(), args, address, &files).await
    }
}

/// Ends a process.
pub(crate) fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Adds the main part of a configuration: one process, in the foreground, with all files in its folder.
fn nginx_main(http: &str) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {name};"))
        .concat();
    format!(
        "daemon off; master_process off; pid pid; error_log stderr crit; events {{}}
         http {{ access_log off; {temporary} {http} }}"
    )
}

/// Returns an address that no other socket of this machine uses.
pub(crate) fn free_address() -> SocketAddr {
    static NUMBER: AtomicU8 = AtomicU8::new(1);
    let host = Ipv4Addr::new(127, 1, 0, NUMBER.fetch_add(1, Ordering::Relaxed));
    let listener = TcpListener::bind((host, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// A proxy that runs until it is dropped.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    folder: PathBuf,
    child: Child,
}

impl Proxy {
    /// Starts a program in a folder with these files, and waits until it listens on the address.
    pub(crate) async fn start(
        program: &str,
        args: &[&str],
        address: SocketAddr,
        files: &[(&str, String)],
    ) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(address.to_string());
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
        let home = env::var("INTEROP_HOME").expect("INTEROP_HOME is set: run `make interop`");
        let child = Command::new(PathBuf::from(home).join(program))
            .args(args)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .spawn()
            .expect("the proxy starts");
        let proxy = Self {
            address,
            folder,
            child,
        };
        let started = timeout(Duration::from_secs(10), async {
            while TcpStream::connect(address).await.is_err() {
                sleep(Duration::from_millis(10)).await;
            }
        });
        started.await.expect("the proxy listens");
        proxy
    }

    pub(crate) fn uri(&self) -> String {
        format!("ws://{}/chat", self.address)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        end(&mut self.child);
        let _ = fs::remove_dir_all(&self.folder);
    }
}
