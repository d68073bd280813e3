//! What the main job runs on: servers, replicas, and for who breaks them what lies between and beside them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use leasehold_stack::{
    Keys, Links, LoadBalancer, Means, Namespace, Prepared, Program, Progress as _, Replica,
    ReplicaConfig, Shop, Sidecar, SidecarConfig, Stack, StackConfig, Stderr, free_port,
};

use super::by_hand::Broken;
use crate::Cli;

/// What everything is prepared for, so that it can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Prepare {
    /// Clocks of lease nodes and replicas that can be set (libfaketime)
    Clocks,
    /// Small disks, in memory, that can be full (root)
    Disks,
    /// A network of its own for each replica (root, ip, nft)
    Networks,
    /// All of these that the machine allows
    All,
}

/// What of it is so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Preparations {
    pub(super) clocks: bool,
    pub(super) disks: bool,
    pub(super) networks: bool,
}

pub(super) struct World {
    /// What was broken by hand: before the servers, so that it is undone while they are there.
    pub(super) broken: Broken,
    pub(super) shop: Shop,
    pub(super) replicas: Vec<Replica>,
    /// Of each replica, in their order: to start it again.
    pub(super) configs: Vec<ReplicaConfig>,
    /// Before the replicas, for who breaks them; none without haproxy.
    pub(super) balancer: Option<LoadBalancer>,
    /// For who breaks it.
    pub(super) sidecar: Option<Sidecar>,
    /// Of each replica, in their order; none when nobody is going to break them.
    pub(super) links: Vec<Links>,
    /// Of each replica, in their order, where they have networks of their own.
    pub(super) networks: Vec<Namespace>,
    pub(super) prepared: Preparations,
    // Last: the servers end after the replicas.
    pub(super) stack: Stack,
}

impl World {
    pub(super) async fn start(cli: &Cli, progress: &Stderr) -> anyhow::Result<Self> {
        let prepared = Preparations::of(&cli.prepare, progress)?;
        let servers = Prepared { clocks: prepared.clocks, small_disks: prepared.disks };
        let config = StackConfig {
            lease_nodes: cli.nodes.into(),
            prepared: servers,
            ..StackConfig::default()
        };
        let stack = Stack::start(config, progress).await?;
        let keys = Keys::random();
        let mut config = ReplicaConfig::on(&stack, Program::linked()?, keys.clone());
        config.clocks = prepared.clocks;
        progress.step("making the tables");
        config.migrate().await?;
        let mut world = Self {
            broken: Broken::default(),
            shop: Shop::new(keys),
            replicas: Vec::new(),
            configs: Vec::new(),
            balancer: None,
            sidecar: None,
            links: Vec::new(),
            networks: Vec::new(),
            prepared,
            stack,
        };
        for number in 1..=cli.replicas {
            let own = if cli.keep { world.apart(&config).await? } else { config.clone() };
            world.replicas.push(own.start(&format!("replica-{number}")).await?);
            world.configs.push(own);
        }
        let at: Vec<&str> = world.replicas.iter().map(Replica::url).collect();
        progress.step(&format!("replicas listen at {}", at.join(", ")));
        if cli.keep {
            world.start_beside().await?;
        }
        Ok(world)
    }

    /// For one more replica: behind links, and in a network of its own if there are any.
    async fn apart(&mut self, config: &ReplicaConfig) -> anyhow::Result<ReplicaConfig> {
        let network = self.prepared.networks.then(Namespace::create).transpose()?;
        let (links, mut own, ip) = match &network {
            None => {
                let links = Links::between(&self.stack).await?;
                let own = config.through(&links);
                (links, own, Ipv4Addr::LOCALHOST)
            }
            Some(network) => {
                let links = network.links(&self.stack).await?;
                let own = config.inside(network, &links);
                (links, own, network.address())
            }
        };
        // The same after each restart: the load balancer knows no names.
        let listen = SocketAddr::from((IpAddr::V4(ip), free_port()?));
        own.env.push(("LEASEHOLD_LISTEN".to_owned(), listen.to_string()));
        self.links.push(links);
        self.networks.extend(network);
        Ok(own)
    }

    /// What the sales do not need, and who breaks things by hand may want.
    async fn start_beside(&mut self) -> anyhow::Result<()> {
        let address = |replica: &Replica| {
            let url = replica.url();
            url.strip_prefix("http://").unwrap_or(url).parse().with_context(|| url.to_owned())
        };
        let addresses = self.replicas.iter().map(address).collect::<anyhow::Result<Vec<_>>>()?;
        if Means::LoadBalancer.missing().is_none() {
            self.balancer = Some(LoadBalancer::start(self.stack.folder(), &addresses).await?);
        }
        let sidecar = SidecarConfig::on(&self.stack, Program::linked_sidecar()?);
        self.sidecar = Some(sidecar.start("sidecar").await?);
        Ok(())
    }
}

impl Preparations {
    /// What is wanted: an error if it cannot be, unless all that can be is.
    fn of(wanted: &[Prepare], progress: &Stderr) -> anyhow::Result<Self> {
        let is_prepared = |what: Prepare, name: &str| {
            let is_named = wanted.contains(&what);
            if !is_named && !wanted.contains(&Prepare::All) {
                return Ok(false);
            }
            match missing(what) {
                None => Ok(true),
                Some(why) if is_named => bail!("--prepare {name}: {why}"),
                Some(why) => {
                    progress.step(&format!("not prepared, {name}: {why}"));
                    Ok(false)
                }
            }
        };
        Ok(Self {
            clocks: is_prepared(Prepare::Clocks, "clocks")?,
            disks: is_prepared(Prepare::Disks, "disks")?,
            networks: is_prepared(Prepare::Networks, "networks")?,
        })
    }
}

/// Why this machine cannot do that; `None` if it can. Blocks while it is tried out.
pub(super) fn missing(what: Prepare) -> Option<String> {
    match what {
        Prepare::Clocks => Means::Clocks.missing().map(str::to_owned),
        Prepare::Disks => Means::SmallDisks.missing().map(str::to_owned),
        Prepare::Networks => Namespace::create().err().map(|error| {
            format!(
                "a network of its own takes Linux, root, and the programs ip and nft ({error:#})"
            )
        }),
        Prepare::All => None,
    }
}
