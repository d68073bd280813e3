//! What a run must not leave behind.

use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::POLL;
use crate::site::Site;

/// How long what is reserved may take to be given up after its deadline.
pub(super) const SETTLES_WITHIN: Duration = Duration::from_secs(30);
/// Connections of a replica to Postgres, by its defaults.
const SESSIONS_MAX: i64 = 9;
/// How much a replica may have grown: caches and histograms, and what an allocator keeps.
const GROWTH_MAX: u64 = 96 << 20;

/// Waits until nothing is left of the run but its books; says what stays.
pub(super) async fn settled(site: &Site, sales: &[Uuid]) -> anyhow::Result<Vec<String>> {
    let begun = Instant::now();
    loop {
        let left = left_over(site, sales).await?;
        if left.is_empty() || begun.elapsed() > SETTLES_WITHIN {
            return Ok(left);
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn left_over(site: &Site, sales: &[Uuid]) -> anyhow::Result<Vec<String>> {
    let mut database = PgConnection::connect(site.database_url()).await?;
    let mut left = Vec::new();
    let open: Vec<String> = sqlx::query_scalar(
        "select state || ': ' || left(query, 80) from pg_stat_activity \
         where state like 'idle in transaction%' or (wait_event_type = 'Lock')",
    )
    .fetch_all(&mut database)
    .await?;
    left.extend(open.into_iter().map(|what| format!("a session in Postgres: {what}")));
    let sessions: i64 = sqlx::query_scalar(
        "select count(*) from pg_stat_activity where application_name = 'leasehold-purchase'",
    )
    .fetch_one(&mut database)
    .await?;
    let most = i64::try_from(site.pids().await.len())? * SESSIONS_MAX;
    if sessions > most {
        left.push(format!("{sessions} sessions of replicas in Postgres, of {most}"));
    }
    let overdue: i64 = sqlx::query_scalar(
        "select count(*) from claims where sale_id = any ($1) and status = 'pending' \
         and expires_at < leasehold_now()",
    )
    .bind(sales)
    .fetch_one(&mut database)
    .await?;
    if overdue > 0 {
        left.push(format!("{overdue} reservations after their deadline"));
    }
    left.extend(site.leases_without_end().await?);
    Ok(left)
}

pub(super) fn grown(before: Vec<u64>, after: Vec<u64>) -> Vec<String> {
    let before = before.into_iter().max().unwrap_or_default();
    let too_much = |now: &u64| *now > before + GROWTH_MAX;
    let said = |now: u64| format!("a replica has {} MiB, before {}", now >> 20, before >> 20);
    after.into_iter().filter(too_much).map(said).collect()
}

/// Memory of processes, in bytes.
pub(super) fn resident(pids: &[u32]) -> Vec<u64> {
    let of = |pid: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1024)
    };
    pids.iter().filter_map(of).collect()
}
