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
    fault::{Fault, Happened, Way},
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
