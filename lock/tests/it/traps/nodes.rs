//! How nodes are counted.

use std::{sync::Arc, time::Duration};

use leasehold::{
    AcquireError, Leases, NodeError, NodeErrorKind, ReleaseOutcome, Warning,
    model::{ClientId, Question},
    node::{Answers, MemoryNode, Node, NodeFuture, Notice},
};
use tokio::sync::mpsc;

use crate::faulty_node::{Way, World, config, resource};

/// A server under one of its names.
#[derive(Debug)]
struct Name {
    address: &'static str,
    server: Arc<MemoryNode>,
    run: u64,
}

impl Node for Name {
    fn address(&self) -> &str {
        self.address
    }

    fn ask<'a>(&'a self, questions: &'a [Question]) -> NodeFuture<'a, Answers> {
        self.server.ask(questions)
    }

    fn listen<'a>(
        &'a self,
        client: ClientId,
        heard: mpsc::Sender<Notice>,
    ) -> NodeFuture<'a, NodeError> {
        self.server.listen(client, heard)
    }

    fn run(&self) -> Option<u64> {
        Some(self.run)
    }

    fn ping(&self) -> NodeFuture<'_, Result<(), NodeError>> {
        self.server.ping()
    }
}

/// Found in every Redlock that is given `localhost` and `127.0.0.1`, two nodes of a cluster, or a
/// primary and its replica: a URL is not a server.
#[tokio::test(start_paused = true)]
async fn a_server_under_two_names_has_one_vote() {
    let server = Arc::new(MemoryNode::new());
    let name = |address| -> Arc<dyn Node> {
        Arc::new(Name { address, server: Arc::clone(&server), run: 7 })
    };
    let other = Name { address: "other", server: Arc::default(), run: 8 };
    let nodes = vec![name("localhost"), name("127.0.0.1"), Arc::new(other)];
    let leases = Leases::over(nodes, config()).unwrap();
    // Two different servers of three are a quorum; the name that does not count is named.
    let lease = leases.try_acquire(&resource()).await.unwrap();
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
    let leases = Leases::over(vec![name("localhost"), name("127.0.0.1")], config()).unwrap();
    let error = leases.try_acquire(&resource()).await.unwrap_err();
    let AcquireError::Unavailable { failures, .. } = &error else { panic!("{error}") };
    assert!(
        matches!(&failures[0].kind, NodeErrorKind::SameServer(first) if **first == *"localhost")
    );
    assert!(!error.is_retryable(), "waiting does not make it two servers");
}

/// Assumed by users of every Redlock: that a fourth node tolerates one more failure than three do.
#[tokio::test(start_paused = true)]
async fn half_of_an_even_number_of_nodes_is_no_quorum() {
    for (nodes, needed) in [(2, 2), (4, 3), (6, 4)] {
        let world = World::new(nodes);
        assert_eq!(world.leases.quorum(), needed);
        assert_eq!(world.leases.check().await.unwrap(), [Warning::EvenNodes(nodes)]);
        world.set(0..nodes / 2, Way::Cut);
        let half = world.leases.try_acquire(&resource()).await;
        assert!(half.unwrap_err().is_unavailable(), "{nodes} nodes");
        // Nor do two halves make two holders.
        world.set(0..nodes, Way::Open);
        tokio::time::sleep(Duration::from_millis(150)).await;
        world.set(0..nodes / 2 - 1, Way::Cut);
        assert!(world.leases.try_acquire(&resource()).await.is_ok(), "{nodes} nodes");
    }
}
