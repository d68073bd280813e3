//! Giving leases back.

use std::sync::Arc;

use super::{
    Book,
    work::{Releasing, Stage},
};
use crate::{
    client::{
        batch::{Ask, Tag},
        grant::Grant,
        lease::ReleaseOutcome,
        promise::Promise,
    },
    model::{Ballot, Moment, Reply, Verdict, Vote},
    node::NodeError,
};

impl Book {
    /// Stops renewal, and then releases. Who seeks the lease again asks for it in the same write.
    pub(super) fn begin_release(
        &mut self,
        grant: &Arc<Grant>,
        reply: Option<Promise<ReleaseOutcome>>,
        seek: bool,
        now: Moment,
    ) {
        let nodes = self.nodes.len();
        let Some(work) = self.works.get_mut(grant.work).filter(|work| work.is_of(grant)) else {
            // It was of an engine that has ended with its runtime.
            if let Some(reply) = reply {
                let _gone = reply.keep(ReleaseOutcome::Unknown, self.wakes);
            }
            if seek {
                self.seek(&grant.binding.resource, now);
            }
            return;
        };
        let (ballot, key) = (Ballot::new(nodes), grant.work);
        work.round.release();
        work.open += nodes;
        work.releasing = u64::MAX;
        work.stage = Stage::Releasing(Releasing { ballot, reply, is_settled: false });
        self.held -= 1;
        let question = work.release_question();
        self.outbox.ask_all(Tag { work: key, ask: Ask::Release }, question);
        if seek {
            self.seek(&grant.binding.resource, now);
        }
    }

    pub(super) fn on_release(&mut self, key: usize, answer: &Result<Reply, NodeError>) {
        let Some(work) = self.works.get_mut(key) else { return };
        let Stage::Releasing(releasing) = &mut work.stage else { return };
        if releasing.is_settled {
            return;
        }
        let vote = match answer {
            Ok(Reply::Released { .. }) => Vote::Yes,
            Ok(_) => Vote::No,
            Err(_) => Vote::Unknown,
        };
        let outcome = match releasing.ballot.count(vote) {
            Verdict::Pending => return,
            Verdict::Yes => ReleaseOutcome::Released,
            Verdict::No => ReleaseOutcome::NotOurs,
            Verdict::Unknown => ReleaseOutcome::Unknown,
        };
        releasing.is_settled = true;
        if let Some(reply) = releasing.reply.take() {
            let _gone = reply.keep(outcome, self.wakes);
        }
    }
}
