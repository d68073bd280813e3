//! Hears from the nodes which leases they hand over to this client.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc;

use super::{
    inbox::{Inbox, Order},
    leases::Shared,
};

/// Messages of one node that are not looked at yet; what has no room is made up for by polling.
const MESSAGES_MAX: usize = 1024;

/// How long a node is listened to after the last who wanted it.
const LINGER: Duration = Duration::from_secs(10);

/// Pause before a broken connection is made anew: doubles from the first to the second.
const RECONNECT_MIN: Duration = Duration::from_millis(50);
const RECONNECT_MAX: Duration = Duration::from_secs(5);

/// Who listens.
#[derive(Debug)]
pub(super) struct Wakes {
    wanted_by: AtomicUsize,
    /// For each node, whether a task listens to it.
    listening: Vec<AtomicBool>,
}

/// While it exists, the nodes are listened to.
#[derive(Debug)]
pub(super) struct Listener(Arc<Shared>);

impl Wakes {
    pub(super) fn new(nodes: usize) -> Self {
        let listening = (0..nodes).map(|_| AtomicBool::new(false)).collect();
        Self { wanted_by: AtomicUsize::new(0), listening }
    }
}

/// Listens to every node.
pub(super) fn listen(shared: &Arc<Shared>) -> Listener {
    let _before = shared.wakes.wanted_by.fetch_add(1, Ordering::SeqCst);
    for (node, listening) in shared.wakes.listening.iter().enumerate() {
        if !listening.swap(true, Ordering::SeqCst) {
            let ear = Ear { shared: Arc::clone(shared), node, is_over: false };
            drop(tokio::spawn(ear.listen()));
        }
    }
    Listener(Arc::clone(shared))
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _before = self.0.wakes.wanted_by.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Listens to one node.
struct Ear {
    shared: Arc<Shared>,
    node: usize,
    /// Whether it ended by itself.
    is_over: bool,
}

impl Ear {
    async fn listen(mut self) {
        while !self.is_over {
            self.listen_while_wanted().await;
            let listening = &self.shared.wakes.listening[self.node];
            listening.store(false, Ordering::SeqCst);
            // Who came in between believes that it is listened for.
            self.is_over = !self.is_wanted() || listening.swap(true, Ordering::SeqCst);
        }
    }

    async fn listen_while_wanted(&self) {
        let mut pause = RECONNECT_MIN;
        while self.is_wanted() {
            let (heard, mut notices) = mpsc::channel(MESSAGES_MAX);
            let pass_on = async {
                loop {
                    match tokio::time::timeout(LINGER, notices.recv()).await {
                        Ok(Some(notice)) => {
                            let order = Order::Heard { node: self.node, notice };
                            let _no_runtime = Inbox::leave(&self.shared, order);
                        }
                        Err(_) if self.is_wanted() => {}
                        Ok(None) | Err(_) => return,
                    }
                }
            };
            tokio::select! {
                () = pass_on => {
                    pause = RECONNECT_MIN;
                    continue;
                }
                broken = self.shared.nodes[self.node].listen(self.shared.client, heard) => {
                    tracing::debug!(error = %broken, "waiters of this node poll until it is heard again");
                }
            }
            let jitter = pause.mul_f64(fastrand::f64());
            tokio::time::sleep(pause / 2 + jitter / 2).await;
            pause = (pause * 2).min(RECONNECT_MAX);
        }
    }

    fn is_wanted(&self) -> bool {
        self.shared.wakes.wanted_by.load(Ordering::SeqCst) > 0
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        if !self.is_over {
            self.shared.wakes.listening[self.node].store(false, Ordering::SeqCst);
        }
    }
}
