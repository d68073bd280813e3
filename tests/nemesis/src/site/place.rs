//! A replica behind its links: started, broken and mended.

use std::net::SocketAddr;

use leasehold_stack::{Links, Proxy, Replica, ReplicaConfig, Stack, free_port};
use tokio::sync::Mutex;

/// A replica behind its links.
pub(super) struct Place {
    name: String,
    config: ReplicaConfig,
    pub(super) links: Links,
    /// Where buyers ask.
    pub(super) front: Proxy,
    pub(super) replica: Mutex<Option<Replica>>,
}

impl Place {
    pub(super) async fn start(
        stack: &Stack,
        config: &ReplicaConfig,
        index: usize,
    ) -> anyhow::Result<Self> {
        let name = format!("replica-{}", index + 1);
        let links = Links::between(stack).await?;
        let mut config = config.through(&links);
        // The same port after each start: buyers keep their way.
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        config.env.push(("LEASEHOLD_LISTEN".to_owned(), address.to_string()));
        let replica = config.start(&name).await?;
        let front = Proxy::start(address).await?;
        Ok(Self { name, config, links, front, replica: Mutex::new(Some(replica)) })
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
