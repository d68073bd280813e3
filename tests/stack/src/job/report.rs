//! The result, as a person understands it at a glance.

use std::{io::Write as _, time::Duration};

use hdrhistogram::Histogram;
use leasehold_stack::{
    Answered, Told,
    audit::{self, Books},
};
use uuid::Uuid;

use super::{World, holder::Killed};
use crate::Cli;

/// Prints a line. Nobody reading, as behind `| head`, is no reason to stop.
macro_rules! say {
    ($($line:tt)*) => {{
        writeln!(std::io::stdout(), $($line)*).ok();
    }};
}

/// What one sale came to.
pub(crate) struct Result {
    title: &'static str,
    pub(super) sale: Uuid,
    books: Books,
    told: Vec<Answered>,
    took: Duration,
    killed: Option<Killed>,
    violations: Vec<String>,
}

impl Result {
    pub(super) fn new(
        title: &'static str,
        sale: Uuid,
        books: Books,
        told: Vec<Answered>,
        took: Duration,
        killed: Option<Killed>,
    ) -> Self {
        let violations = audit::violations(&books, &told);
        Self { title, sale, books, told, took, killed, violations }
    }

    fn count(&self, wanted: fn(Told) -> bool) -> usize {
        self.told.iter().filter(|answered| wanted(answered.told)).count()
    }

    fn yes(&self) -> usize {
        self.count(|told| matches!(told, Told::Yes(_)))
    }

    fn no(&self) -> usize {
        self.count(|told| told == Told::No)
    }

    fn unknown(&self) -> usize {
        self.count(|told| told == Told::Unknown)
    }

    /// Whether the holder of the lease was killed.
    pub(super) fn has_a_death(&self) -> bool {
        self.killed.is_some()
    }

    /// Whether as much was sold as could be, everybody got an answer, and no invariant is broken.
    pub(super) fn is_right(&self, cli: &Cli) -> bool {
        let wanted = cli.tickets.min(cli.buyers) as usize;
        self.violations.is_empty()
            && self.yes() == wanted
            && self.unknown() == 0
            && i64::from(self.books.sold) == i64::from(cli.tickets.min(cli.buyers))
    }
}

pub(super) fn print(cli: &Cli, world: &World, result: &Result) {
    let Result { books, told, .. } = result;
    say!("\n{}", result.title);
    say!("{}", "─".repeat(result.title.chars().count()));
    say!("  sold     {:>6} of {} tickets", books.sold, cli.tickets);
    say!("  refused  {:>6} buyers told that it is sold out", result.no());
    say!("  unknown  {:>6} buyers without a final answer", result.unknown());
    say!();
    let all = percentiles(told.iter().map(|answered| answered.after));
    let yes = percentiles(told.iter().filter(|a| matches!(a.told, Told::Yes(_))).map(|a| a.after));
    say!("  answered after  {all}   all {} within {}", told.len(), ms(result.took));
    say!("  those who got   {yes}");
    say!();
    for (index, replica) in world.replicas.iter().enumerate() {
        let (units, batches) = books.by_replica(replica.name());
        let answered = told.iter().filter(|answered| answered.replica == index).count();
        let dead = if replica.process().is_running() { "" } else { "   killed" };
        say!(
            "  {:<10} {units:>5} sold in {batches:>3} batches, {answered:>5} buyers answered{dead}",
            replica.name()
        );
    }
    say!(
        "  {:<10} {:>5} batches; turns with the lease: {}",
        "together",
        books.batches.len(),
        books.turns()
    );
    if let Some(Killed { replica, sold, gap }) = &result.killed {
        let again = told.iter().filter(|answered| answered.tries > 1).count();
        say!();
        say!("  {replica} was killed (SIGKILL) while it held the lease, with {sold} tickets sold");
        if let Some(gap) = gap {
            say!("  the next ticket was sold {} later, by another", ms(*gap));
        }
        say!("  {again} buyers got no answer from it at first and asked again with the same key");
    }
    say!("\n  Postgres says");
    check(
        books.purchases().count(),
        cli.tickets.min(cli.buyers) as usize,
        "purchases, never oversold",
    );
    check(
        result.yes(),
        books.purchases().count(),
        "buyers told yes, each with exactly one purchase",
    );
    let tokens = format!("fencing tokens in order over {} batches", books.batches.len());
    line(!result.violations.iter().any(|found| found.starts_with("fencing")), &tokens);
    line(result.violations.is_empty(), &format!("{} invariants hold", audit::INVARIANTS.len()));
    for violation in &result.violations {
        say!("      {violation}");
    }
}

