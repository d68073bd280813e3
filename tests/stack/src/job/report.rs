//! The result, as a person understands it at a glance.
#![expect(clippy::print_stdout, reason = "the result is the program's output")]

use std::time::Duration;

use hdrhistogram::Histogram;
use leasehold_stack::{
    Answered, Told,
    audit::{self, Books},
};
use uuid::Uuid;

use super::{World, holder::Killed};
use crate::Cli;

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
    println!("\n{}", result.title);
    println!("{}", "─".repeat(result.title.chars().count()));
    println!("  sold     {:>6} of {} tickets", books.sold, cli.tickets);
    println!("  refused  {:>6} buyers told that it is sold out", result.no());
    println!("  unknown  {:>6} buyers without a final answer", result.unknown());
    println!();
    let all = percentiles(told.iter().map(|answered| answered.after));
    let yes = percentiles(told.iter().filter(|a| matches!(a.told, Told::Yes(_))).map(|a| a.after));
    println!("  answered after  {all}   all {} within {}", told.len(), ms(result.took));
    println!("  those who got   {yes}");
    println!();
    for (index, replica) in world.replicas.iter().enumerate() {
        let (units, batches) = books.by_replica(replica.name());
        let answered = told.iter().filter(|answered| answered.replica == index).count();
        let dead = if replica.process().is_running() { "" } else { "   killed" };
        println!(
            "  {:<10} {units:>5} sold in {batches:>3} batches, {answered:>5} buyers answered{dead}",
            replica.name()
        );
    }
    println!(
        "  {:<10} {:>5} batches under {} leases",
        "together",
        books.batches.len(),
        books.turns()
    );
    if let Some(Killed { replica, sold, gap }) = &result.killed {
        let again = told.iter().filter(|answered| answered.tries > 1).count();
        println!();
        println!(
            "  {replica} was killed (SIGKILL) while it held the lease, with {sold} tickets sold"
        );
        if let Some(gap) = gap {
            println!("  the next ticket was sold {} later, by another", ms(*gap));
        }
        println!(
            "  {again} buyers got no answer from it at first and asked again with the same key"
        );
    }
    println!("\n  Postgres says");
    check(books.purchases.len(), cli.tickets.min(cli.buyers) as usize, "purchases, never oversold");
    check(result.yes(), books.purchases.len(), "buyers told yes, each with exactly one purchase");
    let tokens = format!("{} fencing tokens, none went back", books.turns());
    line(!result.violations.iter().any(|found| found.starts_with("fencing")), &tokens);
    line(result.violations.is_empty(), &format!("{} invariants hold", audit::INVARIANTS.len()));
    for violation in &result.violations {
        println!("      {violation}");
    }
}

fn check(found: usize, wanted: usize, what: &str) {
    line(found == wanted, &format!("{found} of {wanted} {what}"));
}

fn line(right: bool, what: &str) {
    println!("    {} {what}", if right { "✓" } else { "✗" });
}

pub(super) fn verdict(right: bool) {
    println!();
    println!("{}", if right { "Both sales are right." } else { "The result is WRONG: see above." });
}

pub(super) fn addresses(world: &World, sale: Uuid) {
    let running = world.replicas.iter().filter(|replica| replica.process().is_running());
    let urls: Vec<&str> = running.map(leasehold_stack::Replica::url).collect();
    let Some(url) = urls.first() else { return };
    let keys = world.shop.keys();
    println!("\nEverything is left running until you press Ctrl-C.");
    println!("\n  replicas     {}", urls.join("  "));
    println!("  lease nodes  {}", world.stack.redis_urls().join("  "));
    println!("  postgres     {}", world.config.database_url);
    println!("  logs         {}", world.stack.folder().display());
    println!("\nTry:\n");
    println!("  # the sale that was just sold out");
    println!("  curl -s {url}/v1/sales/{sale}\n");
    println!("  # a new sale of 10 tickets");
    println!("  curl -s {url}/v1/sales -H 'authorization: Bearer {}' \\", keys.admin);
    println!("    -H 'idempotency-key: my-first-sale' -H 'content-type: application/json' \\");
    println!(
        "    -d '{{\"name\": \"matinee\", \"capacity\": 10, \"unit_price_minor\": 1200, \"currency\": \"EUR\"}}'\n"
    );
    println!("  # buy in the sold-out sale (put the new sale's id into the path to get a ticket)");
    println!(
        "  curl -s {url}/v1/sales/{sale}/purchases -H 'authorization: Bearer {}' \\",
        keys.buyer
    );
    println!("    -H 'idempotency-key: my-first-ticket' -H 'content-type: application/json' \\");
    println!("    -d '{{\"buyer\": \"me\", \"quantity\": 1}}'\n");
    println!("  # what is counted");
    println!("  curl -s {url}/metrics | grep ^leasehold");
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
