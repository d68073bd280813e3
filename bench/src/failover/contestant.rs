//! Who takes leases here, and what each knows of a lease that it holds.

use std::time::Duration;

use leasehold::{Lease, LeaseConfig, Leases, Resource};
use rslock::{LockGuard, LockManager};
use serde::{Deserialize, Serialize};

use crate::servers;

/// How long ours may wait for a lease: longer than any fault here, so that an error is one.
const WAIT_MAX: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    Ours,
    /// With its own renewal (`using`), and pauses below 200 ms, its default.
    Rslock,
}

#[derive(Clone)]
pub(super) enum Client {
    Ours(Leases),
    Rslock(LockManager, Duration),
}

pub(super) enum Held {
    Ours(Lease),
    Rslock(LockGuard),
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Ours, Self::Rslock];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Rslock => "rslock",
        }
    }

    pub(super) fn connect(self, urls: &[String], ttl: Duration) -> anyhow::Result<Client> {
        Ok(match self {
            Self::Ours => {
                let most = LeaseConfig::default().node_timeout;
                // Twice this and the drift must fit into the TTL.
                let config =
                    LeaseConfig { ttl, node_timeout: most.min(ttl / 4), ..LeaseConfig::default() };
                Client::Ours(Leases::connect(urls, config)?)
            }
            Self::Rslock => Client::Rslock(servers::rslock(urls)?, ttl),
        })
    }
}

impl Client {
    pub(super) async fn acquire(&self, resource: &Resource) -> anyhow::Result<Held> {
        Ok(match self {
            Self::Ours(leases) => Held::Ours(leases.acquire(resource, WAIT_MAX).await?),
            Self::Rslock(manager, ttl) => {
                Held::Rslock(manager.acquire(resource.as_str(), *ttl).await?)
            }
        })
    }
}

impl Held {
    /// `None` where there is none.
    pub(super) fn token(&self) -> Option<i64> {
        match self {
            Self::Ours(lease) => Some(lease.token().as_i64()),
            Self::Rslock(_) => None,
        }
    }

    pub(super) async fn release(self) {
        match self {
            Self::Ours(lease) => {
                let _outcome = lease.release().await;
            }
            Self::Rslock(guard) => guard.release().await,
        }
    }
}
