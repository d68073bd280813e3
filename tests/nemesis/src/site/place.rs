//! A replica behind its links: started, broken and mended.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::bail;
use leasehold_stack::{Links, Namespace, Proxy, Replica, ReplicaConfig, Stack, free_port};
use tokio::sync::Mutex;

use crate::fault::Parting;

/// How many of a hundred packets a lossy network loses.
const LOST_PERCENT: u8 = 33;

/// A replica behind its links.
pub(super) struct Place {
    name: String,
    config: ReplicaConfig,
    pub(super) links: Links,
    /// Where buyers ask.
    pub(super) front: Proxy,
    pub(super) replica: Mutex<Option<Replica>>,
    /// Its own network, if it has one. Last: it goes after those who are in it.
    network: Option<Namespace>,
}

impl Place {
    pub(super) async fn start(
        stack: &Stack,
        config: &ReplicaConfig,
        index: usize,
        network: Option<Namespace>,
    ) -> anyhow::Result<Self> {
        let name = format!("replica-{}", index + 1);
        let (links, mut config, ip) = match &network {
            None => {
                let links = Links::between(stack).await?;
                let config = config.through(&links);
                (links, config, Ipv4Addr::LOCALHOST)
            }
            Some(network) => {
                let links = network.links(stack).await?;
                let config = config.inside(network, &links);
                (links, config, network.address())
            }
        };
        // The same port after each start: buyers keep their way.
        let address = SocketAddr::from((IpAddr::V4(ip), free_port()?));
        config.env.push(("LEASEHOLD_LISTEN".to_owned(), address.to_string()));
        let replica = config.start(&name).await?;
        let front = Proxy::start(address).await?;
        Ok(Self { name, config, links, front, replica: Mutex::new(Some(replica)), network })
    }

    /// Loses packets between it and all servers; `None` loses no more.
    pub(super) fn part(&self, how: Option<Parting>) -> anyhow::Result<()> {
        let Some(network) = &self.network else { bail!("{} has no network of its own", self.name) };
        let wire = network.before(self.links.nodes.iter().chain([&self.links.postgres]));
        match how {
            None => network.heal(),
            Some(Parting::Whole) => wire.cut(),
            Some(Parting::OneWay) => wire.one_way(),
            Some(Parting::Rejected) => wire.reject(),
            Some(Parting::Lossy) => wire.loss(LOST_PERCENT),
        }
    }

    pub(super) async fn kill(&self) -> anyhow::Result<()> {
        match &*self.replica.lock().await {
            Some(replica) => replica.process().kill().await,
            None => Ok(()),
        }
    }

    pub(super) async fn pause(&self) -> anyhow::Result<()> {
        match &*self.replica.lock().await {
            Some(replica) => replica.process().pause(),
            None => Ok(()),
        }
    }

    pub(super) async fn stands_or_died(&self) -> bool {
        let replica = self.replica.lock().await;
        replica.as_ref().is_none_or(|one| !one.process().is_running() || one.process().is_paused())
    }

    pub(super) async fn drain(&self) -> anyhow::Result<()> {
        match &*self.replica.lock().await {
            Some(replica) => replica.stop().await,
            None => Ok(()),
        }
    }

    /// Lets it go on, or starts it again.
    pub(super) async fn run_again(&self) -> anyhow::Result<()> {
        let mut replica = self.replica.lock().await;
        if let Some(running) = replica.as_ref().filter(|one| one.process().is_running()) {
            return running.process().resume();
        }
        *replica = None;
        *replica = Some(self.config.start(&self.name).await?);
        Ok(())
    }
}
