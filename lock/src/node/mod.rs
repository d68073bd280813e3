//! Talks to one node. The client sees only the trait [`Node`].

mod error;
mod memory;
mod redis;

use std::{fmt, future::Future, pin::Pin};

pub use error::{NodeError, NodeErrorKind, NodeStep};
pub use memory::MemoryNode;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use redis::fuzzing;
#[cfg(feature = "tls")]
pub use redis::{Certificates, ClientCertificate};
pub use redis::{NotANode, RedisNode, ServerReport, Warning};
use tokio::sync::mpsc;

use crate::model::{ClientId, Handover, Question, Reply, Resource, Seen};

/// One answer for each question, in the order of the questions.
pub type Answers = Vec<Result<Reply, NodeError>>;

/// A future that one node's answers come from.
pub type NodeFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a node tells a client that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The node knows from now on that the client listens.
    Listening,
    /// A request that waited there was granted.
    Granted(Handover),
}

/// One independent node: it answers each question atomically, and all of them within its own time
/// limit.
///
/// An error means *unknown*: the node may have done what was asked, or may do it later. Dropping
/// a future does not take its questions back.
pub trait Node: fmt::Debug + Send + Sync + 'static {
    /// Where the node is, for messages; without user or password.
    fn address(&self) -> &str;

    /// Asks all of these at once, and gives one answer for each. They are answered in this order, but
    /// for those that have to be put in another way, which come after the others: so two questions
    /// about one resource must not need their order.
    ///
    /// The future is polled by whichever task has something to do, also while it drops a lease: it must
    /// not block, nor take a lock that a user of leases may hold.
    fn ask<'a>(&'a self, questions: &'a [Question]) -> NodeFuture<'a, Answers>;

    /// Passes on what the node tells this client, until the connection for that breaks; then says
    /// why. A node that cannot do this answers at once: it hands nothing over to who does not listen,
    /// and waiters poll it.
    fn listen<'a>(
        &'a self,
        client: ClientId,
        heard: mpsc::Sender<Notice>,
    ) -> NodeFuture<'a, NodeError>;

    /// Which run of which server this is, once it was asked anything; `None` before. Two nodes with
    /// one run are one server under two names.
    fn run(&self) -> Option<u64> {
        None
    }

    /// What the server says of its settings; `None` for a node that has none.
    fn report(&self) -> NodeFuture<'_, Result<Option<ServerReport>, NodeError>> {
        Box::pin(async { Ok(None) })
    }

    /// What it has of a resource, whether it may vote or not; changes nothing. `None` for a node that
    /// cannot say: it then counts as one that did not answer.
    fn look<'a>(
        &'a self,
        resource: &'a Resource,
    ) -> NodeFuture<'a, Result<Option<Seen>, NodeError>> {
        let _cannot_say = resource;
        Box::pin(async { Ok(None) })
    }

    /// Answers if the node can be asked at all; it may still be one that does not vote yet.
    fn ping(&self) -> NodeFuture<'_, Result<(), NodeError>>;
}
