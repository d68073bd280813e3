//! Does what is done to one process.

use anyhow::{Context as _, bail, ensure};
use leasehold_stack::{
    LeaseNode, LoadBalancer, Means, Postgres, Process, Replica, Sidecar, SlowSync, is_stopped,
};
use tokio::task::spawn_blocking;

use crate::job::{
    verb::{Deed, Target},
    world::{Prepare, World, missing},
};

/// Why a deed is not one for this process. Lines that ask for it are refused before.
const NOT_FOR_IT: &str = "that cannot be done to it";
/// Why one must go on before.
const STANDS: &str = "it is paused: resume it first";

/// Does it, and notes what it means from then on.
pub(super) async fn act(deed: Deed, target: Target, world: &mut World) -> anyhow::Result<()> {
    match deed {
        Deed::Pause if world.broken.is_slow(target) => {
            bail!("whose syncs are held up cannot be paused: fast-sync it first")
        }
        // What holds its syncs up would be in the way.
        Deed::Kill | Deed::Restart => world.broken.speed_up(target).await?,
        Deed::Clock(_) => is_prepared(world.prepared.clocks, Prepare::Clocks, "clocks").await?,
        Deed::FillDisk | Deed::FreeDisk => {
            is_prepared(world.prepared.disks, Prepare::Disks, "disks").await?;
        }
        Deed::SlowSync(_) => {
            let missing = spawn_blocking(|| Means::SlowSyncs.missing()).await?;
            ensure!(missing.is_none(), "{}", missing.unwrap_or_default());
            // The delay before is no longer meant.
            world.broken.speed_up(target).await?;
        }
        Deed::LimitConnections(_) | Deed::TakeConnections => {
            world.broken.free_connections(target).await?;
        }
        _ => {}
    }
    match target {
        Target::Node(index) => on_node(deed, target, world, index).await?,
        Target::Postgres => on_postgres(deed, world).await?,
        Target::Replica(index) => on_replica(deed, world, index).await?,
        Target::Sidecar => on_sidecar(deed, sidecar(world)?).await?,
        Target::Balancer => on_balancer(deed, balancer(world)?).await?,
    }
    if matches!(deed, Deed::Kill | Deed::Restart | Deed::Drain) {
        world.broken.ended(target).await?;
    }
    world.broken.note(deed, target);
    Ok(())
}

/// An error that says what to do when nothing was prepared for it.
async fn is_prepared(it_is: bool, what: Prepare, name: &str) -> anyhow::Result<()> {
    if it_is {
        return Ok(());
    }
    match spawn_blocking(move || missing(what)).await? {
        Some(why) => bail!("{why}"),
        None => bail!("nothing is prepared for it: start with --keep --prepare {name}"),
    }
}

/// Waits until its syncs are held up.
async fn slow(slow: impl Future<Output = anyhow::Result<SlowSync>>) -> anyhow::Result<SlowSync> {
    slow.await.context("its syncs cannot be held up")
}

async fn on_node(
    deed: Deed,
    target: Target,
    world: &mut World,
    index: usize,
) -> anyhow::Result<()> {
    let node = node(world, index)?;
    match deed {
        Deed::Pause => node.pause(),
        Deed::Resume => node.resume(),
        Deed::Kill => node.kill().await,
        Deed::Restart => node.restart().await,
        Deed::Flush => node.flush_all().await,
        Deed::ForgetScripts => node.forget_scripts().await,
        Deed::FillMemory => node.refuse_writes().await,
        Deed::FreeMemory => node.accept_writes().await,
        Deed::FillDisk => node.fill_disk(),
        Deed::FreeDisk => node.free_disk(),
        Deed::Clock(seconds) => node.jump_clock(seconds),
        Deed::SlowSync(by) => {
            let stands = node.process().is_some_and(Process::is_paused);
            ensure!(!stands, STANDS);
            let slowed = slow(node.slow_sync(by)).await?;
            world.broken.slowed(target, slowed);
            Ok(())
        }
        Deed::FastSync => world.broken.speed_up(target).await,
        Deed::LimitConnections(most) => {
            let limit = node.limit_connections(most)?;
            world.broken.limited(target, limit);
            Ok(())
        }
        Deed::FreeConnections => world.broken.free_connections(target).await,
        Deed::TakeConnections | Deed::Drain => bail!(NOT_FOR_IT),
    }
}

