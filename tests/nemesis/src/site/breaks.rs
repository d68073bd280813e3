//! What breaks, and what mends it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use leasehold_stack::{ConnectionLimit, Link, LoadBalancer, Sidecar, SlowSync, TakenConnections};
use tokio::{sync::Mutex, sync::MutexGuard, task::spawn_blocking};

use super::Site;
use crate::fault::{Fault, Victim, Way};

/// What is slow passes so many bytes a second.
const SLOW: u32 = 4096;
/// What is delayed takes up to so long.
const DELAY_MAX: Duration = Duration::from_millis(500);
/// What is doubled comes again after so long.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// How often it is looked who came by a planted fault.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// How long who came by a planted fault may take to send itself the signal.
const STRIKE_LIMIT: Duration = Duration::from_secs(10);

/// By how much slow syncs are slower: within what a node is waited for.
const SLOW_SYNC: Duration = Duration::from_millis(100);

/// What undoes faults when it is dropped. Some of it blocks until it is done.
#[derive(Debug, Default)]
pub(super) struct Undo {
    limits: Mutex<BTreeMap<usize, ConnectionLimit>>,
    slow: Mutex<BTreeMap<Victim, SlowSync>>,
    taken: Mutex<Option<TakenConnections>>,
}

impl Site {
    pub(crate) async fn inject(&self, fault: Fault) -> anyhow::Result<()> {
        match fault {
            Fault::Kill(Victim::Node(node)) => self.nodes[node].lock().await.kill().await,
            Fault::Kill(Victim::Postgres) => self.postgres.lock().await.kill().await,
            Fault::Kill(Victim::Replica(replica)) => self.places[replica].kill().await,
            Fault::Pause(Victim::Node(node)) => self.nodes[node].lock().await.pause(),
            Fault::Pause(Victim::Postgres) => self.postgres.lock().await.pause(),
            Fault::Pause(Victim::Replica(replica)) => self.places[replica].pause().await,
            Fault::Kill(Victim::Sidecar) => self.sidecar().await?.kill().await,
            Fault::Pause(Victim::Sidecar) => self.sidecar().await?.pause(),
            Fault::Kill(Victim::Balancer) => self.balancer().await?.kill().await,
            Fault::Pause(Victim::Balancer) => self.balancer().await?.pause(),
            Fault::Drain(replica) => self.places[replica].drain().await,
            Fault::KillBeforeWrite => self.plant("before_write", "kill"),
            Fault::KillAfterWrite => self.plant("after_write", "kill"),
            Fault::PauseBeforeWrite => self.plant("before_write", "stop"),
            Fault::Forget(node) => self.nodes[node].lock().await.flush_all().await,
            Fault::RefuseWrites(node) => self.nodes[node].lock().await.refuse_writes().await,
            Fault::ForgetScripts(node) => self.nodes[node].lock().await.forget_scripts().await,
            Fault::Connections(node, most) => {
                let limit = self.nodes[node].lock().await.limit_connections(most)?;
                let _none = self.undo.limits.lock().await.insert(node, limit);
                Ok(())
            }
            Fault::Clock(victim, seconds) => self.jump_clock(victim, seconds).await,
            Fault::FillDisk(Victim::Node(node)) => self.nodes[node].lock().await.fill_disk(),
            Fault::FillDisk(_) => self.postgres.lock().await.fill_disk(),
            Fault::SlowSync(victim) => {
                let slow = match victim {
                    Victim::Node(node) => self.nodes[node].lock().await.slow_sync(SLOW_SYNC).await,
                    _ => self.postgres.lock().await.slow_sync(SLOW_SYNC).await,
                };
                let _none = self.undo.slow.lock().await.insert(victim, slow?);
                Ok(())
            }
            Fault::TakeConnections => {
                *self.undo.taken.lock().await =
                    Some(self.postgres.lock().await.take_connections().await?);
                Ok(())
            }
            Fault::Part(replica, how) => self.places[replica].part(how),
            Fault::ToPostgres(..)
            | Fault::ToNode(..)
            | Fault::ToNodes(..)
            | Fault::ToReplica(..)
            | Fault::HolderToNodes(..) => {
                self.link(fault, link);
                Ok(())
            }
        }
    }

