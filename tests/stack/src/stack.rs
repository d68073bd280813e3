//! A whole stack: lease nodes, Postgres, and the folder they live in.

use std::path::Path;

use anyhow::ensure;
use futures_util::future::{try_join, try_join_all};

use crate::find::Finder;
use crate::folder::StackFolder;
use crate::identity::Identity;
use crate::lease_node::{LeaseNode, Persistence};
use crate::machine::{PostgresServer, RedisServer, Site};
use crate::{Postgres, Progress, Sources};

/// What to start.
#[derive(Clone, Debug)]
pub struct StackConfig {
    /// How many lease nodes; five by default, of which two may fail.
    pub lease_nodes: usize,
    /// What the lease nodes keep when they are killed; everything by default.
    pub persistence: Persistence,
    /// Whether Postgres is wanted; it is by default.
    pub postgres: bool,
    /// What the servers are prepared for; nothing by default.
    pub prepared: Prepared,
}

/// What servers must be started with so that a verb can break them later. Servers that the stack did
/// not start are not prepared for anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// The clocks of the lease nodes can be set ([`LeaseNode::jump_clock`]); needs
    /// [`Means::Clocks`](crate::Means::Clocks).
    pub clocks: bool,
    /// The data of lease nodes and Postgres is on small disks that can be filled
    /// ([`LeaseNode::fill_disk`], [`Postgres::fill_disk`]); needs
    /// [`Means::SmallDisks`](crate::Means::SmallDisks). They are in memory: syncs cost nothing.
    pub small_disks: bool,
}

impl Default for StackConfig {
    fn default() -> Self {
        Self {
            lease_nodes: 5,
            persistence: Persistence::Durable,
            postgres: true,
            prepared: Prepared::default(),
        }
    }
}

/// Running servers. Dropping it ends all of them, blocks until they have ended (usually some
/// hundredths of a second), and removes the folder.
#[derive(Debug)]
pub struct Stack {
    /// The lease nodes.
    pub nodes: Vec<LeaseNode>,
    /// The Postgres, if one was wanted.
    pub postgres: Option<Postgres>,
    // Last, so that the folder is removed after the servers have ended.
    folder: StackFolder,
}

impl Stack {
    /// Finds and starts servers as the environment says, and returns when all of them answer.
    ///
    /// # Errors
    /// When a server cannot be found, fetched or started; the message says what to do, or ends
    /// with the server's last log lines.
    ///
    /// # Cancel safety
    /// Whatever was started ends when the future is dropped.
    pub async fn start(config: StackConfig, progress: &dyn Progress) -> anyhow::Result<Self> {
        Self::start_from(config, &Sources::from_env()?, progress).await
    }

    /// Like [`Stack::start`], with the sources given instead of read from the environment.
    ///
    /// # Errors
    /// As for [`Stack::start`].
    ///
    /// # Cancel safety
    /// As for [`Stack::start`].
    pub async fn start_from(
        config: StackConfig,
        sources: &Sources,
        progress: &dyn Progress,
    ) -> anyhow::Result<Self> {
        let run_as = Identity::for_servers();
        let folder = StackFolder::create(run_as, progress)?;
        let site = Site { folder: folder.path(), run_as };
        let (redis, postgres) = find(&config, sources, site, progress).await?;
        let (nodes, logs) = (config.lease_nodes, folder.path().display());
        let postgres_too = if config.postgres { " and postgres" } else { "" };
        progress.step(&format!("starting, lease nodes: {nodes}{postgres_too}, logs in {logs}"));
        let (nodes, postgres) = try_join(
            start_nodes(&config, sources, redis, site, progress),
            start_postgres(&config, sources, postgres, site, progress),
        )
        .await?;
        Ok(Self { nodes, postgres, folder })
    }

    /// The addresses of the lease nodes.
    #[must_use]
    pub fn redis_urls(&self) -> Vec<String> {
        self.nodes.iter().map(LeaseNode::url).collect()
    }

    /// The address of the default database, password included.
    ///
    /// # Panics
    /// When the stack was started without Postgres.
    #[must_use]
    pub fn database_url(&self) -> String {
        let postgres = self.postgres.as_ref().expect("the stack was started with postgres");
        postgres.url().to_owned()
    }

    /// The folder with the logs and the data. Programs that work with the stack may put their
    /// logs here; it goes when the stack is dropped.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// What has to be started and therefore found; `None` is given or not wanted.
async fn find(
    config: &StackConfig,
    sources: &Sources,
    site: Site<'_>,
    progress: &dyn Progress,
) -> anyhow::Result<(Option<RedisServer>, Option<PostgresServer>)> {
    let want_redis = config.lease_nodes > 0 && sources.redis_urls.is_empty();
    let want_postgres = config.postgres && sources.database_url.is_none();
    let mut finder = Finder::new(site, sources, progress);
    let redis = if want_redis { finder.redis().await } else { None };
    let postgres = if want_postgres { finder.postgres().await } else { None };
    if redis.is_some() == want_redis && postgres.is_some() == want_postgres {
        Ok((redis, postgres))
    } else {
        Err(finder.error())
    }
}

async fn start_nodes(
    config: &StackConfig,
    sources: &Sources,
    server: Option<RedisServer>,
    site: Site<'_>,
    progress: &dyn Progress,
) -> anyhow::Result<Vec<LeaseNode>> {
    let (wanted, given) = (config.lease_nodes, sources.redis_urls.len());
    let nodes = if let Some(server) = server {
        let StackConfig { persistence, prepared, .. } = *config;
        let start = |index| LeaseNode::start(index, &server, site, persistence, prepared);
        try_join_all((0..wanted).map(start)).await?
    } else {
        ensure!(given >= wanted, "{wanted} lease nodes wanted, LEASEHOLD_REDIS_URLS has {given}");
        let urls = sources.redis_urls.iter().take(wanted).enumerate();
        try_join_all(urls.map(|(index, url)| LeaseNode::given(index, url))).await?
    };
    if !nodes.is_empty() {
        let at: Vec<String> = nodes.iter().map(|node| node.address().to_string()).collect();
        progress.step(&format!("lease nodes answer at {}", at.join(", ")));
    }
    Ok(nodes)
}

async fn start_postgres(
    config: &StackConfig,
    sources: &Sources,
    server: Option<PostgresServer>,
    site: Site<'_>,
    progress: &dyn Progress,
) -> anyhow::Result<Option<Postgres>> {
    let postgres = match (server, &sources.database_url) {
        (Some(server), _) => Postgres::start(&server, site, config.prepared).await?,
        (None, Some(url)) if config.postgres => Postgres::given(url).await?,
        (None, _) => return Ok(None),
    };
    // What stands before the @ may hold a password.
    let at = postgres.url().rsplit_once('@').map_or("its address", |(_, at)| at);
    progress.step(&format!("postgres answers at {at}"));
    Ok(Some(postgres))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Silent;

    #[test]
    fn starting_can_be_spawned() {
        fn is_send<T: Send>(_: &T) {}
        is_send(&Stack::start(StackConfig::default(), &Silent));
    }
}
