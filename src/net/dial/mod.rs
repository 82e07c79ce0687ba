//! [`Dialer`]: opens the stream to a host, over the address that answers first.

mod race;

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    pin::Pin,
    sync::Arc,
};

use tokio::net::{TcpSocket, TcpStream, lookup_host};

use super::{Stream, unix};
use crate::error::{AddressError, Error};

/// The future of a function that the application has set.
type Answer<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

type Resolve = dyn Fn(String, u16) -> Answer<Vec<SocketAddr>> + Send + Sync;
type Allow = dyn Fn(SocketAddr) -> bool + Send + Sync;
type Connect = dyn Fn(SocketAddr) -> Answer<Stream> + Send + Sync;

/// Opens streams.
#[derive(Clone, Default)]
pub(crate) struct Dialer {
    resolve: Option<Arc<Resolve>>,
    allow: Option<Arc<Allow>>,
    connect: Option<Arc<Connect>>,
    local_addr: Option<IpAddr>,
    place: Option<Place>,
}

/// The place of the server, in place of the host of its URI.
#[derive(Clone, Debug)]
enum Place {
    Addresses(Arc<[SocketAddr]>),
    #[cfg_attr(not(unix), expect(dead_code, reason = "no setter on this platform"))]
    Unix(Arc<PathBuf>),
}

impl Dialer {
    pub(crate) fn set_resolve<F, A>(&mut self, resolve: F)
    where
        F: Fn(String, u16) -> A + Send + Sync + 'static,
        A: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        self.resolve = Some(Arc::new(move |host, port| Box::pin(resolve(host, port))));
    }

    pub(crate) fn set_allow(&mut self, allow: impl Fn(SocketAddr) -> bool + Send + Sync + 'static) {
        self.allow = Some(Arc::new(allow));
    }

    pub(crate) fn set_connect<F, A>(&mut self, connect: F)
    where
        F: Fn(SocketAddr) -> A + Send + Sync + 'static,
        A: Future<Output = io::Result<Stream>> + Send + 'static,
    {
        self.connect = Some(Arc::new(move |addr| Box::pin(connect(addr))));
    }

    pub(crate) fn set_local_addr(&mut self, addr: Option<IpAddr>) {
        self.local_addr = addr;
    }

    pub(crate) fn set_addresses(&mut self, addresses: Vec<SocketAddr>) {
        self.place = Some(Place::Addresses(addresses.into()));
    }

    #[cfg(unix)]
    pub(crate) fn set_unix_socket(&mut self, path: PathBuf) {
        self.place = Some(Place::Unix(Arc::new(path)));
    }

    /// Returns whether the place of the server does not depend on the host of its URI.
    pub(crate) fn has_place(&self) -> bool {
        self.place.is_some()
    }

    /// Connects to the server of a URI, or to the place that was set for it.
    pub(crate) async fn dial(&self, host: &str, port: u16) -> Result<Stream, Error> {
        match &self.place {
            None => self.dial_host(host, port).await,
            Some(Place::Addresses(addresses)) => {
                let connected = self.dial_any(addresses.to_vec()).await;
                connected.map_err(|error| connect_error(host, port, error))
            }
            Some(Place::Unix(path)) => unix::connect(path).await.map_err(|error| {
                let address = path.display().to_string();
                Error::Connect(Box::new(AddressError { address, error }))
            }),
        }
    }

    /// Connects to a host, by its addresses.
    pub(crate) async fn dial_host(&self, host: &str, port: u16) -> Result<Stream, Error> {
        let addresses = self.resolve(host, port).await?;
        let connected = self.dial_any(addresses).await;
        connected.map_err(|error| connect_error(host, port, error))
    }

    /// Returns the addresses of a host. There is at least one.
    pub(crate) async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
        let resolved = match (host.parse::<IpAddr>(), &self.resolve) {
            (Ok(ip), _) => Ok(vec![SocketAddr::new(ip, port)]),
            // An address with a zone is no name either.
            (Err(_), Some(resolve)) if !host.contains(':') => resolve(host.to_owned(), port).await,
            (Err(_), _) => lookup_host((host, port)).await.map(Iterator::collect),
        };
        let found = resolved.and_then(|addresses| match addresses.is_empty() {
            true => Err(io::ErrorKind::NotFound.into()),
            false => Ok(addresses),
        });
        found.map_err(|error| {
            let address = host.to_owned();
            Error::Resolve(Box::new(AddressError { address, error }))
        })
    }

    /// Connects to the address that answers first.
    async fn dial_any(&self, addresses: Vec<SocketAddr>) -> io::Result<Stream> {
        let addresses = self.usable(addresses)?;
        race::race(race::interleave(addresses), |addr| self.connect(addr)).await
    }

    /// Returns the addresses to which a stream may be opened, at least one.
    fn usable(&self, addresses: Vec<SocketAddr>) -> io::Result<Vec<SocketAddr>> {
        let mut addresses = self.allowed(addresses)?;
        if let Some(local) = self.local_addr {
            addresses.retain(|addr| addr.is_ipv4() == local.is_ipv4());
            if addresses.is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::AddrNotAvailable,
                    "it has no address of the family of ClientBuilder::local_addr",
                ));
            }
        }
        Ok(addresses)
    }

    /// Returns the addresses that `ClientBuilder::allow_addresses` allows, at least one. An IPv4 address in the form of
    /// IPv6 becomes an IPv4 address, so that one rule applies to both forms.
    pub(crate) fn allowed(&self, mut addresses: Vec<SocketAddr>) -> io::Result<Vec<SocketAddr>> {
        for addr in &mut addresses {
            if addr.ip() != addr.ip().to_canonical() {
                addr.set_ip(addr.ip().to_canonical());
            }
        }
        if let Some(allow) = &self.allow {
            addresses.retain(|addr| allow(*addr));
            if addresses.is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    "ClientBuilder::allow_addresses allows none of its addresses",
                ));
            }
        }
        Ok(addresses)
    }

    async fn connect(&self, addr: SocketAddr) -> io::Result<Stream> {
        if let Some(connect) = &self.connect {
            return connect(addr).await;
        }
        let Some(local) = self.local_addr else {
            return TcpStream::connect(addr).await.map(Stream::from);
        };
        let socket = match addr {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.bind(SocketAddr::new(local, 0))?;
        socket.connect(addr).await.map(Stream::from)
    }
}

fn connect_error(host: &str, port: u16, error: io::Error) -> Error {
    Error::Connect(Box::new(AddressError::of_host(host, port, error)))
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("local_addr", &self.local_addr)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
