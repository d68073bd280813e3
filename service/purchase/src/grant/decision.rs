//! What all strategies do between reading and writing.

use leasehold::{Leases, fence::Stale};

use crate::{
    domain::{Command, Decision, Moment, Request, SaleId, State, decide},
    live::Tally,
    store::{StoreError, granted_units},
};

/// Decides, as much as can be decided from one read; the other requests have no outcome, and come with
/// the next decision. A sale with more overdue reservations than were read is only tidied. A change of
/// terms is the last: under a limit per buyer, what buyers have must be read, which without one it is
/// not.
pub(super) fn decided<'a>(
    state: State,
    now: Moment,
    requests: impl Iterator<Item = &'a Request>,
) -> Result<Decision, StoreError> {
    let mut is_over = state.more_due;
    let requests = requests.take_while(move |request| {
        let comes_before = !is_over;
        is_over |= matches!(request.command, Command::Change(_));
        comes_before
    });
    decide(state, now, requests).map_err(|impossible| StoreError::Corrupt(impossible.to_string()))
}

/// Counts what was written.
pub(super) fn count(decision: &Decision) {
    metrics::counter!("leasehold_batches_total").increment(1);
    #[expect(clippy::cast_precision_loss, reason = "a batch has at most thousands of requests")]
    metrics::histogram!("leasehold_batch_size").record(decision.answers.len() as f64);
    metrics::counter!("leasehold_units_granted_total").increment(granted_units(decision).into());
}

/// Notes that Postgres refused a write with a stale token.
pub(super) fn note_stale(leases: &Leases, tally: &Tally, sale: SaleId, stale: &Stale) {
    // After a total loss of the lease nodes' data this lifts the next token above it.
    leases.observe(stale.newest);
    tally.stale();
    metrics::counter!("leasehold_stale_writes_refused_total").increment(1);
    tracing::warn!(
        sale.id = %sale, lease.token = %stale.given, lease.newest = %stale.newest,
        "stale write refused"
    );
}
