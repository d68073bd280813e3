//! Sizes of one thing, side by side.
#![expect(clippy::print_stdout, reason = "the tables are the program's output")]

use std::time::Duration;

use crate::{
    progress::Rounds,
    report::{Case, Report},
    sale::{answers::STEP, closed, cost, market::Market, measured::Measured, offer::Offer},
    stats::{float, median, median_ratio},
};

/// One size with one strategy: where it is offered, and by how many it is bought.
pub(crate) struct Size<'a> {
    pub(crate) size: u64,
    pub(crate) market: &'a Market,
    pub(crate) offer: Offer,
    pub(crate) buyers: usize,
    measured: Measured,
}

impl<'a> Size<'a> {
    pub(crate) fn new(
        size: u64,
        market: &'a Market,
        offer: Offer,
        buyers: usize,
    ) -> anyhow::Result<Self> {
        let measured = Measured::new(offer.lane)?;
        Ok(Self { size, market, offer, buyers, measured })
    }

    async fn round(&mut self, length: Duration) -> anyhow::Result<()> {
        let connections = self.market.connect(&self.offer, self.buyers).await?;
        let run = closed::run(connections, length);
        let round = self.market.round(&self.offer, length / 2, run).await?;
        self.measured.add(round, length)
    }
}

/// Measures all sizes in interleaved rounds, and prints each beside the smallest with the same strategy. `beside`
/// is what else was there, the same for all sizes.
pub(crate) async fn compare(
    what: &str,
    beside: Case,
    mut sizes: Vec<Size<'_>>,
    rounds: u32,
    length: Duration,
    report: &mut Report,
) -> anyhow::Result<()> {
    let progress = Rounds::new(what, rounds, sizes.len());
    for _ in 0..rounds {
        for size in &mut sizes {
            progress.next(&format!("{}, {}", size.measured.lane.name(), size.size));
            size.round(length).await?;
        }
    }
    drop(progress);
    println!(
        "  {:<18} {what:>20} ÷ smallest answered/s   p50 ms   p99 ms | log B/answer  postgres CPU s per 1,000 | turned away",
        "strategy"
    );
    for size in &sizes {
        print(size, &sizes);
        let case = beside.clone().with(what, size.size);
        let measured = &size.measured;
        let _entry = report
            .of(&measured.lane.name(), case.clone())
            .higher("answered", "1/s", measured.rates())
            .over_time(STEP, measured.over_time())
            .times("answer", measured.times());
        cost::tell(report, &case, measured);
    }
    println!();
    Ok(())
}

fn print(size: &Size<'_>, all: &[Size<'_>]) {
    let Measured { lane, turned_away, .. } = &size.measured;
    let (rates, times) = (size.measured.rates(), size.measured.times());
    let same = |other: &&Size<'_>| other.measured.lane == *lane;
    let smallest = all.iter().filter(same).min_by_key(|other| other.size);
    let ratio = smallest.map_or(f64::NAN, |least| median_ratio(&rates, &least.measured.rates()));
    let ms = |quantile| float(times.value_at_quantile(quantile)) / 1000.0;
    let [log, postgres] = cost::log_and_postgres(&size.measured);
    println!(
        "  {:<18} {:>20} {ratio:>10.2} {:>10.1} {:>8.2} {:>8.2} | {log:>12} {postgres:>25} | {turned_away}",
        lane.name(),
        size.size,
        median(rates),
        ms(0.5),
        ms(0.99),
    );
}
