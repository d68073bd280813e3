//! What TLS needs that redis leaves to its users: a cryptography, and certificates that are not
//! everybody's.

use std::{fmt, time::Duration};

use redis::{Client, ClientTlsConfig, ConnectionAddr, TlsCertificates};
use rustls::{
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::{NotANode, RedisNode, connection_info, transport::Server};

/// Whom a node over TLS trusts, and what it shows of itself. Feature `tls`.
///
/// # Example
///
/// ```no_run
/// # use std::{error::Error, fs, sync::Arc};
/// use leasehold::{LeaseConfig, Leases, node::{Certificates, Node, RedisNode}};
///
/// # fn example() -> Result<(), Box<dyn Error>> {
/// let config = LeaseConfig::default();
/// let certificates = Certificates { roots: Some(fs::read("ca.pem")?), client: None };
/// let mut nodes: Vec<Arc<dyn Node>> = Vec::new();
/// for url in ["rediss://10.0.0.1", "rediss://10.0.0.2", "rediss://10.0.0.3"] {
///     nodes.push(Arc::new(RedisNode::with_certificates(url, &certificates, config.node_timeout)?));
/// }
/// let leases = Leases::over(nodes, config)?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    /// The authorities that servers' certificates may come from, as PEM; no others are trusted then.
    /// `None`: the public ones, as Mozilla lists them. They are compiled in; the machine's own store
    /// is not read.
    pub roots: Option<Vec<u8>>,
    /// For servers that ask who connects, as Redis does unless it is told `tls-auth-clients no`.
    pub client: Option<ClientCertificate>,
}

/// A certificate of our own, for the servers. Feature `tls`.
#[derive(Clone)]
pub struct ClientCertificate {
    /// The certificate, and those between it and the authority, as PEM.
    pub chain: Vec<u8>,
    /// Its private key, as PEM.
    pub key: Vec<u8>,
}

impl fmt::Debug for ClientCertificate {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}

impl RedisNode {
    /// Like [`RedisNode::new`], for `rediss://` addresses whose servers have certificates of a
    /// private authority, or want to see one. Feature `tls`.
    ///
    /// The certificate must name the host as the URL does.
    ///
    /// # Errors
    ///
    /// When the URL cannot be read or is no `rediss://`, or there is no certificate or key where one
    /// should be. Nothing is connected yet, so a server that is not trusted shows only in the first
    /// answer.
    pub fn with_certificates(
        url: &str,
        certificates: &Certificates,
        timeout: Duration,
    ) -> Result<Self, NotANode> {
        let Certificates { roots, client } = certificates;
        // redis takes a text without any for an authority that signed nothing, and connects to no one.
        for (pem, what) in [
            (roots.as_ref(), "the authorities' certificates"),
            (client.as_ref().map(|client| &client.chain), "the client's certificate"),
        ] {
            if pem.is_some_and(|pem| CertificateDer::pem_slice_iter(pem).next().is_none()) {
                return Err(NotANode(format!("no PEM certificate in {what}")));
            }
        }
        let client = client.clone();
        let client = client.map(|c| ClientTlsConfig { client_cert: c.chain, client_key: c.key });
        let certificates = TlsCertificates { client_tls: client, root_cert: roots.clone() };
        let client = Client::build_with_tls(connection_info(url)?, certificates)?;
        let info = client.get_connection_info().clone();
        let address = info.addr().to_string();
        Ok(Self::behind(address, Server::new(info, timeout)?, timeout))
    }
}

/// Makes sure that rustls knows which cryptography to use: it panics at the first connection of a
/// process that has chosen none and has none compiled in, or two.
pub(super) fn choose_cryptography(address: &ConnectionAddr) {
    let is_tls = matches!(address, ConnectionAddr::TcpTls { .. });
    if is_tls && CryptoProvider::get_default().is_none() {
        // If another thread was faster, its choice stands.
        let _chosen = ring::default_provider().install_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "rediss://user:hunter2@localhost:7001";

    fn refusal(url: &str, certificates: &Certificates) -> String {
        let limit = Duration::from_millis(50);
        let error = RedisNode::with_certificates(url, certificates, limit).unwrap_err().to_string();
        assert!(!error.contains("hunter2") && !error.contains("secret"), "{error}");
        error
    }

    #[test]
    fn what_is_no_certificate_is_refused_at_the_door() {
        let pem = |label: &str, what: &str| {
            format!("-----BEGIN {label}-----\n{what}\n-----END {label}-----\n").into_bytes()
        };
        let certificate = || pem("CERTIFICATE", "AAAA");
        let with_roots = |roots| Certificates { roots: Some(roots), client: None };
        let with_client = |chain, key| {
            let client = Some(ClientCertificate { chain, key });
            Certificates { roots: None, client }
        };
        for (certificates, named) in [
            (with_roots(vec![]), "authorities"),
            (with_roots(b"secret".to_vec()), "authorities"),
            (with_roots(pem("PRIVATE KEY", "AAAA")), "authorities"),
            (with_roots(certificate()), "trust anchors"),
            (with_client(vec![], pem("PRIVATE KEY", "AAAA")), "client's"),
            (with_client(certificate(), b"secret".to_vec()), "private key"),
        ] {
            let error = refusal(URL, &certificates);
            assert!(error.contains(named), "{named}: {error}");
        }
        let error = refusal("redis://user:hunter2@localhost:7001", &Certificates::default());
        assert!(error.contains("rediss://"), "{error}");
    }

    #[test]
    fn a_key_is_not_printed() {
        let client = Some(ClientCertificate { chain: vec![], key: b"secret".to_vec() });
        let printed = format!("{:?}", Certificates { roots: None, client });
        assert!(!printed.contains("115"), "{printed}");
    }
}
