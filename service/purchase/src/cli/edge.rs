//! What stands at the door: who may come in, and how often.

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use clap::Args;
use leasehold_kit::{auth::Keys, files::Files, rate::Rates, tls::Tls};

use super::keys::KeysArgs;

/// Who may come in, and how often.
#[derive(Args)]
pub(super) struct EdgeArgs {
    #[command(flatten)]
    keys: KeysArgs,

    /// Requests a second that each API key may send to this replica, and as many at once; 0 sets no
    /// limit. All requests without a key count as one key
    #[arg(long, env = "LEASEHOLD_KEY_RATE", default_value_t = 20_000)]
    key_rate: u32,

    /// Requests worked on at once; further ones are answered with 503 and Retry-After
    #[arg(long, env = "LEASEHOLD_REQUESTS_MAX", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    requests_max: u32,

    /// How long a client may take to send the head of a request, also on a connection that is kept
    /// open, in milliseconds
    #[arg(long, env = "LEASEHOLD_HEADER_TIMEOUT_MS", default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(100..=600_000))]
    header_timeout_ms: u64,

    /// A file with the certificate for TLS, and those between it and its authority, as PEM; without
    /// it, what is said is not encrypted. Read again when it changes
    #[arg(long, env = "LEASEHOLD_TLS_CERT_FILE")]
    tls_cert_file: Option<PathBuf>,

    /// A file with the certificate's private key, as PEM
    #[arg(long, env = "LEASEHOLD_TLS_KEY_FILE")]
    tls_key_file: Option<PathBuf>,
}

/// The door as it was set up.
pub(super) struct Edge {
    pub(super) keys: Keys,
    /// Where the keys came from, if they may change.
    pub(super) keys_file: Option<Files>,
    pub(super) rates: Rates,
    pub(super) requests_max: usize,
    pub(super) header_timeout: Duration,
    /// The certificate, and where it came from.
    pub(super) tls: Option<(Tls, Files)>,
}

impl EdgeArgs {
    pub(super) fn check(&self) -> anyhow::Result<Edge> {
        let tls = self.certificate()?;
        let (keys, keys_file) = self.keys()?;
        Ok(Edge {
            keys,
            keys_file,
            rates: Rates::per_second(self.key_rate),
            requests_max: self.requests_max.try_into().unwrap_or(usize::MAX),
            header_timeout: Duration::from_millis(self.header_timeout_ms),
            tls,
        })
    }

    pub(super) fn keys(&self) -> anyhow::Result<(Keys, Option<Files>)> {
        self.keys.load()
    }

    pub(super) fn certificate(&self) -> anyhow::Result<Option<(Tls, Files)>> {
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
