//! What breaks, and what mends it.

use std::time::{Duration, Instant};

use leasehold_stack::Link;

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

impl Site {
    pub(crate) async fn inject(&self, fault: Fault) -> anyhow::Result<()> {
        match fault {
            Fault::Kill(Victim::Node(node)) => self.nodes[node].lock().await.kill().await,
            Fault::Kill(Victim::Postgres) => self.postgres.lock().await.kill().await,
            Fault::Kill(Victim::Replica(replica)) => self.places[replica].kill().await,
            Fault::Pause(Victim::Node(node)) => self.nodes[node].lock().await.pause(),
            Fault::Pause(Victim::Postgres) => self.postgres.lock().await.pause(),
            Fault::Pause(Victim::Replica(replica)) => self.places[replica].pause().await,
            Fault::Drain(replica) => self.places[replica].drain().await,
            Fault::KillBeforeWrite => self.plant("before_write", "kill"),
            Fault::KillAfterWrite => self.plant("after_write", "kill"),
            Fault::PauseBeforeWrite => self.plant("before_write", "stop"),
            Fault::Forget(node) => self.nodes[node].lock().await.flush_all().await,
            Fault::RefuseWrites(node) => self.nodes[node].lock().await.refuse_writes().await,
            Fault::ForgetScripts(node) => self.nodes[node].lock().await.forget_scripts().await,
            Fault::Connections(node, most) => {
                let limit = self.nodes[node].lock().await.limit_connections(most)?;
                *self.limits[node].lock().await = Some(limit);
                Ok(())
            }
            Fault::Clock(victim, seconds) => self.jump_clock(victim, seconds).await,
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
            Fault::KillBeforeWrite | Fault::PauseBeforeWrite => self.lift("before_write").await,
            Fault::KillAfterWrite => self.lift("after_write").await,
            Fault::Forget(_) | Fault::ForgetScripts(_) => Ok(()),
            Fault::RefuseWrites(node) => self.nodes[node].lock().await.accept_writes().await,
            Fault::Connections(node, _) => {
                *self.limits[node].lock().await = None;
                Ok(())
            }
            Fault::Clock(victim, _) => self.jump_clock(victim, 0).await,
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
            Victim::Postgres => Ok(()),
        }
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
        // The signal follows at once.
        while Instant::now() < by {
            for (index, place) in self.places.iter().enumerate() {
                if place.stands_or_died().await {
                    return Some(index);
                }
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        None
    }

    /// Takes a planted fault away if nobody came by, and mends whom it met.
    async fn lift(&self, point: &str) -> anyhow::Result<()> {
        match std::fs::remove_file(self.faults.join(point)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
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
