//! Whether what is said is encrypted.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use crate::{files::Files, tls::Tls};

/// Whether what is said is encrypted.
#[derive(Args, Debug)]
pub struct TlsArgs {
    /// A file with the certificate for TLS, and those between it and its authority, as PEM; without
    /// it, what is said is not encrypted. Read again when it changes
    #[arg(long, env = "LEASEHOLD_TLS_CERT_FILE")]
    tls_cert_file: Option<PathBuf>,

    /// A file with the certificate's private key, as PEM
    #[arg(long, env = "LEASEHOLD_TLS_KEY_FILE")]
    tls_key_file: Option<PathBuf>,
}

impl TlsArgs {
    /// The certificate and its key, and the files that they are in; none without TLS.
    ///
    /// # Errors
    ///
    /// When only one of the files is named, one cannot be read, or they do not belong together.
    pub fn load(&self) -> anyhow::Result<Option<(Tls, Files)>> {
        match (&self.tls_cert_file, &self.tls_key_file) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => {
                let loaded = Tls::load(certificate.clone(), key.clone());
                loaded.map(Some).context("LEASEHOLD_TLS_CERT_FILE and LEASEHOLD_TLS_KEY_FILE")
            }
            (Some(_), None) => anyhow::bail!(
                "LEASEHOLD_TLS_CERT_FILE is set and LEASEHOLD_TLS_KEY_FILE is not: TLS needs both"
            ),
            (None, Some(_)) => anyhow::bail!(
                "LEASEHOLD_TLS_KEY_FILE is set and LEASEHOLD_TLS_CERT_FILE is not: TLS needs both"
            ),
        }
    }
}
