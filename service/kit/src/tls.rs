//! TLS for a listener, with a certificate that can be renewed without a restart.

mod unchecked;

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

pub use self::unchecked::connect_unchecked;
use crate::files::{Files, Unreadable, follow};

/// The certificate that a listener shows at the moment. Cloning is cheap and shares it.
///
/// TLS 1.2 and 1.3, HTTP/1.1. Clients are not asked for certificates: they have API keys.
#[derive(Clone)]
pub struct Tls {
    current: Arc<RwLock<Arc<ServerConfig>>>,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The certificate's file has none.
    #[error("there is no PEM certificate in the certificate's file")]
    NoCertificate,
    /// The key's file has none.
    #[error("there is no PEM private key in the key's file")]
    NoKey,
    /// The two do not belong together, or are of a kind that is not known.
    #[error("the certificate and its key cannot be used: {0}")]
    Refused(rustls::Error),
}

impl fmt::Debug for Tls {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads a certificate, with those between it and its authority after it, and its private key,
    /// both PEM. [`Tls::follow`] takes what is returned with them.
    ///
    /// # Errors
    ///
    /// When one of them cannot be read, or they do not belong together.
    pub fn load(certificate: PathBuf, key: PathBuf) -> Result<(Self, Files), TlsError> {
        let mut files = Files::new(vec![certificate, key]);
        // The first reading is always new.
        let config = parse(&files.read()?.unwrap_or_default())?;
        Ok((Self { current: Arc::new(RwLock::new(Arc::new(config))) }, files))
    }

    /// Shows the certificate that is in the files, to new connections, whenever it changes. One that
    /// cannot be used changes nothing, and is logged; so does a pair of which only one half is there
    /// yet. Never ends; drop it when the service does.
    pub async fn follow(self, files: Files, every: Duration) {
        follow(files, every, "certificate", |contents| {
            let config = Arc::new(parse(&contents)?);
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = config;
            Ok::<(), TlsError>(())
        })
        .await;
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

fn parse(contents: &[Vec<u8>]) -> Result<ServerConfig, TlsError> {
    let [certificate, key] = contents else { return Err(TlsError::NoCertificate) };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
    let chain = chain.map_err(|_| TlsError::NoCertificate)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    // The reason stays away: it could quote the key.
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::NoKey)?;
    // Said aloud: without it, rustls panics in a process that has two cryptographies built in.
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Refused)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Refused)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
