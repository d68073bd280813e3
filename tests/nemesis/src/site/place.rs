//! A replica behind its links: started, broken and mended.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::Context as _;
use leasehold_stack::{Links, Namespace, Proxy, Replica, ReplicaConfig, Stack, free_port};
use tokio::sync::Mutex;

use crate::fault::Parting;

/// How many of a hundred packets a lossy network loses.
const LOST_PERCENT: u8 = 33;
/// For how long links are cut, so that both ends see it.
const CUT_OFF_FOR: Duration = Duration::from_millis(200);

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

    /// Loses packets between it and all servers.
    pub(super) fn part(&self, how: Parting) -> anyhow::Result<()> {
        let wire = self.network()?.before(self.links.nodes.iter().chain([&self.links.postgres]));
        match how {
            Parting::Whole => wire.cut(),
            Parting::OneWay => wire.one_way(),
            Parting::Rejected => wire.reject(),
            Parting::Lossy => wire.loss(LOST_PERCENT),
        }
    }

    /// Loses no more.
    pub(super) async fn join(&self, how: Parting) -> anyhow::Result<()> {
        if how == Parting::Rejected {
            // Its side of the connections was ended, and the other side was not told. A server finds out
            // when it asks whether anybody is there; what stands between for us never asks.
            self.links.cut_off();
            tokio::time::sleep(CUT_OFF_FOR).await;
            self.links.heal();
        }
        self.network()?.heal()
    }

    fn network(&self) -> anyhow::Result<&Namespace> {
        self.network.as_ref().with_context(|| format!("{} has no network of its own", self.name))
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
