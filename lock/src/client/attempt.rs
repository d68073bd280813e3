//! One attempt, in a task of its own: asks all nodes at once, obeys the round, and goes on as the
//! keeper of the lease that it got.
//!
//! The task owns the attempt from its first request to the last late answer. That makes
//! cancellation trivial: a caller that goes away only stops listening.

use std::sync::Arc;

use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::sync::oneshot;

use super::{
    error::AcquireError,
    keeper::{self, Kept},
    lease::Lease,
    leases::Shared,
};
use crate::{
    model::{
        Answer, Binding, CommitReply, GrantReply, GrantRequest, Lifecycle, Moment, Round, Step,
    },
    node::{NodeError, NodeErrorKind, NodeStep},
};

/// A node's index and what it said to the grant or the commit.
pub(super) type Told = (usize, Result<Answer, NodeError>);

/// Questions that nodes have not answered yet.
pub(super) type Inflight<'a> = FuturesUnordered<BoxFuture<'a, Told>>;

/// What the round came to.
enum Settled {
    Held { binding: Binding, sent: Moment },
    Failed(AcquireError),
}

pub(super) async fn run(
    shared: Arc<Shared>,
    request: GrantRequest,
    reply: oneshot::Sender<Result<Lease, AcquireError>>,
) {
    let mut round = Round::new(shared.nodes.len());
    let mut inflight = Inflight::new();
    let sent = shared.clock.now();
    for node in 0..shared.nodes.len() {
        inflight.push(ask_grant(&shared, node, &request));
    }
    let settled = settle(&shared, &request, &mut round, &mut inflight, sent).await;
    let failed = match settled {
        Settled::Failed(error) => error,
        Settled::Held { binding, sent } => {
            let now = shared.clock.now();
            let renewals_end = now.after(shared.config.lifetime_max);
            match Lifecycle::held(shared.timing, sent, now, renewals_end) {
                Some(lifecycle) => {
                    let (lease, ear) = keeper::lease(shared.clock, &binding, &lifecycle);
                    // When the caller went away, the lease comes back and is dropped right here,
                    // which tells the keeper.
                    drop(reply.send(Ok(lease)));
                    keeper::keep(
                        &shared,
                        Kept { request: &request, binding, lifecycle, ear, round },
                        inflight,
                    )
                    .await;
                    return;
                }
                None => AcquireError::TooSlow {
                    resource: request.resource.clone(),
                    elapsed: now - sent,
                    ttl: shared.timing.ttl(),
                },
            }
        }
    };
    tracing::debug!(lease.resource = %request.resource, error = %failed, "lease not acquired");
    drop(reply.send(Err(failed)));
    clean_up(&shared, &request, &mut round, inflight).await;
}

async fn settle<'a>(
    shared: &'a Shared,
    request: &'a GrantRequest,
    round: &mut Round,
    inflight: &mut Inflight<'a>,
    mut sent: Moment,
) -> Settled {
    let mut failures = Vec::new();
    let shutdown = || AcquireError::Shutdown { resource: request.resource.clone() };
    let mut committing_since = None;
    loop {
        // The round settles at the latest with the last answer.
        let Some((node, told)) = inflight.next().await else { return Settled::Failed(shutdown()) };
        let answer = told.unwrap_or_else(|error| {
            failures.push(error);
            Answer::Unknown
        });
        match round.on(node, answer) {
            Step::Wait | Step::Release(_) => {}
            Step::Commit { number, nodes } => {
                // Commits let the lease run anew on each node, so validity may be counted from the
                // first of them; a later one, to a late grant, does not help the others.
                sent = *committing_since.get_or_insert_with(|| shared.clock.now());
                for node in nodes {
                    inflight.push(ask_commit(shared, node, request.bind(number)));
                }
            }
            Step::Hold(number) => return Settled::Held { binding: request.bind(number), sent },
            Step::GiveUp(why) => {
                return Settled::Failed(AcquireError::gave_up(&request.resource, why, failures));
            }
        }
    }
}

/// Releases on every node that may have granted, also on those that did not answer: a request that
/// timed out may have been granted, or may be yet. Goes on until the last late answer; a grant that
/// comes then is released too.
async fn clean_up<'a>(
    shared: &'a Shared,
    request: &'a GrantRequest,
    round: &mut Round,
    inflight: Inflight<'a>,
) {
    // Also a round that held, but too late: what is granted from now on is not wanted.
    round.release();
    let nodes = (0..shared.nodes.len()).filter(|&node| round.may_have_ours(node));
    let releases: FuturesUnordered<_> =
        nodes.map(|node| shared.nodes[node].release(&request.resource, request.holder)).collect();
    let ended = releases.for_each(|_| std::future::ready(()));
    let _ended: ((), ()) =
        tokio::join!(ended, release_late_grants(shared, request, round, inflight));
}

/// Waits for every late answer of an attempt that is over, and releases what is granted then. On a
/// connection that was replaced in between, a release can arrive before the grant it is meant for.
pub(super) async fn release_late_grants<'a>(
    shared: &'a Shared,
    request: &'a GrantRequest,
    round: &mut Round,
    mut inflight: Inflight<'a>,
) {
    while let Some((node, told)) = inflight.next().await {
        if let Step::Release(node) = round.on(node, told.unwrap_or(Answer::Unknown)) {
            let _best_effort = shared.nodes[node].release(&request.resource, request.holder).await;
        }
    }
}

fn ask_grant<'a>(
    shared: &'a Shared,
    node: usize,
    request: &'a GrantRequest,
) -> BoxFuture<'a, Told> {
    Box::pin(async move {
        let asked = &shared.nodes[node];
        let answer = match asked.grant(request).await {
            Ok(GrantReply::Granted(number)) => Ok(Answer::Granted(number)),
            Ok(GrantReply::Held { fence, .. }) => {
                if let Some(fence) = fence {
                    shared.hints.observe(fence);
                }
                Ok(Answer::Held)
            }
            Ok(GrantReply::HintAhead { node_clock }) => {
                let by = request.hint.get().saturating_sub(node_clock.get());
                Err(NodeError {
                    address: Arc::from(asked.address()),
                    step: NodeStep::Grant,
                    kind: NodeErrorKind::ClockAhead(std::time::Duration::from_micros(by)),
                })
            }
            Err(error) => Err(error),
        };
        (node, answer)
    })
}

pub(super) fn ask_commit(shared: &Shared, node: usize, binding: Binding) -> BoxFuture<'_, Told> {
    Box::pin(async move {
        let answer = shared.nodes[node].commit(&binding).await.map(|reply| match reply {
            CommitReply::Committed => Answer::Committed,
            CommitReply::Refused => Answer::Refused,
        });
        (node, answer)
    })
}
