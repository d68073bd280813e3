//! Renewal, and the signal of loss.

use std::sync::Arc;

use super::{
    Book,
    work::{Kept, Stage, Work},
};
use crate::{
    client::{
        batch::{Ask, Tag},
        grant::Grant,
    },
    model::{Ballot, Binding, Lifecycle, Loss, Moment, Next, Question, Renewal, Reply, Vote},
    node::NodeError,
};

impl Book {
    /// Renews a lease from now on that surely runs since then; `None` if nothing of it is left.
    pub(super) fn keep(
        &mut self,
        key: usize,
        binding: Binding,
        since: Moment,
        now: Moment,
    ) -> Option<Arc<Grant>> {
        let timing = self.shared.timing;
        let renewals_end = now.after(self.shared.config.lifetime_max);
        let lifecycle = Lifecycle::held(timing, since, now, renewals_end)?;
        let work = self.works.get_mut(key)?;
        let valid_until = lifecycle.valid_until();
        let grant = Arc::new(Grant::new(key, binding, now, valid_until, renewals_end));
        let kept = Kept { grant: Arc::clone(&grant), lifecycle, renewing: None, renewals: 0 };
        work.stage = Stage::Held(Box::new(kept));
        self.held += 1;
        let due = since.after(timing.ttl() / 3);
        self.look_at = Some(self.look_at.map_or(due, |look_at| look_at.min(due)));
        Some(grant)
    }

    /// Goes on with what is sought, and looks at every lease: renews those that are due, all in one write, and gives the signal for
    /// those that are lost.
    pub(in crate::client) fn look(&mut self, now: Moment) {
        self.go_on_seeking(now);
        if self.look_at.is_none_or(|due| now < due) {
            return;
        }
        if self.held == 0 {
            self.look_at = None;
            return;
        }
        // Leases that were granted one after another are looked at together.
        let stride = self.shared.timing.ttl() / 48;
        let (mut next_end, mut next_renewal) = (None::<Moment>, None::<Moment>);
        let mut lost = Vec::new();
        for (key, work) in &mut self.works {
            let Stage::Held(kept) = &mut work.stage else { continue };
            kept.lifecycle.prolong(kept.grant.renewals_end());
            match kept.lifecycle.next(now) {
                Next::Renew => {
                    kept.renewals = kept.renewals.wrapping_add(1);
                    kept.renewing = Some(Ballot::new(self.nodes.len()));
                    work.open += self.nodes.len();
                    let tag = Tag { work: key, ask: Ask::Renew(kept.renewals) };
                    self.outbox.ask_all(tag, Question::Renew(kept.grant.binding.clone()));
                    let again = now.after(self.shared.timing.ttl() / 3);
                    next_renewal = Some(next_renewal.map_or(again, |next| next.min(again)));
                }
                Next::WaitUntil(moment) => {
                    let next = next_renewal.get_or_insert(moment);
                    *next = (*next).min(moment);
                }
                Next::Lost(_) if kept.grant.loss().is_some() => continue,
                Next::Lost(_) => {
                    lost.push(key);
                    continue;
                }
            }
            let end = kept.lifecycle.valid_until();
            next_end = Some(next_end.map_or(end, |next| next.min(end)));
        }
        for key in lost {
            self.give_signal(key, now);
        }
        let next_renewal = next_renewal.map(|next| next.max(now.after(stride)));
        self.look_at = match (next_renewal, next_end) {
            (Some(renewal), Some(end)) => Some(renewal.min(end)),
            (one, other) => one.or(other),
        };
    }

    pub(super) fn on_renewal(
        &mut self,
        key: usize,
        round: u32,
        answer: &Result<Reply, NodeError>,
        now: Moment,
    ) {
        let Some(work) = self.works.get_mut(key) else { return };
        let Stage::Held(kept) = &mut work.stage else { return };
        if kept.renewals != round {
            return;
        }
        let Some(ballot) = &mut kept.renewing else { return };
        let vote = match answer {
            Ok(Reply::Bound) => Vote::Yes,
            // A node that may not vote has forgotten the lease.
            Ok(_) => Vote::No,
            Err(_) => Vote::Unknown,
        };
        let Some(outcome) = Renewal::from_verdict(ballot.count(vote)) else { return };
        kept.renewing = None;
        kept.lifecycle.renewal_ended(outcome, now);
        metrics::counter!("lease_renewals_total", "outcome" => outcome.as_str()).increment(1);
        kept.grant.set_valid_until(kept.lifecycle.valid_until());
        let look_at = match outcome {
            Renewal::Renewed => return,
            Renewal::Unknown => now.after(self.shared.timing.ttl() / 12),
            Renewal::Lost => now,
        };
        self.look_at = Some(self.look_at.map_or(look_at, |due| due.min(look_at)));
    }

    fn give_signal(&mut self, key: usize, now: Moment) {
        let Some(Work { stage: Stage::Held(kept), .. }) = self.works.get(key) else { return };
        let Some(loss) = kept.lifecycle.loss() else { return };
        let grant = Arc::clone(&kept.grant);
        let Binding { resource, number, .. } = &grant.binding;
        if grant.set_loss(loss) {
            metrics::counter!("lease_losses_total", "reason" => loss.as_str()).increment(1);
            tracing::warn!(
                lease.resource = %resource, lease.number = %number, lease.loss = %loss, "lease lost"
            );
            if self.shared.lines.lost(&grant) {
                self.seek(resource, now);
            }
        }
    }
}

/// The engine ended with its runtime: nobody renews these leases any more.
impl Drop for Book {
    fn drop(&mut self) {
        for (_, work) in &self.works {
            if let Stage::Held(kept) = &work.stage {
                let _first = kept.grant.set_loss(Loss::Expired);
                if self.shared.lines.lost(&kept.grant) {
                    let resource = &kept.grant.binding.resource;
                    self.shared.lines.abandon(|line| line == resource);
                }
            }
        }
    }
}
