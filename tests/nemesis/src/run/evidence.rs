//! What is examined after a run.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use leasehold_stack::audit::Books;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::{RESUMES_WITHIN, left::SETTLES_WITHIN};
use crate::{
    fault::{Fault, Happened, Victim, Way},
    figures::Accepted,
    history::History,
    holders,
    oracle::Evidence,
    site::Site,
};

/// When requests of buyers were sent a second time: from and to.
pub(super) fn doubled(faults: &[Happened]) -> Vec<(Duration, Duration)> {
    let twice = |one: &&Happened| matches!(one.fault.fault, Fault::ToReplica(_, Way::Twice));
    faults.iter().filter(twice).map(|one| (one.fault.at, one.fault.ends())).collect()
}

/// From when to when leases need not exclude each other: from when a node's clock jumped until all leases that
/// there were when it was set right have run out.
///
/// One of the two jumps goes ahead, and has the node forget leases, or end its quarantine, before their time.
/// Who had them keeps them no longer than they last: they cannot be renewed where another has them.
pub(super) fn clocks_off(faults: &[Happened]) -> Vec<(Duration, Duration)> {
    let is_node = |one: &&Happened| matches!(one.fault.fault, Fault::Clock(Victim::Node(_), _));
    let off = faults.iter().filter(is_node);
    off.map(|one| (one.fault.at, one.fault.ends() + holders::TTL)).collect()
}

pub(super) async fn gather(
    site: &Site,
    sales: &[Uuid],
    history: History,
    healed_at: Duration,
    read_at: Duration,
) -> anyhow::Result<Evidence> {
    let mut books = BTreeMap::new();
    for sale in sales {
        books.insert(*sale, Books::read(site.database_url(), *sale).await?);
    }
    let counters = holders::counters(site.database_url()).await?;
    Ok(Evidence {
        history,
        books,
        counters,
        healed_at: Some(healed_at),
        read_at,
        resumes_within: RESUMES_WITHIN,
        tidies_within: SETTLES_WITHIN,
        ..Evidence::default()
    })
}

/// Every write that Postgres accepted.
pub(super) async fn accepted(
    site: &Site,
    sales: &[Uuid],
    begun: Instant,
) -> anyhow::Result<Vec<Accepted>> {
    let mut database = PgConnection::connect(site.database_url()).await?;
    let now: i64 = sqlx::query_scalar("select leasehold_now()").fetch_one(&mut database).await?;
    let zero = now - i64::try_from(begun.elapsed().as_millis())?;
    let rows: Vec<(Uuid, String, Option<i64>, i32, i64)> = sqlx::query_as(
        "select sale_id, replica, token, units, written_at from batches where sale_id = any ($1) \
         order by written_at, version",
    )
    .bind(sales)
    .fetch_all(&mut database)
    .await?;
    let accepted = rows.into_iter().filter_map(|(sale, replica, token, units, written_at)| {
        let at = Duration::from_millis(u64::try_from(written_at - zero).unwrap_or(0));
        let sale = sales.iter().position(|id| *id == sale)?;
        Some(Accepted { at, sale, replica, token, units })
    });
    Ok(accepted.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Planned;

    #[test]
    fn only_a_nodes_clock_lets_leases_overlap_and_until_they_run_out() {
        let second = Duration::from_secs;
        let happened = |at, fault| Happened {
            fault: Planned { at: second(at), lasts: second(2), fault },
            met: None,
        };
        let faults = [
            happened(1, Fault::Clock(Victim::Replica(0), 5)),
            happened(4, Fault::Clock(Victim::Node(0), -5)),
            happened(9, Fault::Kill(Victim::Node(0))),
        ];
        assert_eq!(clocks_off(&faults), [(second(4), second(6) + holders::TTL)]);
    }
}