async fn on_postgres(deed: Deed, world: &mut World) -> anyhow::Result<()> {
    let postgres = postgres(world)?;
    match deed {
        Deed::Pause => postgres.pause(),
        Deed::Resume => postgres.resume(),
        Deed::Kill => postgres.kill().await,
        Deed::Restart => postgres.restart().await,
        Deed::FillDisk => postgres.fill_disk(),
        Deed::FreeDisk => postgres.free_disk(),
        Deed::SlowSync(by) => {
            ensure!(postgres.pid().and_then(is_stopped) != Some(true), STANDS);
            let slowed = slow(postgres.slow_sync(by)).await?;
            world.broken.slowed(Target::Postgres, slowed);
            Ok(())
        }
        Deed::FastSync => world.broken.speed_up(Target::Postgres).await,
        Deed::TakeConnections => {
            let taken = postgres.take_connections().await?;
            world.broken.taken(taken);
            Ok(())
        }
        Deed::FreeConnections => world.broken.free_connections(Target::Postgres).await,
        _ => bail!(NOT_FOR_IT),
    }
}

async fn on_replica(deed: Deed, world: &mut World, index: usize) -> anyhow::Result<()> {
    let replica = replica(world, index)?;
    let process = replica.process();
    match deed {
        Deed::Pause => process.pause(),
        Deed::Resume => process.resume(),
        Deed::Kill => process.kill().await,
        Deed::Restart => {
            process.kill().await?;
            let name = format!("replica-{}", index + 1);
            world.replicas[index] = world.configs[index].start(&name).await?;
            Ok(())
        }
        Deed::Drain => {
            ensure!(!process.is_paused(), STANDS);
            replica.stop().await
        }
        Deed::Clock(seconds) => replica.jump_clock(seconds),
        _ => bail!(NOT_FOR_IT),
    }
}

async fn on_sidecar(deed: Deed, sidecar: &mut Sidecar) -> anyhow::Result<()> {
    match deed {
        Deed::Pause => sidecar.pause(),
        Deed::Resume => sidecar.resume(),
        Deed::Kill => sidecar.kill().await,
        Deed::Restart => sidecar.restart().await,
        _ => bail!(NOT_FOR_IT),
    }
}

async fn on_balancer(deed: Deed, balancer: &mut LoadBalancer) -> anyhow::Result<()> {
    match deed {
        Deed::Pause => balancer.pause(),
        Deed::Resume => balancer.resume(),
        Deed::Kill => balancer.kill().await,
        Deed::Restart => balancer.restart().await,
        _ => bail!(NOT_FOR_IT),
    }
}

pub(super) fn sidecar(world: &mut World) -> anyhow::Result<&mut Sidecar> {
    world.sidecar.as_mut().context("there is no sidecar")
}

pub(super) fn balancer(world: &mut World) -> anyhow::Result<&mut LoadBalancer> {
    let why = || Means::LoadBalancer.missing().unwrap_or("there is no balancer");
    world.balancer.as_mut().with_context(why)
}

pub(super) fn node(world: &mut World, index: usize) -> anyhow::Result<&mut LeaseNode> {
    let last = world.stack.nodes.len() - 1;
    let found = world.stack.nodes.get_mut(index);
    found.with_context(|| format!("there is no node-{index}, only node-0 to node-{last}"))
}

pub(super) fn postgres(world: &mut World) -> anyhow::Result<&mut Postgres> {
    world.stack.postgres.as_mut().context("there is no postgres")
}

pub(super) fn replica(world: &World, index: usize) -> anyhow::Result<&Replica> {
    let (number, last) = (index.saturating_add(1), world.replicas.len());
    let found = world.replicas.get(index);
    found.with_context(|| format!("there is no replica-{number}, only replica-1 to replica-{last}"))
}
