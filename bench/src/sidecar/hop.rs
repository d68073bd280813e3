//! The hop: one task that acquires a free resource and gives it back, by the crate alone and through sidecars.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use leasehold::{Leases, Resource};
use leasehold_stack::Sidecar;

use super::{Args, Spread, bare::Bare, client::Door};
use crate::{
    processor,
    progress::Rounds,
    report::{Case, Report},
    servers::Servers,
    stats::{Times, float, histogram, micros},
};

/// The most that a request may take longer at the median than a call of the crate, in microseconds.
const ADDED_MAX: f64 = 150.0;

/// The most that a pair may take at the median, in times of the crate's.
const RATIO_MAX: f64 = 1.5;

/// The lane that the others are compared with.
const CRATE: usize = 0;

/// Who acquires and releases, or asks for nothing.
enum Lane {
    Crate(Leases),
    Pairs(Sidecar, Door),
    /// The least that a sidecar can be.
    Bare(Bare),
    /// What HTTP costs alone, through the sidecar of another lane.
    Nothing(Door),
}

struct Measured {
    name: &'static str,
    lane: Lane,
    times: Times,
    /// Processor time for each pair: of the sidecar, or of this process where it holds the lease itself.
    processor: Vec<f64>,
}

pub(super) async fn run(servers: &Servers, args: &Args, report: &mut Report) -> anyhow::Result<()> {
    let mut all = lanes(servers).await?;
    let span = Duration::from_millis(args.round_ms);
    for measured in &mut all {
        // Connections and scripts get warm outside of what is measured.
        let _warm = measured.lane.round(span / 5).await?;
    }
    let progress = Rounds::new("acquire + release", args.rounds, all.len());
    for _ in 0..args.rounds {
        for measured in &mut all {
            progress.next(measured.name);
            measured.round(span).await?;
        }
    }
    drop(progress);
    println!(
        "acquire + release of a free resource by one task, rounds of {span:?}; bare: a process that is asked by one byte; nothing: one request for /livez\n"
    );
    println!(
        "{:<16} {:>17} {:>17} {:>17} {:>17} {:>17}",
        "", "to crate", "added µs/request", "p50 µs", "p99 µs", "processor µs"
    );
    for measured in &all {
        measured.print(&all[CRATE]);
        measured.tell(report, &all[CRATE], servers.stack.nodes.len());
    }
    println!();
    for measured in &all {
        if let Lane::Pairs(..) = measured.lane {
            measured.judge(&all[CRATE]);
        }
    }
    println!();
    for measured in &all {
        if let Lane::Pairs(sidecar, _) = &measured.lane {
            sidecar.stop().await?;
        }
    }
    Ok(())
}

async fn lanes(servers: &Servers) -> anyhow::Result<Vec<Measured>> {
    let socket = format!("unix:{}", servers.stack.folder().join("lease.sock").display());
    let (tcp, port) = super::sidecar(servers, "tcp", &[]).await?;
    let (unix, path) = super::sidecar(servers, "unix", &[("LEASEHOLD_LISTEN", socket)]).await?;
    let times = Times::new()?;
    let new = |name, lane| Measured { name, lane, times: times.clone(), processor: Vec::new() };
    Ok(vec![
        new("crate", Lane::Crate(super::leases(servers).await?)),
        new("sidecar, TCP", Lane::Pairs(tcp, port.clone())),
        new("sidecar, socket", Lane::Pairs(unix, path.clone())),
        new("bare, socket", Lane::Bare(Bare::start(servers).await?)),
        new("nothing, TCP", Lane::Nothing(port)),
        new("nothing, socket", Lane::Nothing(path)),
    ])
}

impl Lane {
    async fn round(&self, span: Duration) -> anyhow::Result<Histogram<u64>> {
        let end = Instant::now() + span;
        match self {
            Self::Crate(leases) => {
                let leases = leases.clone();
                tokio::spawn(async move {
                    let resource = Resource::new("bench/hop/crate")?;
                    let mut times = histogram()?;
                    while Instant::now() < end {
                        let begun = Instant::now();
                        let lease = leases.try_acquire(&resource).await?;
                        let _outcome = lease.release().await;
                        times.saturating_record(micros(begun.elapsed()));
                    }
                    Ok(times)
                })
                .await?
            }
            Self::Pairs(_, door) => {
                let door = door.clone();
                tokio::task::spawn_blocking(move || pairs(&door, end)).await?
            }
            Self::Bare(bare) => {
                let pairs = bare.pairs();
                tokio::task::spawn_blocking(move || pairs(end)).await?
            }
            Self::Nothing(door) => {
                let door = door.clone();
                tokio::task::spawn_blocking(move || nothing(&door, end)).await?
            }
        }
    }
}

