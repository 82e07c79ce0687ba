//! [`Authority`]: certificates of an authority of the tests. `tests/interop/` uses this file as well.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use wsimd::tls::{
    client_config,
    rustls::{ClientConfig, ServerConfig},
    server_config,
};

/// An authority that signs certificates. Two authorities need two names.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, in PEM.
    pub(crate) pem: String,
}

/// A certificate and its key, in PEM.
pub(crate) struct Identity {
    certificate: String,
    key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// Signs a certificate for a name or an IP address.
    pub(crate) fn sign(&self, name: &str) -> Identity {
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        Identity {
            certificate: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    /// Returns the configuration of a client that trusts this authority only.
    pub(crate) fn client(&self) -> ClientConfig {
        client_config(&self.pem).unwrap()
    }
}

impl Identity {
    /// Returns the certificate and the key in one text, as HAProxy, Python and Node read them.
    pub(crate) fn pem(&self) -> String {
        [&*self.certificate, &self.key].concat()
    }

    pub(crate) fn server(&self) -> ServerConfig {
        server_config(&self.certificate, &self.key).unwrap()
    }
}
