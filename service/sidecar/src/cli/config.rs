//! What can be set, and what must fit together.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use clap::{Args, ValueEnum};
use leasehold::LeaseConfig;
use leasehold_kit::{
    caller::Door,
    cli::{
        edge::{Edge, EdgeArgs},
        nodes::NodesArgs,
    },
};

use super::PROGRAM;
use crate::{
    holding::OnStop,
    http::{Dapr, LockStore},
};

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Listen {
    Port(SocketAddr),
    Socket(PathBuf),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some("") => Err("a socket is written unix:/path".to_owned()),
            Some(path) => Ok(Self::Socket(path.into())),
            None => text
                .parse()
                .map(Self::Port)
                .map_err(|_| "an address is written 127.0.0.1:3501 or unix:/path".to_owned()),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(address) => write!(f, "{address}"),
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What becomes of leases when the sidecar is told to stop.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum AtStop {
    /// They are given back: programs end before their sidecar
    Release,
    /// They are left to the nodes, and the sidecar that starts next takes them over for programs that
    /// attach them in time
    Keep,
}

/// Settings of `serve`.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Where to listen: an address with a port, or `unix:/path` for a socket that only this user may open.
    /// An address that is not this machine's own needs keys and a certificate
    #[arg(long, env = "LEASEHOLD_LISTEN", default_value = "127.0.0.1:3501")]
    listen: Listen,

    #[command(flatten)]
    nodes: NodesArgs,

    #[command(flatten)]
    edge: EdgeArgs,

    /// How long the nodes keep a lease that this sidecar does not renew, in milliseconds: if the sidecar
    /// dies, its leases are free after that at the latest, unless it starts again and programs attach
    /// theirs
    #[arg(long, env = "LEASEHOLD_LEASE_TTL_MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(500..=600_000))]
    lease_ttl_ms: u64,

    /// How long a lease is renewed at most, in hours, also while its link is open
    #[arg(long, env = "LEASEHOLD_LIFETIME_HOURS", default_value_t = 168, value_parser = clap::value_parser!(u64).range(1..=8760))]
    lifetime_hours: u64,

    /// Leases held and waited for at once; one more is told 503 full
    #[arg(long, env = "LEASEHOLD_LEASES_MAX", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    leases_max: u32,

    /// Threads that serve. One is enough for thousands of leases a second, and the quickest for each: nothing
    /// is passed from processor to processor
    #[arg(long, env = "LEASEHOLD_THREADS", default_value = "1")]
    threads: NonZeroUsize,

    /// What becomes of the leases that are held when the sidecar is told to stop
    #[arg(long, env = "LEASEHOLD_ON_STOP", default_value = "release")]
    on_stop: AtStop,

    /// After SIGTERM: how long /readyz says no while everything is still served, in milliseconds
    #[arg(long, env = "LEASEHOLD_DRAIN_MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=300_000))]
    drain_ms: u64,

    /// Stores of locks that Dapr's clients find, separated by commas: name=prefix, where prefix is appid,
    /// name, none or a text, as Dapr's keyPrefix
    #[arg(long, env = "LEASEHOLD_DAPR_STORES", value_delimiter = ',')]
    dapr_stores: Vec<LockStore>,

    /// The app's id, as Dapr has it
    #[arg(long, env = "LEASEHOLD_DAPR_APP_ID", default_value = "")]
    dapr_app_id: String,
}

/// Settings that were checked against each other.
pub(super) struct ServeConfig {
    pub(super) listen: Listen,
    pub(super) redis_urls: Vec<String>,
    pub(super) lease: LeaseConfig,
    /// Who may come in; without a door everybody who reaches this sidecar.
    pub(super) edge: Edge<Option<Door>>,
    pub(super) leases_max: usize,
    pub(super) on_stop: OnStop,
    pub(super) drain: Duration,
    pub(super) dapr: Dapr,
}

impl ServeArgs {
    pub(super) fn check(&self) -> anyhow::Result<ServeConfig> {
        let edge = self.check_edge()?;
        anyhow::ensure!(
            self.dapr_app_id.len() <= 256 && !self.dapr_app_id.contains("||"),
            "LEASEHOLD_DAPR_APP_ID has at most 256 bytes and no ||"
        );
        Ok(ServeConfig {
            listen: self.listen.clone(),
            redis_urls: self.nodes.urls()?,
            lease: self.lease(),
            edge,
            leases_max: self.leases_max.try_into().unwrap_or(usize::MAX),
            on_stop: match self.on_stop {
                AtStop::Release => OnStop::Release,
                AtStop::Keep => OnStop::Keep,
            },
            drain: Duration::from_millis(self.drain_ms),
            dapr: Dapr::new(self.dapr_stores.clone(), &self.dapr_app_id),
        })
    }

    /// Who may come in, which must fit to where that is.
    pub(super) fn check_edge(&self) -> anyhow::Result<Edge<Option<Door>>> {
        let edge = self.edge.check_or_open(PROGRAM)?;
        if let Listen::Port(address) = &self.listen
            && !is_own(address.ip())
        {
            anyhow::ensure!(
                edge.door.is_some() && edge.tls.is_some(),
                "LEASEHOLD_LISTEN {address} can be reached from other machines, so it needs keys \
                 (LEASEHOLD_KEYS_FILE) and a certificate (LEASEHOLD_TLS_CERT_FILE, LEASEHOLD_TLS_KEY_FILE); \
                 or listen on 127.0.0.1 or unix:/path"
            );
        }
        Ok(edge)
    }

    pub(super) const fn threads(&self) -> NonZeroUsize {
        self.threads
    }

    pub(super) const fn nodes(&self) -> &NodesArgs {
        &self.nodes
    }

    pub(super) const fn listen(&self) -> &Listen {
        &self.listen
    }

    pub(super) fn lease(&self) -> LeaseConfig {
        LeaseConfig {
            ttl: Duration::from_millis(self.lease_ttl_ms),
            node_timeout: self.nodes.timeout(),
            lifetime_max: Duration::from_secs(self.lifetime_hours * 3600),
            // Each turn a grant of its own, with a holder of its own: programs that pass a lease on are
            // strangers, and whoever had it before could resume it with what it knows.
            turns_max: 1,
            ..LeaseConfig::default()
        }
    }
}

/// Whether only this machine reaches an address.
fn is_own(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}