fn pairs(door: &Door, end: Instant) -> anyhow::Result<Histogram<u64>> {
    let mut client = door.connect()?;
    // Fresh nodes vote after a TTL, and each sidecar waits for that by itself.
    let first = client.acquire(r#"{"resource":"bench/hop/sidecar","wait_ms":60000}"#)?;
    client.release(&first)?;
    let mut times = histogram()?;
    while Instant::now() < end {
        let begun = Instant::now();
        let id = client.acquire(r#"{"resource":"bench/hop/sidecar"}"#)?;
        client.release(&id)?;
        times.saturating_record(micros(begun.elapsed()));
    }
    Ok(times)
}

fn nothing(door: &Door, end: Instant) -> anyhow::Result<Histogram<u64>> {
    let mut client = door.connect()?;
    let mut times = histogram()?;
    while Instant::now() < end {
        let begun = Instant::now();
        client.expect(200, ("GET", "/livez"), "")?;
        times.saturating_record(micros(begun.elapsed()));
    }
    Ok(times)
}

impl Measured {
    async fn round(&mut self, span: Duration) -> anyhow::Result<()> {
        let before = self.used();
        let times = self.lane.round(span).await?;
        self.times.add_round(&times)?;
        if let Some((before, after)) = before.zip(self.used()) {
            self.processor.push(float(micros(after - before)) / float(times.len()));
        }
        Ok(())
    }

    /// Processor time so far of the process that holds this lane's leases.
    fn used(&self) -> Option<Duration> {
        let pid = match &self.lane {
            Lane::Crate(_) => std::process::id(),
            Lane::Pairs(sidecar, _) => sidecar.process().pid(),
            Lane::Bare(bare) => bare.process.pid(),
            Lane::Nothing(_) => return None,
        };
        processor::of([pid])
    }

    fn ratio(&self, beside: &Self) -> Spread {
        self.beside(beside, |ours, theirs| ours / theirs)
    }

    /// A pair is two requests.
    fn added(&self, beside: &Self) -> Spread {
        self.beside(beside, |ours, theirs| (ours - theirs) / 2.0)
    }

    /// Of the medians of rounds side by side.
    fn beside(&self, beside: &Self, of: impl Fn(f64, f64) -> f64) -> Spread {
        let [[ours, _], [theirs, _]] = [self.times.of_rounds(), beside.times.of_rounds()];
        Spread(ours.into_iter().zip(theirs).map(|(ours, theirs)| of(ours, theirs)).collect())
    }

    fn tell(&self, report: &mut Report, beside: &Self, nodes: usize) {
        let entry = report.of(self.name, Case::default().with("nodes", nodes));
        match self.lane {
            Lane::Nothing(_) => entry.times("request", &self.times),
            Lane::Pairs(..) => entry
                .times("pair", &self.times)
                .lower("processor per pair", "µs", self.processor.clone())
                .lower("added to a request of the crate", "µs", self.added(beside).0),
            Lane::Crate(_) | Lane::Bare(_) => entry.times("pair", &self.times).lower(
                "processor per pair",
                "µs",
                self.processor.clone(),
            ),
        };
    }

    fn print(&self, beside: &Self) {
        let (ratio, added) = match self.lane {
            Lane::Pairs(..) | Lane::Bare(_) => {
                (self.ratio(beside).show(2), self.added(beside).show(0))
            }
            Lane::Crate(_) | Lane::Nothing(_) => Default::default(),
        };
        let processor = match self.lane {
            Lane::Nothing(_) => String::new(),
            Lane::Crate(_) | Lane::Pairs(..) | Lane::Bare(_) => {
                Spread(self.processor.clone()).show(0)
            }
        };
        let [p50, p99] = self.times.of_rounds().map(|of| Spread(of).show(0));
        println!("{:<16} {ratio:>17} {added:>17} {p50:>17} {p99:>17} {processor:>17}", self.name);
    }

    fn judge(&self, beside: &Self) {
        let (added, ratio) = (self.added(beside).median(), self.ratio(beside).median());
        let met = |is_met| if is_met { "met" } else { "not met" };
        println!(
            "{}: under {ADDED_MAX:.0} µs added a request at p50: {}, {added:.0} µs; under {RATIO_MAX} times the crate's: {}, {ratio:.2}",
            self.name,
            met(added < ADDED_MAX),
            met(ratio < RATIO_MAX)
        );
    }
}
