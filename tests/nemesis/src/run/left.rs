//! What a run must not leave behind.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::POLL;
use crate::site::Site;

/// How long what is reserved may take to be given up after its deadline, and what is closed to be gone.
pub(super) const SETTLES_WITHIN: Duration = Duration::from_secs(30);
/// Connections of a replica to Postgres, by its defaults.
const SESSIONS_MAX: i64 = 9;
/// How much a replica may have grown: caches and histograms, and what an allocator keeps.
const GROWTH_MAX: u64 = 96 << 20;
/// How many more files and connections a replica may have open than before: to servers that it had not needed yet.
const OPEN_MORE: usize = 32;
/// What else is beside the servers: what they print, and what tells their clocks the time.
const FILES: [&str; 2] = ["log", "clock"];

/// What there was before anybody asked for anything.
pub(super) struct Before {
    resident: Vec<u64>,
    open: usize,
    files: BTreeSet<String>,
}

impl Before {
    pub(super) async fn of(site: &Site) -> Self {
        let pids = site.pids().await;
        Self {
            resident: resident(&pids),
            open: pids.iter().map(|pid| open(*pid)).max().unwrap_or_default(),
            files: files(site.folder()),
        }
    }

    /// What replicas have that they had not, while they still run and nobody asks any more.
    async fn kept(&self, site: &Site) -> Vec<String> {
        let most = self.open + OPEN_MORE;
        let too_many = site.pids().await.into_iter().map(open).filter(|now| *now > most);
        let said =
            |now| format!("a replica has {now} files and connections open, before {}", self.open);
        too_many.map(said).collect()
    }

    /// Which replicas have grown.
    pub(super) async fn grown(&self, site: &Site) -> Vec<String> {
        grown(&self.resident, resident(&site.pids().await))
    }

    /// Stops everybody but the servers; what is left at them then, and in the folder.
    pub(super) async fn left_at_the_end(&self, site: &Site) -> anyhow::Result<Vec<String>> {
        let mut left = site.stop_services().await;
        let begun = Instant::now();
        let stays = loop {
            let stays = site.left_at_nodes().await?;
            if stays.is_empty() || begun.elapsed() > SETTLES_WITHIN {
                break stays;
            }
            tokio::time::sleep(POLL).await;
        };
        left.extend(stays);
        let new = files(site.folder());
        left.extend(new.difference(&self.files).map(|name| format!("a file: {name}")));
        left.extend(site.planted()?.into_iter().map(|name| format!("a planted fault: {name}")));
        Ok(left)
    }
}

/// Waits until nothing is left of the run but its books; says what stays.
pub(super) async fn settled(
    site: &Site,
    before: &Before,
    sales: &[Uuid],
) -> anyhow::Result<Vec<String>> {
    let begun = Instant::now();
    loop {
        let mut left = left_over(site, sales).await?;
        left.extend(before.kept(site).await);
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
    left.extend(kept_waiting(&mut database, sales).await?);
    Ok(left)
}

/// Who waits first although what is wanted is free, or can never be had. Asked of the tables; the oracle asks the
/// same of the log.
async fn kept_waiting(database: &mut PgConnection, sales: &[Uuid]) -> anyhow::Result<Vec<String>> {
    let waiting: Vec<(Uuid, i32, i32)> = sqlx::query_as(
        "select s.id, first.quantity, s.capacity + s.allowance - s.sold - s.held from sales s \
         cross join lateral (select c.quantity from claims c \
         where c.sale_id = s.id and c.status = 'waiting' order by c.seq limit 1) first \
         where s.id = any ($1) and (s.closes_at is null or s.closes_at > leasehold_now()) \
         and (first.quantity <= s.capacity + s.allowance - s.sold - s.held \
         or first.quantity > s.capacity + s.allowance)",
    )
    .bind(sales)
    .fetch_all(database)
    .await?;
    let said = |(sale, wanted, free)| format!("sale {sale}: {free} free, one waits for {wanted}");
    Ok(waiting.into_iter().map(said).collect())
}

fn grown(before: &[u64], after: Vec<u64>) -> Vec<String> {
    let before = before.iter().copied().max().unwrap_or_default();
    let too_much = |now: &u64| *now > before + GROWTH_MAX;
    let said = |now: u64| format!("a replica has {} MiB, before {}", now >> 20, before >> 20);
    after.into_iter().filter(too_much).map(said).collect()
}

/// Memory of processes, in bytes.
fn resident(pids: &[u32]) -> Vec<u64> {
    let of = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1024)
    };
    pids.iter().filter_map(of).collect()
}

/// How many files and connections a process has open.
fn open(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// What lies in a folder, but for what servers print.
fn files(folder: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| !FILES.iter().any(|end| name.ends_with(&format!(".{end}")))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_has_open_is_counted() {
        let us = std::process::id();
        let before = open(us);
        let more: Vec<_> = (0..40).map(|_| fs::File::open("/proc/self/status").unwrap()).collect();
        // Other tests of this process may open and close some of their own meanwhile.
        assert!(open(us) + 30 > before + more.len(), "{before}, then {}", open(us));
        assert!(resident(&[us])[0] > 1 << 20);
    }

    #[test]
    fn who_has_grown_too_much_is_named() {
        assert_eq!(grown(&[5, 7], vec![GROWTH_MAX + 7]), Vec::<String>::new());
        assert_eq!(grown(&[5, 7], vec![9, GROWTH_MAX + 8]).len(), 1);
    }
}
