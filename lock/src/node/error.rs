//! What can go wrong at one node.

use std::{fmt, sync::Arc, time::Duration};

/// What a node was asked when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeStep {
    /// Getting a connection.
    Connect,
    /// The grant.
    Grant,
    /// The commit.
    Commit,
    /// The renewal.
    Renew,
    /// The release.
    Release,
    /// The health check.
    Ping,
}

impl fmt::Display for NodeStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Grant => "grant",
            Self::Commit => "commit",
            Self::Renew => "renew",
            Self::Release => "release",
            Self::Ping => "ping",
        })
    }
}

/// How a node failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeErrorKind {
    /// No answer within the node's time limit. What was asked may still happen.
    Timeout(Duration),
    /// No connection, or it broke. What was asked may have happened.
    Broken(String),
    /// The node answered with an error of its own.
    Rejected(String),
    /// The node refuses this client for good: authentication, permission, a command it lacks.
    Denied(String),
    /// This client's clock is so far ahead of the node's that the hint was refused.
    ClockAhead(Duration),
}

/// One node's failure to answer: which node, at which step, how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeError {
    /// Where the node is, without user or password.
    pub address: Arc<str>,
    /// What it was asked.
    pub step: NodeStep,
    /// How it failed.
    pub kind: NodeErrorKind,
}

impl NodeError {
    /// Whether asking again may help without somebody changing a configuration.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        !matches!(self.kind, NodeErrorKind::Denied(_) | NodeErrorKind::ClockAhead(_))
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, step, kind } = self;
        match kind {
            NodeErrorKind::Timeout(limit) => {
                write!(f, "node {address}: {step} got no answer within {limit:?}")
            }
            NodeErrorKind::Broken(why) => write!(f, "node {address}: {step} failed: {why}"),
            NodeErrorKind::Rejected(why) => write!(f, "node {address}: {step} was rejected: {why}"),
            NodeErrorKind::Denied(why) => {
                write!(
                    f,
                    "node {address}: {step} was denied, check user, password and permissions: {why}"
                )
            }
            NodeErrorKind::ClockAhead(by) => write!(
                f,
                "node {address}: {step} was refused since this client's clock is {by:?} ahead of the \
                 node's; set the clocks right"
            ),
        }
    }
}

impl std::error::Error for NodeError {}
