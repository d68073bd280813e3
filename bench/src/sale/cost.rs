//! What answers cost the servers: connections, writes, log, processor time.
#![expect(clippy::print_stdout, reason = "the tables are the program's output")]

use std::time::{Duration, Instant};

use sqlx::PgPool;

use super::{lane::Lane, market::Market, measured::Measured};
use crate::{
    processor,
    report::{Case, Report},
    stats::{float, median},
};

/// Who takes processor time. The buyers' is no cost, but it is taken from the same machine.
const WHO: [&str; 4] = ["service", "redis", "postgres", "buyers"];

/// A meter, read before and after a round.
pub(crate) struct Reading {
    at: Instant,
    /// Bytes of the write-ahead log since there is one.
    log: i64,
    /// Transactions that had something to write, those that gave up too. The statistics of commits
    /// (`pg_stat_database`) come up to ten seconds late, when another lane is measured; numbers of
    /// transactions are drawn at once.
    writes: i64,
    cpu: [Option<Duration>; 4],
}

/// The cost of one round.
#[derive(Clone, Debug)]
pub(crate) struct Cost {
    connections: i64,
    writes_per_second: f64,
    /// Bytes, for each answer.
    log: f64,
    /// Seconds, for a thousand answers.
    cpu: [Option<f64>; 4],
}

impl Reading {
    pub(crate) async fn now(market: &Market, lane: Lane) -> anyhow::Result<Self> {
        let (log, writes) = sqlx::query_as(
            "select (pg_current_wal_insert_lsn() - '0/0')::bigint, \
             pg_snapshot_xmax(pg_current_snapshot())::text::bigint",
        )
        .fetch_one(market.pool())
        .await?;
        let cpu = [
            processor::of(market.serving(lane)),
            market.node_pids().and_then(processor::of),
            processor::of_family(&market.postgres_pids()),
            processor::of([std::process::id()]),
        ];
        Ok(Self { at: Instant::now(), log, writes, cpu })
    }

    /// What happened between the two, for so many answers.
    #[expect(clippy::cast_precision_loss, reason = "bytes and counts of one round")]
    pub(crate) fn until(&self, after: &Self, answers: u64, connections: i64) -> Cost {
        let answers = float(answers);
        let spent = |(before, after): (&Option<Duration>, &Option<Duration>)| {
            Some(after.as_ref()?.saturating_sub((*before)?).as_secs_f64() * 1000.0 / answers)
        };
        let mut cpu = [None; 4];
        for (cpu, both) in cpu.iter_mut().zip(self.cpu.iter().zip(&after.cpu)) {
            *cpu = spent(both);
        }
        let seconds = (after.at - self.at).as_secs_f64();
        Cost {
            connections,
            writes_per_second: (after.writes - self.writes) as f64 / seconds,
            log: (after.log - self.log) as f64 / answers,
            cpu,
        }
    }
}

/// Connections to Postgres that are held under this name.
pub(crate) async fn connections(pool: &PgPool, application: &str) -> anyhow::Result<i64> {
    let count = sqlx::query_scalar(
        "select count(*) from pg_stat_activity \
         where backend_type = 'client backend' and application_name = $1",
    );
    Ok(count.bind(application).fetch_one(pool).await?)
}

/// The columns: what it is called in a record, its unit, and the values of a lane's rounds.
fn columns(measured: &Measured) -> [(String, &'static str, Vec<f64>); 7] {
    let of = |value: &dyn Fn(&Cost) -> Option<f64>| -> Vec<f64> {
        measured.costs.iter().map(|cost| value(cost).unwrap_or(f64::NAN)).collect()
    };
    #[expect(clippy::cast_precision_loss, reason = "a handful of connections")]
    let connections = of(&|cost| Some(cost.connections as f64));
    let cpu = |who: usize| {
        (format!("CPU of {} per 1,000 answers", WHO[who]), "s", of(&|cost| cost.cpu[who]))
    };
    [
        ("connections to Postgres".to_owned(), "connections", connections),
        ("writing transactions".to_owned(), "1/s", of(&|cost| Some(cost.writes_per_second))),
        ("log per answer".to_owned(), "bytes", of(&|cost| Some(cost.log))),
        cpu(0),
        cpu(1),
        cpu(2),
        cpu(3),
    ]
}

/// Whether a round had a value: nobody's time by no answers is none.
fn is_told(values: &[f64]) -> bool {
    values.iter().any(|value| value.is_finite())
}

/// The medians of the columns.
fn shown(measured: &Measured) -> Vec<String> {
    let digits = [0, 1, 0, 3, 3, 3, 3];
    let columns = columns(measured).into_iter().zip(digits);
    let shown = columns.map(|((_, _, values), digits)| match is_told(&values) {
        false => "–".to_owned(),
        true => format!("{:.digits$}", median(values)),
    });
    shown.collect()
}

/// Of these, the log and Postgres' time for each answer.
pub(crate) fn log_and_postgres(measured: &Measured) -> [String; 2] {
    let shown = shown(measured);
    [2, 5].map(|column| shown[column].clone())
}

/// Prints the medians of all lanes.
pub(crate) fn print(all: &[Measured]) {
    let [service, redis, postgres, buyers] = WHO;
    println!(
        "  {:<21} connections  writing tx/s  log B/answer | CPU s per 1,000 answers: {service} {redis:>9} {postgres:>9} {buyers:>9}",
        "costs"
    );
    for measured in all {
        let shown = shown(measured);
        let [connections, writes, log, service, redis, postgres, buyers] = shown.as_slice() else {
            continue;
        };
        println!(
            "  {:<21} {connections:>11} {writes:>13} {log:>13} | {service:>32} {redis:>9} {postgres:>9} {buyers:>9}",
            measured.lane.name()
        );
    }
    println!();
}

pub(crate) fn tell(report: &mut Report, case: &Case, measured: &Measured) {
    let mut entry = report.of(&measured.lane.name(), case.clone());
    for (metric, unit, values) in columns(measured) {
        // How fast it writes is no virtue, and no vice.
        if unit != "1/s" && is_told(&values) {
            entry = entry.lower(&metric, unit, values);
        }
    }
}
