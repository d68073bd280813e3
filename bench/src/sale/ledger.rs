//! What Postgres says was sold, against what buyers were told. A figure counts only if they agree.

use std::time::{Duration, Instant};

use sqlx::PgPool;
use uuid::Uuid;

use super::answers::Answers;

/// Nothing sold for so long is nothing under way, and how long that may take to come.
const QUIET: Duration = Duration::from_secs(1);
const LATE_MAX: Duration = Duration::from_secs(60);

/// Where the sales of a round are written.
#[derive(Clone, Debug)]
pub(crate) enum Ledger {
    /// In the service's tables, as these sales.
    Sales(Vec<Uuid>),
    /// In those of the one statement.
    Statement,
    /// Nowhere: nothing is sold.
    Nowhere,
}

/// What was sold so far, counted in each place where it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sold(Vec<(&'static str, i64)>);

const OF_SALES: [(&str, &str); 5] = [
    ("the sale's counter", "select coalesce(sum(sold), 0)::bigint from sales where id = any ($1)"),
    (
        "claims",
        "select coalesce(sum(quantity - refunded), 0)::bigint from claims \
         where sale_id = any ($1) and status = 'confirmed'",
    ),
    ("replies", "select count(*) from replies where scope = any ($1)"),
    (
        "events",
        "select coalesce(sum(quantity), 0)::bigint from events where sale_id = any ($1) and kind = 'purchased'",
    ),
    ("batches", "select coalesce(sum(units), 0)::bigint from batches where sale_id = any ($1)"),
];

const OF_STATEMENT: [(&str, &str); 2] = [
    ("stock", "select -units::bigint from bench_stock where $1::uuid[] is not null"),
    ("orders", "select count(*) from bench_orders where $1::uuid[] is not null"),
];

impl Ledger {
    /// In one snapshot: what may have happened can still be happening.
    pub(crate) async fn read(&self, pool: &PgPool) -> anyhow::Result<Sold> {
        let (counts, sales): (&[_], &[Uuid]) = match self {
            Self::Sales(sales) => (&OF_SALES, sales),
            Self::Statement => (&OF_STATEMENT, &[]),
            Self::Nowhere => (&[], &[]),
        };
        let mut tx = pool.begin_with("begin isolation level repeatable read read only").await?;
        let mut sold = Vec::new();
        for (place, count) in counts {
            sold.push((*place, sqlx::query_scalar(*count).bind(sales).fetch_one(&mut *tx).await?));
        }
        tx.rollback().await?;
        Ok(Sold(sold))
    }

    /// After a round. Where somebody was not told what became of it, not before nothing happens any more:
    /// a late sale would be counted in the next round.
    pub(crate) async fn read_after(
        &self,
        pool: &PgPool,
        answers: &Answers,
    ) -> anyhow::Result<Sold> {
        let mut sold = self.read(pool).await?;
        if answers.unknown == 0 {
            return Ok(sold);
        }
        let deadline = Instant::now() + LATE_MAX;
        loop {
            tokio::time::sleep(QUIET).await;
            let now = self.read(pool).await?;
            if now == sold {
                return Ok(sold);
            }
            anyhow::ensure!(Instant::now() < deadline, "tickets are sold though nobody asks");
            sold = now;
        }
    }
}

impl Sold {
    /// Every place must have become more by what was acknowledged; and by what may have happened, at most.
    ///
    /// # Errors
    /// When one has not: then whatever was measured is the speed of something else.
    pub(crate) fn check(&self, before: &Self, answers: &Answers) -> anyhow::Result<()> {
        let (told, unknown) =
            (i64::try_from(answers.granted.all)?, i64::try_from(answers.unknown)?);
        let grown: Vec<(&str, i64)> = (self.0.iter().zip(&before.0))
            .map(|((place, after), (_, before))| (*place, after - before))
            .collect();
        let is_one = grown.windows(2).all(|pair| pair[0].1 == pair[1].1);
        let is_told = grown.iter().all(|(_, more)| (told..=told + unknown).contains(more));
        anyhow::ensure!(
            is_one && is_told,
            "the figure does not count: {told} sales were acknowledged and {unknown} may have happened, \
             but Postgres has {grown:?}"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sale::answers::Final;

    fn sold(counter: i64, claims: i64) -> Sold {
        Sold(vec![("counter", counter), ("claims", claims)])
    }

    #[test]
    fn a_lost_sale_one_too_many_and_places_that_differ_are_found() {
        let granted = Final { all: 10, ..Final::default() };
        let answers = Answers { granted, unknown: 2, ..Answers::default() };
        let check = |counter, claims| sold(counter, claims).check(&sold(5, 5), &answers).is_ok();
        assert!(check(15, 15) && check(17, 17));
        assert!(!check(14, 14), "one that was acknowledged is lost");
        assert!(!check(18, 18), "more than anybody asked for");
        assert!(!check(16, 15), "a counter without its claim");
    }
}
