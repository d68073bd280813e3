//! Many leases held through one sidecar: its memory, everybody's processor time while nobody asks for
//! anything, and how soon all are free once their program is gone.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream};
use leasehold::{Hold, Leases, Resource};
use leasehold_stack::LeaseNode;

use super::{
    Args, Spread,
    client::{Client, Door},
};
use crate::{
    memory, processor,
    progress::Rounds,
    report::{Case, Report},
    servers::Servers,
    stats::float,
};

/// Connections that acquire at once.
const CONNECTIONS: u32 = 16;

/// How long leases last without a sign of life where no link keeps them: longer than a round.
const TTL_MS: u64 = 600_000;

/// What they are given at the end of such a round.
const LAST_TTL_MS: u64 = 1000;

/// How long it may take until all are free.
const FREE_MAX: Duration = Duration::from_secs(60);

/// Why nothing is known of a process.
const NO_TABLE: &str = "a process is not there to be asked: this needs Linux";

/// How often is looked whether they are.
const LOOK: Duration = Duration::from_millis(2);

/// How a program keeps its leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// All of them by one link, which breaks in the end.
    ByLink,
    /// Each by a time of its own, which is over in the end.
    ByRenewal,
}

/// Processor time of a process so far.
fn used(pid: u32) -> anyhow::Result<Duration> {
    processor::of([pid]).context(NO_TABLE)
}

/// Rounds, a value of each.
#[derive(Default)]
struct Measured {
    acquired: Vec<f64>,
    /// Renewals of a lease while it is held.
    renewed: Vec<f64>,
    bytes: Vec<f64>,
    sidecar: Vec<f64>,
    nodes: Vec<f64>,
    free: Vec<f64>,
}

/// A sidecar with leases, and the programs that hold them.
struct Round<'a> {
    servers: &'a Servers,
    door: Door,
    count: u32,
    kept: Kept,
    pid: u32,
}

pub(super) async fn run(
    servers: &Servers,
    args: &Args,
    kept: Kept,
    report: &mut Report,
) -> anyhow::Result<()> {
    let leases = super::leases(servers).await?;
    let mut measured = Measured::default();
    let room = ("LEASEHOLD_LEASES_MAX", (args.leases + 1).to_string());
    let progress = Rounds::new(&format!("{} leases held", args.leases), args.rounds, 1);
    for number in 0..args.rounds {
        progress.next(kept.name());
        // Each round in a process of its own, whose memory no other round has used.
        let (sidecar, door) =
            super::sidecar(servers, &format!("{kept:?}-{number}"), std::slice::from_ref(&room))
                .await?;
        let pid = sidecar.process().pid();
        let round = Round { servers, door, count: args.leases, kept, pid };
        tokio::task::block_in_place(|| round.run(args.hold_ms, &mut measured))?;
        all_are_free(&leases, args.leases).await?;
        sidecar.stop().await?;
    }
    drop(progress);
    measured.print(args, kept);
    measured.tell(report, args, kept, servers.stack.nodes.len());
    Ok(())
}

fn name(number: u32) -> String {
    format!("bench/hold/{number}")
}

/// Asks the nodes, whatever the sidecar says.
async fn all_are_free(leases: &Leases, count: u32) -> anyhow::Result<()> {
    let names = (0..count).map(|number| Resource::new(name(number)));
    let names = names.collect::<Result<Vec<_>, _>>()?;
    let looks = names.iter().map(|name| leases.inspect(name));
    let held = stream::iter(looks)
        .buffer_unordered(256)
        .filter(|seen| std::future::ready(seen.hold != Hold::Free))
        .count()
        .await;
    anyhow::ensure!(held == 0, "{held} of {count} are not free");
    Ok(())
}

impl Kept {
    const fn name(self) -> &'static str {
        match self {
            Self::ByLink => "kept by one link",
            Self::ByRenewal => "kept by a time of each",
        }
    }
}

