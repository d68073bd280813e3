//! The local hand-over: a prototype without token, renewal or other processes, and so the yardstick
//! for what hand-offs inside one process can come to.
//!
//! Tasks queue in the process, first come, first served. Who leaves lets one script on all nodes set
//! the lease from its own value to a new one, and wakes the next as soon as a quorum has done so.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::ensure;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use redis::{Script, aio::MultiplexedConnection};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::servers::TTL;

pub(super) struct Handover {
    nodes: Vec<MultiplexedConnection>,
    key: String,
    pass: Arc<Script>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    /// Whether somebody has the lease, or is about to take or to free it.
    busy: bool,
    waiting: VecDeque<oneshot::Sender<String>>,
}

impl Handover {
    pub(super) fn new(nodes: Vec<MultiplexedConnection>, key: String) -> Self {
        Self {
            nodes,
            key,
            pass: Arc::new(Script::new(include_str!("pass.lua"))),
            queue: Mutex::default(),
        }
    }

    /// Waits for its turn and returns the value to give back.
    pub(super) async fn acquire(&self) -> anyhow::Result<String> {
        let turn = {
            let mut queue = self.queue();
            let (wake, turn) = oneshot::channel();
            if queue.busy {
                queue.waiting.push_back(wake);
                Some(turn)
            } else {
                queue.busy = true;
                None
            }
        };
        match turn {
            Some(turn) => Ok(turn.await?),
            None => self.pass("", &fresh()).await,
        }
    }

    pub(super) async fn release(&self, mut value: String) -> anyhow::Result<()> {
        loop {
            let next = {
                let mut queue = self.queue();
                let next = queue.waiting.pop_front();
                queue.busy = next.is_some() || !value.is_empty();
                next
            };
            match next {
                Some(next) => {
                    value = self.pass(&value, &fresh()).await?;
                    match next.send(value) {
                        Ok(()) => return Ok(()),
                        // Who waited is gone; the lease is still ours to pass on.
                        Err(unwanted) => value = unwanted,
                    }
                }
                None if value.is_empty() => return Ok(()),
                None => value = self.pass(&value, "").await?,
            }
        }
    }

    /// Returns the new value as soon as a quorum has it. The other nodes follow, each in order.
    async fn pass(&self, from: &str, to: &str) -> anyhow::Result<String> {
        let ttl = TTL.as_millis().to_string();
        let mut answers: FuturesUnordered<_> = self
            .nodes
            .iter()
            .cloned()
            .map(|mut node| {
                let (pass, key) = (Arc::clone(&self.pass), self.key.clone());
                let args = [from.to_owned(), to.to_owned(), ttl.clone()];
                async move { pass.key(key).arg(&args).invoke_async::<i64>(&mut node).await }
            })
            .collect();
        let (mut done, quorum) = (0, self.nodes.len() / 2 + 1);
        while done < quorum {
            let Some(answer) = answers.next().await else { break };
            done += usize::from(answer? == 1);
        }
        ensure!(done >= quorum, "local_handover: {done} nodes passed the lease on, not {quorum}");
        if !answers.is_empty() {
            // A call that nobody waits for may not be sent, and a node that misses one refuses all
            // that come after it. Ends with the last answer or its time limit.
            drop(tokio::spawn(answers.for_each(|_late| std::future::ready(()))));
        }
        Ok(to.to_owned())
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fresh() -> String {
    Uuid::new_v4().simple().to_string()
}