    /// Undoes a fault.
    pub(crate) async fn undo(&self, fault: Fault) -> anyhow::Result<()> {
        match fault {
            Fault::Kill(Victim::Node(node)) => self.nodes[node].lock().await.restart().await,
            Fault::Kill(Victim::Postgres) => self.postgres.lock().await.restart().await,
            Fault::Pause(Victim::Node(node)) => self.nodes[node].lock().await.resume(),
            Fault::Pause(Victim::Postgres) => self.postgres.lock().await.resume(),
            Fault::Kill(Victim::Replica(replica)) | Fault::Drain(replica) => {
                self.places[replica].run_again().await
            }
            Fault::Pause(Victim::Replica(replica)) => self.places[replica].run_again().await,
            Fault::Kill(Victim::Sidecar) => self.sidecar().await?.restart().await,
            Fault::Pause(Victim::Sidecar) => self.sidecar().await?.resume(),
            Fault::Kill(Victim::Balancer) => self.balancer().await?.restart().await,
            Fault::Pause(Victim::Balancer) => self.balancer().await?.resume(),
            Fault::KillBeforeWrite | Fault::PauseBeforeWrite => self.lift("before_write").await,
            Fault::KillAfterWrite => self.lift("after_write").await,
            Fault::Forget(_) | Fault::ForgetScripts(_) => Ok(()),
            Fault::RefuseWrites(node) => self.nodes[node].lock().await.accept_writes().await,
            Fault::Connections(node, _) => {
                let limit = self.undo.limits.lock().await.remove(&node);
                Ok(spawn_blocking(|| drop(limit)).await?)
            }
            Fault::Clock(victim, _) => self.jump_clock(victim, 0).await,
            Fault::FillDisk(victim) => self.free_disk(victim).await,
            Fault::SlowSync(victim) => {
                let slow = self.undo.slow.lock().await.remove(&victim);
                Ok(spawn_blocking(|| drop(slow)).await?)
            }
            Fault::TakeConnections => {
                *self.undo.taken.lock().await = None;
                Ok(())
            }
            Fault::Part(replica, how) => self.places[replica].join(how).await,
            Fault::ToPostgres(..)
            | Fault::ToNode(..)
            | Fault::ToNodes(..)
            | Fault::ToReplica(..)
            | Fault::HolderToNodes(..) => {
                self.link(fault, |_| Link::Open);
                Ok(())
            }
        }
    }

    fn link(&self, fault: Fault, becomes: impl Fn(Way) -> Link) {
        match fault {
            Fault::ToPostgres(replica, way) => {
                self.places[replica].links.postgres.set(becomes(way));
            }
            Fault::ToNode(replica, node, way) => {
                self.places[replica].links.nodes[node].set(becomes(way));
            }
            Fault::ToNodes(replica, way) => {
                self.places[replica].links.nodes.iter().for_each(|node| node.set(becomes(way)));
            }
            Fault::ToReplica(replica, way) => self.places[replica].front.set(becomes(way)),
            Fault::HolderToNodes(holder, way) => {
                self.holders[holder].iter().for_each(|node| node.set(becomes(way)));
            }
            _ => {}
        }
    }

    async fn jump_clock(&self, victim: Victim, seconds: i64) -> anyhow::Result<()> {
        match victim {
            Victim::Node(node) => self.nodes[node].lock().await.jump_clock(seconds),
            Victim::Replica(replica) => match &*self.places[replica].replica.lock().await {
                Some(running) => running.jump_clock(seconds),
                None => Ok(()),
            },
            // Its clock is the one that reservations end by: a jump ends them as it says.
            Victim::Postgres | Victim::Sidecar | Victim::Balancer => Ok(()),
        }
    }

    /// Who found no room has mostly ended.
    async fn free_disk(&self, victim: Victim) -> anyhow::Result<()> {
        if let Victim::Node(node) = victim {
            let mut node = self.nodes[node].lock().await;
            node.free_disk()?;
            return node.restart().await;
        }
        let mut postgres = self.postgres.lock().await;
        postgres.free_disk()?;
        postgres.restart().await
    }

    async fn sidecar(&self) -> anyhow::Result<MutexGuard<'_, Sidecar>> {
        Ok(self.sidecar.as_ref().context("there is no sidecar")?.lock().await)
    }

    async fn balancer(&self) -> anyhow::Result<MutexGuard<'_, LoadBalancer>> {
        Ok(self.balancer.as_ref().context("there is no load balancer")?.lock().await)
    }

    fn plant(&self, point: &str, what: &str) -> anyhow::Result<()> {
        Ok(std::fs::write(self.faults.join(point), what)?)
    }

    /// Waits until a replica came by a planted fault, and says which; `None` when nobody did by then.
    pub(crate) async fn met(&self, point: &str, by: Instant) -> Option<usize> {
        let planted = self.faults.join(point);
        while planted.exists() {
            if Instant::now() >= by {
                return None;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        self.struck(by).await
    }

    /// Waits until a replica stands or has died, and says which; `None` when none does by then.
    async fn struck(&self, by: Instant) -> Option<usize> {
        loop {
            for (index, place) in self.places.iter().enumerate() {
                if place.stands_or_died().await {
                    return Some(index);
                }
            }
            if Instant::now() >= by {
                return None;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Takes a planted fault away if nobody came by, and mends whom it met.
    async fn lift(&self, point: &str) -> anyhow::Result<()> {
        match std::fs::remove_file(self.faults.join(point)) {
            Ok(()) => {}
            // Somebody has taken it, and its signal follows. Who is told to go on before it stands would
            // stand from then on, with nobody left to tell it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let struck = self.struck(Instant::now() + STRIKE_LIMIT).await;
                ensure!(struck.is_some(), "{point} was reached, and no replica stands or has died");
            }
            Err(error) => return Err(error.into()),
        }
        for place in &self.places {
            place.run_again().await?;
        }
        Ok(())
    }
}

fn link(way: Way) -> Link {
    match way {
        Way::Cut => Link::Cut,
        Way::Silent => Link::Silent,
        Way::NoReplies => Link::NoReplies,
        Way::Delayed => Link::Delayed { from: Duration::ZERO, to: DELAY_MAX },
        Way::Slow => Link::Slow { bytes_per_second: SLOW },
        Way::Twice => Link::Twice { after: AGAIN_AFTER },
    }
}
