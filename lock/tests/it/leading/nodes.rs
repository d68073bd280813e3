//! Nodes that treat the task that polls them in a way of their own.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::poll;
use leasehold::{
    AcquireError, Leases,
    model::{ClientId, Question},
    node::{Answers, MemoryNode, Node, NodeError, NodeFuture, Notice},
};
use tokio::{
    sync::mpsc,
    task::coop,
    time::{sleep, timeout},
};

use super::{MS, other};
use crate::faulty_node::{config, resource};

/// A node that is asked through a channel, as one behind a connection is.
#[derive(Debug, Default)]
struct Behind {
    node: MemoryNode,
}

impl Node for Behind {
    fn address(&self) -> &'static str {
        "behind"
    }

    fn ask<'a>(&'a self, questions: &'a [Question]) -> NodeFuture<'a, Answers> {
        Box::pin(async move {
            coop::consume_budget().await;
            let answers = self.node.ask(questions).await;
            sleep(MS).await;
            answers
        })
    }

    fn listen<'a>(
        &'a self,
        client: ClientId,
        heard: mpsc::Sender<Notice>,
    ) -> NodeFuture<'a, NodeError> {
        self.node.listen(client, heard)
    }

    fn ping(&self) -> NodeFuture<'_, Result<(), NodeError>> {
        self.node.ping()
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_is_released_before_it_is_asked_for_by_a_task_without_budget() {
    let leases = Leases::over(vec![Arc::new(Behind::default())], config()).unwrap();
    let lease = leases.try_acquire(&resource()).await.unwrap();
    sleep(500 * MS).await;
    while coop::has_budget_remaining() {
        let _spent = poll!(Box::pin(coop::consume_budget()));
    }
    drop(lease);
    let again = leases.try_acquire(&resource()).await;
    assert!(again.is_ok(), "the question overtook the release: {again:?}");
}

/// A node with a mistake in it.
#[derive(Debug, Default)]
struct Panicking {
    node: MemoryNode,
    panics: AtomicBool,
}

impl Node for Panicking {
    fn address(&self) -> &'static str {
        "panicking"
    }

    fn ask<'a>(&'a self, questions: &'a [Question]) -> NodeFuture<'a, Answers> {
        assert!(!self.panics.load(Ordering::Relaxed), "as it should");
        self.node.ask(questions)
    }

    fn listen<'a>(
        &'a self,
        client: ClientId,
        heard: mpsc::Sender<Notice>,
    ) -> NodeFuture<'a, NodeError> {
        self.node.listen(client, heard)
    }

    fn ping(&self) -> NodeFuture<'_, Result<(), NodeError>> {
        self.node.ping()
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_panics_takes_no_caller_with_it() {
    let node = Arc::new(Panicking::default());
    let leases = Leases::over(vec![Arc::clone(&node) as _], config()).unwrap();
    let held = leases.try_acquire(&resource()).await.unwrap();
    node.panics.store(true, Ordering::Relaxed);
    let failed = leases.acquire(&other(), 1000 * MS).await;
    assert!(matches!(failed, Err(AcquireError::Shutdown { .. })), "{failed:?}");
    // Its engine has ended.
    assert!(held.is_lost());
    node.panics.store(false, Ordering::Relaxed);
    let again = timeout(1000 * MS, leases.try_acquire(&other())).await;
    assert!(again.expect("the client stands still").is_ok());
}
