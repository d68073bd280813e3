//! The database's own limit: the one statement without HTTP, from pgbench where it came with Postgres,
//! otherwise from connections of our own.

use std::{
    fs,
    path::Path,
    str::FromStr as _,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use leasehold_stack::{Launch, Process};
use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{
    answers::{Answers, Window},
    plain::BUY,
    wire::Told,
};

/// What its connections call themselves.
pub(crate) const APPLICATION: &str = "bench-limit";

/// More connections make one hot row slower: eight are near the best.
const CONNECTIONS_MAX: usize = 8;

/// How long pgbench may take beside what it was told to.
const END_MAX: Duration = Duration::from_secs(60);

/// [`BUY`] as pgbench writes it.
const SCRIPT: &str = "with taken as (update bench_stock set units = units - 1 where id = 1 and units >= 1 \
    returning id) insert into bench_orders (id, stock, buyer, quantity) \
    select gen_random_uuid(), id, 'buyer-' || :client_id, 1 from taken;\n";

/// Where pgbench is and works.
pub(crate) struct Limit<'a> {
    pub(crate) pgbench: Option<&'a Path>,
    pub(crate) database: &'a str,
    pub(crate) folder: &'a Path,
}

impl Limit<'_> {
    /// How it is measured.
    pub(crate) fn how(&self) -> String {
        match self.pgbench {
            Some(_) => format!("by pgbench on up to {CONNECTIONS_MAX} connections"),
            None => format!(
                "on up to {CONNECTIONS_MAX} connections of our own; skipped: pgbench, which is not beside this \
                 Postgres"
            ),
        }
    }

    pub(crate) async fn run(&self, buyers: usize, length: Duration) -> anyhow::Result<Answers> {
        let connections = buyers.clamp(1, CONNECTIONS_MAX);
        match self.pgbench {
            Some(pgbench) => self.with_pgbench(pgbench, connections, length).await,
            None => self.alone(connections, length).await,
        }
    }

    async fn with_pgbench(
        &self,
        pgbench: &Path,
        connections: usize,
        length: Duration,
    ) -> anyhow::Result<Answers> {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let path = |what: &str| self.folder.join(format!("pgbench-{run}{what}"));
        fs::write(path(".sql"), SCRIPT)?;
        // It knows whole seconds.
        let seconds = length.as_secs_f64().round().max(1.0);
        let launch = Launch::new("pgbench", pgbench, path(".txt"))
            .args(["-n", "-M", "prepared", "-j", "1", "-l"])
            .args(["-c", &connections.to_string(), "-T", &seconds.to_string()])
            .arg("--log-prefix")
            .arg(path(""))
            .arg("-f")
            .arg(path(".sql"))
            // An address with a password is not for everybody to read.
            .env("PGDATABASE", self.database)
            .env("PGAPPNAME", APPLICATION);
        let process = Process::spawn(&launch)?;
        let status = process.wait(length + END_MAX).await?;
        let said = fs::read_to_string(path(".txt"))?;
        ensure!(status.success(), "pgbench ended with {status}: {said}");
        let log = fs::read_to_string(path(&format!(".{}", process.pid())))?;
        let answers = read(&said, &log, length).with_context(|| format!("pgbench said {said}"));
        for file in [path(".sql"), path(".txt"), path(&format!(".{}", process.pid()))] {
            fs::remove_file(file)?;
        }
        answers
    }

    async fn alone(&self, connections: usize, length: Duration) -> anyhow::Result<Answers> {
        let options = PgConnectOptions::from_str(self.database)?.application_name(APPLICATION);
        let mut open = Vec::new();
        for _ in 0..connections {
            open.push(options.connect().await?);
        }
        let (window, mut tasks) = (Window::of(length), JoinSet::new());
        for mut connection in open {
            tasks.spawn(async move {
                let mut answers = Answers::default();
                while Instant::now() < window.end {
                    let asked = Instant::now();
                    let buy = sqlx::query(BUY).bind(Uuid::new_v4()).bind(1_i32).bind("buyer");
                    let done = buy.execute(&mut connection).await?.rows_affected();
                    ensure!(done == 1, "nothing is left");
                    answers.add(Told::Granted, asked, Instant::now(), window);
                }
                Ok(answers)
            });
        }
        let mut all = Answers::default();
        for answers in tasks.join_all().await {
            all.join(answers?);
        }
        Ok(all)
    }
}

/// What pgbench printed, and its log: a line for each transaction, the third word its time in microseconds.
fn read(said: &str, log: &str, length: Duration) -> anyhow::Result<Answers> {
    let after = |start: &str| said.lines().find_map(|line| line.trim().strip_prefix(start));
    let processed = after("number of transactions actually processed: ").context("no number")?;
    let rate = after("tps = ").and_then(|rest| rest.split(' ').next()).context("no rate")?;
    let mut answers = Answers::default();
    answers.granted.all = processed.split('/').next().unwrap_or_default().trim().parse()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let in_time = (rate.parse::<f64>()? * length.as_secs_f64()).round() as u64;
    answers.granted.in_time = in_time;
    for line in log.lines() {
        let time = line.split(' ').nth(2).context("a line without a time")?;
        answers.granted.times.push(Duration::from_micros(time.parse()?));
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pgbench_prints_is_read() {
        let said = "number of transactions actually processed: 5\nnumber of failed transactions: 0 (0.000%)\n\
                    latency average = 0.5 ms\ntps = 250.5 (without initial connection time)\n";
        let answers = read(said, "0 1 530 0 1 2\n1 1 470 0 1 3\n", Duration::from_secs(2)).unwrap();
        let granted = answers.granted;
        assert_eq!((granted.all, granted.in_time, granted.times.len()), (5, 501, 2));
        assert!(read("", "", Duration::from_secs(2)).is_err());
    }
}
