//! Giving leases back.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{
    Book, Errand,
    work::{Releasing, Stage},
};
use crate::{
    client::{
        batch::{Ask, Tag},
        grant::Grant,
        lease::ReleaseOutcome,
    },
    model::{Ballot, Moment, Reply, Verdict, Vote},
    node::NodeError,
};

impl Book {
    /// Stops renewal, and then releases.
    pub(super) fn begin_release(
        &mut self,
        grant: &Arc<Grant>,
        reply: Option<oneshot::Sender<ReleaseOutcome>>,
        seek: bool,
    ) {
        let nodes = self.nodes.len();
        let Some(work) = self.works.get_mut(grant.work).filter(|work| work.is_of(grant)) else {
            // It was of an engine that has ended with its runtime.
            if seek {
                let resource = grant.binding.resource.clone();
                self.errands.push(Errand::Seek { resource, yields: false });
            }
            return;
        };
        let grant = Arc::clone(grant);
        let (ballot, key) = (Ballot::new(nodes), grant.work);
        work.round.release();
        work.open += nodes;
        work.releasing = u64::MAX;
        work.stage = Stage::Releasing(Releasing {
            ballot,
            grant,
            reply,
            seek,
            woke: false,
            is_settled: false,
        });
        self.held -= 1;
        let question = work.release_question();
        self.outbox.ask_all(Tag { work: key, ask: Ask::Release }, question);
    }

    pub(super) fn on_release(
        &mut self,
        key: usize,
        answer: &Result<Reply, NodeError>,
        now: Moment,
    ) {
        let Some(work) = self.works.get_mut(key) else { return };
        let Stage::Releasing(releasing) = &mut work.stage else { return };
        if releasing.is_settled {
            return;
        }
        let vote = match answer {
            Ok(Reply::Released { woke }) => {
                releasing.woke |= woke;
                Vote::Yes
            }
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
        let resource = releasing.grant.binding.resource.clone();
        let yields = releasing.woke;
        if releasing.seek {
            self.errands.push(Errand::Seek { resource, yields });
        } else if yields {
            let until = now.after(self.shared.config.retry_max / 4);
            self.shared.lines.yielded(&resource, until);
        }
        if let Some(reply) = releasing.reply.take() {
            let _gone = reply.send(outcome);
        }
    }
}
