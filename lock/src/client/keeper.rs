//! Keeps a lease: renews it, gives the signal when it is lost, releases it at the end.

use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    attempt::{Inflight, ask_commit, release_late_grants},
    clock::Clock,
    lease::{Lease, ReleaseOutcome, Status},
    leases::Shared,
};
use crate::model::{
    Answer, Ballot, Binding, GrantRequest, Lifecycle, Next, ReleaseReply, RenewReply, Renewal,
    Round, Step, Verdict, Vote,
};

/// What a lease asks of its keeper: to release and to say how that went.
pub(super) type ReleaseOrder = oneshot::Sender<ReleaseOutcome>;

/// Where the keeper hears from its lease, and tells it.
pub(super) struct Ear {
    orders: mpsc::Receiver<ReleaseOrder>,
    status: watch::Sender<Status>,
}

/// A lease that was just granted, and what is left of its attempt.
pub(super) struct Kept<'a> {
    pub(super) request: &'a GrantRequest,
    pub(super) binding: Binding,
    pub(super) lifecycle: Lifecycle,
    pub(super) ear: Ear,
    pub(super) round: Round,
}

/// A lease and the ear of its keeper.
pub(super) fn lease(clock: Clock, binding: &Binding, lifecycle: &Lifecycle) -> (Lease, Ear) {
    let (keeper, orders) = mpsc::channel(1);
    let (status, seen) =
        watch::channel(Status { valid_until: lifecycle.valid_until(), loss: None });
    (Lease::new(clock, binding.stamp(), seen, keeper), Ear { orders, status })
}

/// One renewal round under way.
struct Renewing<'a> {
    ballot: Ballot,
    answers: FuturesUnordered<BoxFuture<'a, Vote>>,
}

/// Runs until the lease is released or dropped, and then until every node has answered.
pub(super) async fn keep<'a>(shared: &'a Shared, kept: Kept<'a>, mut late: Inflight<'a>) {
    let Kept { request, binding, mut lifecycle, mut ear, mut round } = kept;
    let mut renewing: Option<Renewing<'_>> = None;
    // Renewals whose round is settled. They are awaited all the same: a node whose connection is
    // being made again would otherwise be cut short in every round.
    let mut slow = FuturesUnordered::new();
    let order = loop {
        let wake_at = match lifecycle.next(shared.clock.now()) {
            Next::Renew => {
                renewing = Some(begin_renewal(shared, &binding));
                continue;
            }
            Next::WaitUntil(moment) => Some(moment),
            Next::Lost(_) => None,
        };
        publish(&ear.status, &lifecycle, &binding);
        tokio::select! {
            // A release comes first: no renewal is sent once it is asked for.
            biased;
            order = ear.orders.recv() => break order,
            Some(vote) = next_vote(&mut renewing) => {
                let verdict = renewing.as_mut().map_or(Verdict::Unknown, |r| r.ballot.count(vote));
                if let Some(outcome) = Renewal::from_verdict(verdict) {
                    slow.extend(renewing.take().into_iter().flat_map(|r| r.answers));
                    lifecycle.renewal_ended(outcome, shared.clock.now());
                }
            }
            Some((node, told)) = late.next(), if !late.is_empty() => {
                let answer = told.unwrap_or(Answer::Unknown);
                if let Step::Commit { number, nodes } = round.on(node, answer) {
                    late.extend(nodes.into_iter().map(|node| ask_commit(shared, node, request.bind(number))));
                }
            }
            Some(_vote) = slow.next(), if !slow.is_empty() => {}
            () = sleep_until(shared.clock, wake_at) => {}
        }
    };
    // Renewals under way are dropped here: they have been sent or never will be, and a renewal
    // makes no missing key again. Grants do, so those are awaited and released.
    drop((renewing, slow));
    round.release();
    let ended = release(shared, &binding, order);
    let _ended: ((), ()) =
        tokio::join!(ended, release_late_grants(shared, request, &mut round, late));
}

async fn sleep_until(clock: Clock, moment: Option<crate::model::Moment>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(clock.instant(moment)).await,
        None => std::future::pending().await,
    }
}

async fn next_vote(renewing: &mut Option<Renewing<'_>>) -> Option<Vote> {
    match renewing {
        Some(renewing) => renewing.answers.next().await,
        None => None,
    }
}

fn begin_renewal<'a>(shared: &'a Shared, binding: &Binding) -> Renewing<'a> {
    let answers = shared
        .nodes
        .iter()
        .map(|node| {
            let binding = binding.clone();
            Box::pin(async move {
                match node.renew(&binding).await {
                    Ok(RenewReply::Renewed) => Vote::Yes,
                    Ok(RenewReply::Refused) => Vote::No,
                    Err(_) => Vote::Unknown,
                }
            }) as BoxFuture<'a, Vote>
        })
        .collect();
    Renewing { ballot: Ballot::new(shared.nodes.len()), answers }
}

fn publish(status: &watch::Sender<Status>, lifecycle: &Lifecycle, binding: &Binding) {
    let now = Status { valid_until: lifecycle.valid_until(), loss: lifecycle.loss() };
    let changed = status.send_if_modified(|seen| {
        let changed = *seen != now;
        *seen = now;
        changed
    });
    if let Some(loss) = lifecycle.loss().filter(|_| changed) {
        tracing::warn!(
            lease.resource = %binding.resource, lease.number = %binding.number, lease.loss = %loss,
            "lease lost"
        );
    }
}

/// Releases on every node, tells the lease as soon as the outcome is settled, and waits for the
/// rest of the answers.
async fn release(shared: &Shared, binding: &Binding, order: Option<ReleaseOrder>) {
    let ask = |node: &'_ std::sync::Arc<dyn crate::node::Node>| {
        let node = std::sync::Arc::clone(node);
        let binding = binding.clone();
        async move {
            match node.release(&binding.resource, binding.holder).await {
                Ok(ReleaseReply::Released) => Vote::Yes,
                Ok(ReleaseReply::NotOurs) => Vote::No,
                Err(_) => Vote::Unknown,
            }
        }
    };
    let mut answers: FuturesUnordered<_> = shared.nodes.iter().map(ask).collect();
    let mut ballot = Ballot::new(shared.nodes.len());
    let mut order = order;
    while let Some(vote) = answers.next().await {
        let outcome = match ballot.count(vote) {
            Verdict::Pending => continue,
            Verdict::Yes => ReleaseOutcome::Released,
            Verdict::No => ReleaseOutcome::NotOurs,
            Verdict::Unknown => ReleaseOutcome::Unknown,
        };
        if let Some(order) = order.take() {
            let _gone = order.send(outcome);
        }
    }
}
