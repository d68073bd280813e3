//! What stands at the door: who may come in, and how often.

use std::time::Duration;

use clap::Args;

use super::{keys::KeysArgs, tls::TlsArgs};
use crate::{auth::Keys, caller::Door, files::Files, rate::Rates, tls::Tls};

/// Who may come in, and how often.
#[derive(Args, Debug)]
pub struct EdgeArgs {
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

    #[command(flatten)]
    tls: TlsArgs,
}

/// The edge as it was set up; `D` is the door, or perhaps none.
#[derive(Debug)]
pub struct Edge<D = Door> {
    /// Who may come in, and how often each.
    pub door: D,
    /// Where the keys came from, if they may change.
    pub keys_file: Option<Files>,
    /// Requests worked on at once.
    pub requests_max: usize,
    /// How long a client may take to send the head of a request.
    pub header_timeout: Duration,
    /// The certificate, and where it came from; none without TLS.
    pub tls: Option<(Tls, Files)>,
}

impl EdgeArgs {
    /// The edge as these options set it up. `program` is what the program is called.
    ///
    /// # Errors
    ///
    /// When keys or certificate cannot be used.
    pub fn check(&self, program: &str) -> anyhow::Result<Edge> {
        let tls = self.certificate()?;
        let (keys, keys_file) = self.keys(program)?;
        let door = Door { keys, rates: Rates::per_second(self.key_rate) };
        Ok(self.with(door, keys_file, tls))
    }

    /// As [`check`](Self::check), but without a door where no keys are given: then everybody may come in.
    ///
    /// # Errors
    ///
    /// When keys or certificate cannot be used.
    pub fn check_or_open(&self, program: &str) -> anyhow::Result<Edge<Option<Door>>> {
        if !self.keys.are_given() {
            return Ok(self.with(None, None, self.certificate()?));
        }
        let Edge { door, keys_file, requests_max, header_timeout, tls } = self.check(program)?;
        Ok(Edge { door: Some(door), keys_file, requests_max, header_timeout, tls })
    }

    fn with<D>(&self, door: D, keys_file: Option<Files>, tls: Option<(Tls, Files)>) -> Edge<D> {
        Edge {
            door,
            keys_file,
            requests_max: self.requests_max.try_into().unwrap_or(usize::MAX),
            header_timeout: Duration::from_millis(self.header_timeout_ms),
            tls,
        }
    }

    /// The keys, and the file that they are in, if they may change.
    ///
    /// # Errors
    ///
    /// When they cannot be used.
    pub fn keys(&self, program: &str) -> anyhow::Result<(Keys, Option<Files>)> {
        self.keys.load(program)
    }

    /// The certificate, and the files that it came from; none without TLS.
    ///
    /// # Errors
    ///
    /// When it cannot be used.
    pub fn certificate(&self) -> anyhow::Result<Option<(Tls, Files)>> {
        self.tls.load()
    }
}
