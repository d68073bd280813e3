//! What can go wrong at one node.

use std::{fmt, sync::Arc, time::Duration};

use crate::model::Question;

/// What a node was asked when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
    /// Waiting for a lease.
    Wait,
    /// Letting the node vote.
    Admit,
    /// Looking at what it has of a resource.
    Look,
    /// The health check, or the question for its settings.
    Ping,
}

impl NodeStep {
    pub(crate) const fn of(question: &Question) -> Self {
        match question {
            Question::Grant(_) => Self::Grant,
            Question::Commit(_) => Self::Commit,
            Question::Renew(_) => Self::Renew,
            Question::Release { .. } => Self::Release,
            Question::Stand | Question::Admit(_) => Self::Admit,
        }
    }
}

impl NodeStep {
    /// Its name, for messages and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Grant => "grant",
            Self::Commit => "commit",
            Self::Renew => "renew",
            Self::Release => "release",
            Self::Wait => "wait",
            Self::Admit => "admit",
            Self::Look => "look",
            Self::Ping => "ping",
        }
    }
}

impl fmt::Display for NodeStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a node failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeErrorKind {
    /// No answer within the node's time limit. What was asked may still happen.
    Timeout(Duration),
    /// No connection, or it broke. What was asked may have happened.
    Broken(Arc<str>),
    /// The node answered with an error of its own: it is loading, out of memory, read-only, or a
    /// cluster, which has no place for the keys of one script.
    Rejected(Arc<str>),
    /// The node refuses this client for good: authentication, permission, a command it lacks.
    Denied(Arc<str>),
    /// This client's clock is so far ahead of the node's that the hint was refused: by more than ten
    /// minutes.
    ClockAhead(Duration),
    /// The node lost its data or is new, and may not vote yet: for so much longer at least, if that
    /// is known; else until enough of the other nodes answer.
    Outside(Option<Duration>),
    /// It is the same server as an earlier node, whose address this is.
    SameServer(Arc<str>),
}

impl NodeErrorKind {
    /// Its name, for metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Timeout(_) => "timeout",
            Self::Broken(_) => "broken",
            Self::Rejected(_) => "rejected",
            Self::Denied(_) => "denied",
            Self::ClockAhead(_) => "clock_ahead",
            Self::Outside(_) => "outside",
            Self::SameServer(_) => "same_server",
        }
    }
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
        !matches!(
            self.kind,
            NodeErrorKind::Denied(_) | NodeErrorKind::ClockAhead(_) | NodeErrorKind::SameServer(_)
        )
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, step, kind } = self;
        write!(f, "node {address}: {step} ")?;
        match kind {
            NodeErrorKind::Timeout(limit) => write!(f, "got no answer within {limit:?}"),
            NodeErrorKind::Broken(why) => write!(f, "failed: {why}"),
            NodeErrorKind::Rejected(why) => write!(f, "was rejected: {why}"),
            NodeErrorKind::Denied(why) => {
                write!(f, "was denied, check user, password and permissions: {why}")
            }
            NodeErrorKind::ClockAhead(by) => write!(
                f,
                "was refused since this client's clock is {by:?} ahead of the node's; set the \
                 clocks right"
            ),
            NodeErrorKind::Outside(Some(left)) => write!(
                f,
                "must wait: the node is new or lost its data, and may vote in {left:?} at the \
                 earliest"
            ),
            NodeErrorKind::Outside(None) => write!(
                f,
                "must wait: the node is new or lost its data, and too few of the others answer to \
                 tell it what it must know before it may vote"
            ),
            NodeErrorKind::SameServer(other) => write!(
                f,
                "was not counted: it is the same server as node {other}, and a server has one vote"
            ),
        }
    }
}

impl std::error::Error for NodeError {}
