//! Talks to one node. The client sees only the trait [`Node`].

mod error;
mod memory;
mod redis;

use std::{fmt, future::Future, pin::Pin};

pub use error::{NodeError, NodeErrorKind, NodeStep};
pub use memory::MemoryNode;
pub use redis::RedisNode;

use crate::model::{
    Binding, CommitReply, GrantReply, GrantRequest, HolderId, ReleaseReply, RenewReply, Resource,
};

/// A future that one node's answer comes from.
pub type NodeFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, NodeError>> + Send + 'a>>;

/// One independent node: it answers each question atomically and within its own time limit.
///
/// An error means *unknown*: the node may have done what was asked, or may do it later. Dropping
/// a future does not take the question back.
pub trait Node: fmt::Debug + Send + Sync + 'static {
    /// Where the node is, for messages; without user or password.
    fn address(&self) -> &str;

    /// Grants if the lease is free here.
    fn grant<'a>(&'a self, request: &'a GrantRequest) -> NodeFuture<'a, GrantReply>;

    /// Binds a number while the lease is ours here and the fence allows it.
    fn commit<'a>(&'a self, binding: &'a Binding) -> NodeFuture<'a, CommitReply>;

    /// Lets the lease run anew while it is exactly ours here.
    fn renew<'a>(&'a self, binding: &'a Binding) -> NodeFuture<'a, RenewReply>;

    /// Frees the lease if it is ours here.
    fn release<'a>(
        &'a self,
        resource: &'a Resource,
        holder: HolderId,
    ) -> NodeFuture<'a, ReleaseReply>;

    /// Answers if the node can be asked at all.
    fn ping(&self) -> NodeFuture<'_, ()>;
}