fn check(found: usize, wanted: usize, what: &str) {
    line(found == wanted, &format!("{found} of {wanted} {what}"));
}

fn line(right: bool, what: &str) {
    say!("    {} {what}", if right { "✓" } else { "✗" });
}

pub(super) fn verdict(right: bool) {
    say!();
    say!("{}", if right { "Both sales are right." } else { "The result is WRONG: see above." });
}

pub(super) fn addresses(world: &World, sale: Uuid) {
    let running = world.replicas.iter().filter(|replica| replica.process().is_running());
    let urls: Vec<&str> = running.map(leasehold_stack::Replica::url).collect();
    let Some(url) = urls.first() else { return };
    let keys = world.shop.keys();
    say!("\nEverything is left running until you press Ctrl-C.");
    say!("\n  replicas     {}", urls.join("  "));
    if let Some(balancer) = &world.balancer {
        say!("  balancer     {}  in front of them", balancer.url());
    }
    if let Some(sidecar) = &world.sidecar {
        say!("  sidecar      {}", sidecar.url());
    }
    say!("  lease nodes  {}", world.stack.redis_urls().join("  "));
    say!("  postgres     {}", world.stack.database_url());
    say!("  logs         {}", world.stack.folder().display());
    say!("\nTry:\n");
    say!("  # the sale that was just sold out");
    say!("  curl -sw '\\n' {url}/v1/sales/{sale}\n");
    say!("  # a new sale of 10 tickets");
    say!("  curl -sw '\\n' {url}/v1/sales -H 'authorization: Bearer {}' \\", keys.admin);
    say!("    -H 'idempotency-key: my-first-sale' -H 'content-type: application/json' \\");
    say!(
        "    -d '{{\"name\": \"matinee\", \"capacity\": 10, \"unit_price_minor\": 1200, \"currency\": \"EUR\"}}'\n"
    );
    say!("  # buy in the sold-out sale (put the new sale's id into the path to get a ticket)");
    say!(
        "  curl -sw '\\n' {url}/v1/sales/{sale}/purchases -H 'authorization: Bearer {}' \\",
        keys.buyer
    );
    say!("    -H 'idempotency-key: my-first-ticket' -H 'content-type: application/json' \\");
    say!("    -d '{{\"buyer\": \"me\", \"quantity\": 1}}'\n");
    say!("  # what is counted");
    say!("  curl -sw '\\n' {url}/metrics -H 'authorization: Bearer {}' \\", keys.admin);
    say!("    | grep ^leasehold");
}

/// An answer to somebody who breaks the stack by hand.
pub(super) fn answer(text: &str) {
    say!("{text}");
}

/// Shows that the next line may be written.
pub(super) fn prompt() {
    let mut stdout = std::io::stdout();
    write!(stdout, "> ").and_then(|()| stdout.flush()).ok();
}

fn percentiles(times: impl Iterator<Item = Duration>) -> String {
    // Microseconds up to ten minutes, three digits: cannot fail for these bounds.
    let Ok(mut histogram) = Histogram::<u64>::new_with_bounds(1, 600_000_000, 3) else {
        return String::new();
    };
    for time in times {
        histogram.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }
    let at = |quantile| ms(Duration::from_micros(histogram.value_at_quantile(quantile)));
    format!("p50 {:>8}   p99 {:>8}", at(0.5), at(0.99))
}

fn ms(span: Duration) -> String {
    format!("{:.1} ms", span.as_secs_f64() * 1000.0)
}