impl Round<'_> {
    fn run(&self, hold_ms: u64, measured: &mut Measured) -> anyhow::Result<()> {
        let mut warm = self.door.connect()?;
        let first = warm.acquire(r#"{"resource":"bench/hold/first","wait_ms":60000}"#)?;
        warm.release(&first)?;
        let link = match self.kept {
            Kept::ByLink => {
                let mut stream = self.door.connect()?;
                let link = stream.link()?;
                Some((stream, link))
            }
            Kept::ByRenewal => None,
        };
        let before = memory::now(self.pid).context(NO_TABLE)?;
        let begun = Instant::now();
        let ids = self.acquire(link.as_ref().map(|(_, link)| link.as_str()))?;
        measured.acquired.push(begun.elapsed().as_secs_f64());
        self.hold(Duration::from_millis(hold_ms), measured)?;
        let more = memory::now(self.pid).context(NO_TABLE)?.saturating_sub(before);
        measured.bytes.push(float(more) / f64::from(self.count));
        let held = self.gauge("sidecar_leases")?;
        anyhow::ensure!(held == self.count, "{held} of {} are left", self.count);
        let lost = self.counter("lease_losses_total")?;
        anyhow::ensure!(lost == 0, "{lost} of {} were lost", self.count);
        let end = match link {
            // The connection closes, as when its program dies.
            Some((stream, _)) => {
                drop(stream);
                Instant::now()
            }
            None => self.renew(&ids)?,
        };
        while self.gauge("sidecar_places_taken")? > 0 {
            anyhow::ensure!(end.elapsed() < FREE_MAX, "not free within {FREE_MAX:?}");
            thread::sleep(LOOK);
        }
        measured.free.push(end.elapsed().as_secs_f64());
        Ok(())
    }

    /// Holds for so long without asking for anything, and counts what everybody does meanwhile.
    fn hold(&self, time: Duration, measured: &mut Measured) -> anyhow::Result<()> {
        let pids: Option<Vec<u32>> = self.servers.stack.nodes.iter().map(LeaseNode::pid).collect();
        let pids = pids.context("the nodes are not ours to count")?;
        let of_nodes = || pids.iter().map(|pid| used(*pid)).collect::<Result<Vec<_>, _>>();
        let renewed = self.counter("lease_renewals_total")?;
        let (begun, sidecar, nodes) = (Instant::now(), used(self.pid)?, of_nodes()?);
        thread::sleep(time);
        let seconds = begun.elapsed().as_secs_f64();
        let share = |after: Duration, before: Duration| (after - before).as_secs_f64() / seconds;
        measured.sidecar.push(share(used(self.pid)?, sidecar));
        let shares = of_nodes()?.into_iter().zip(nodes).map(|(after, before)| share(after, before));
        measured.nodes.extend(shares);
        let renewals = self.counter("lease_renewals_total")? - renewed;
        measured.renewed.push(float(renewals) / f64::from(self.count));
        Ok(())
    }

    fn acquire(&self, link: Option<&str>) -> anyhow::Result<Vec<String>> {
        let kept = match link {
            Some(link) => format!("\"link\":\"{link}\""),
            None => format!("\"ttl_ms\":{TTL_MS}"),
        };
        self.by_all(|client, number| {
            client.acquire(&format!("{{\"resource\":\"{}\",{kept}}}", name(number)))
        })
    }

    /// Gives each a last short time; when the last of them is over.
    fn renew(&self, ids: &[String]) -> anyhow::Result<Instant> {
        let body = format!("{{\"ttl_ms\":{LAST_TTL_MS}}}");
        let _renewed = self.by_all(|client, number| {
            let id = usize::try_from(number).ok().and_then(|at| ids.get(at)).context("no lease")?;
            client.expect(200, ("POST", &format!("/v1/leases/{id}/renew")), &body)
        })?;
        let last = Duration::from_millis(LAST_TTL_MS);
        thread::sleep(last);
        Ok(Instant::now())
    }

    /// Asks once for each lease, over several connections; what was told, in the order of the leases.
    fn by_all<T: Send>(
        &self,
        ask: impl Fn(&mut Client, u32) -> anyhow::Result<T> + Sync,
    ) -> anyhow::Result<Vec<T>> {
        let some = |first: u32| {
            let mut client = self.door.connect()?;
            let numbers = (first..self.count).step_by(CONNECTIONS as usize);
            numbers.map(|number| Ok((number, ask(&mut client, number)?))).collect()
        };
        let told: anyhow::Result<Vec<Vec<(u32, T)>>> = thread::scope(|scope| {
            let asking: Vec<_> =
                (0..CONNECTIONS).map(|first| scope.spawn(move || some(first))).collect();
            let joined = asking.into_iter().map(|one| {
                one.join()
                    .unwrap_or_else(|_| Err(anyhow::anyhow!("a connection's thread panicked")))
            });
            joined.collect()
        });
        let mut told: Vec<_> = told?.into_iter().flatten().collect();
        told.sort_by_key(|(number, _)| *number);
        Ok(told.into_iter().map(|(_, one)| one).collect())
    }

    /// A metric without labels.
    fn gauge(&self, name: &str) -> anyhow::Result<u32> {
        let text = self.metrics()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.with_context(|| format!("no {name}"))?.parse().context("not a number")
    }

    /// A metric over all of its labels; zero as long as there is none.
    fn counter(&self, name: &str) -> anyhow::Result<u64> {
        let text = self.metrics()?;
        let values = text.lines().filter(|line| line.starts_with(name));
        Ok(values.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum())
    }

    /// On a connection of its own: one that is idle for as long as leases are held would be closed.
    fn metrics(&self) -> anyhow::Result<String> {
        let mut client = self.door.connect()?;
        client.expect(200, ("GET", "/metrics"), "")?;
        Ok(client.text().to_owned())
    }
}

impl Measured {
    fn tell(&self, report: &mut Report, args: &Args, kept: Kept, nodes: usize) {
        let case = Case::default().with("nodes", nodes).with("leases", u64::from(args.leases));
        let percent = |shares: &[f64]| shares.iter().map(|share| 100.0 * share).collect();
        report
            .of(kept.name(), case)
            .lower("memory a lease", "bytes", self.bytes.clone())
            .lower("sidecar's processor, idle", "% of one", percent(&self.sidecar))
            .lower("a node's processor, idle", "% of one", percent(&self.nodes))
            .lower("all acquired", "s", self.acquired.clone())
            .lower("all free", "s", self.free.clone());
    }

    fn print(&self, args: &Args, kept: Kept) {
        let show = |values: &[f64], factor: f64, digits| {
            Spread(values.iter().map(|value| value * factor).collect()).show(digits)
        };
        let end = match kept {
            Kept::ByLink => "after the link broke",
            Kept::ByRenewal => "after the last one's time",
        };
        let how = kept.name();
        println!("{} leases {how}, lifetime on the nodes {:?}", args.leases, super::TTL);
        println!("  memory a lease                {:>24} bytes", show(&self.bytes, 1.0, 0));
        println!("  sidecar's processor, idle     {:>24} % of one", show(&self.sidecar, 100.0, 1));
        println!("  a node's processor, idle      {:>24} % of one", show(&self.nodes, 100.0, 1));
        println!("  renewals of each, idle        {:>24}", show(&self.renewed, 1.0, 2));
        println!("  acquired within               {:>24} s", show(&self.acquired, 1.0, 2));
        println!("  all free                      {:>24} s {end}", show(&self.free, 1.0, 3));
        println!("  lost meanwhile                {:>24}\n", 0);
    }
}
