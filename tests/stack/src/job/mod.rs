//! The main job, step by step.

mod by_hand;
mod holder;
mod report;
mod verb;
mod world;

use std::{
    io::IsTerminal as _,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use leasehold_stack::{Answered, Arrivals, Buyers, Progress as _, Stderr, audit::Books};

pub(crate) use self::world::Prepare;
use self::world::World;
use crate::Cli;
use report::Result as SaleResult;

/// Over how long the buyers of the second sale come, so that it is still going on when the holder
/// of the lease is killed.
const SECOND_SALE: Duration = Duration::from_secs(3);

/// How often the second sale is held until its holder is killed in time.
const SECOND_SALES_MAX: u32 = 5;

/// Runs the job; `false` when the result is not what it must be.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<bool> {
    // Each of thousands of buyers has a connection of its own, and each of a replica through its links has two.
    let links = if cli.keep { 100 * u64::from(cli.replicas) } else { 0 };
    let (open_files, needed) =
        (leasehold_kit::serve::raise_open_files(), u64::from(cli.buyers) + 300 + links);
    anyhow::ensure!(
        open_files >= needed,
        "{} buyers need {needed} open files, the limit is {open_files}: raise it (ulimit -n) or take fewer (--buyers)",
        cli.buyers
    );
    let progress = Stderr::new();
    let mut world = World::start(&cli, &progress).await?;

    let first = first_sale(&cli, &world, &progress).await?;
    report::print(&cli, &world, &first);
    let second = second_sale(&cli, &mut world, &progress).await?;
    report::print(&cli, &world, &second);
    let right = first.is_right(&cli) && second.is_right(&cli) && second.has_a_death();
    report::verdict(right);
    if cli.keep {
        report::addresses(&world, second.sale);
        // Until a person ends it: see `until_ended` too.
        by_hand::serve(&mut world).await;
    }
    Ok(right)
}

async fn first_sale(cli: &Cli, world: &World, progress: &Stderr) -> anyhow::Result<SaleResult> {
    let sale = world.shop.create_sale(world.replicas[0].url(), "main job", cli.tickets).await?;
    progress.step(&format!("sale 1: {} buyers at once for {} tickets", cli.buyers, cli.tickets));
    let begun = Instant::now();
    let told = buyers(cli, world, sale, Arrivals::AtOnce).await?;
    finish(world, "Sale 1: all buyers at once", sale, told, begun.elapsed(), None).await
}

async fn second_sale(
    cli: &Cli,
    world: &mut World,
    progress: &Stderr,
) -> anyhow::Result<SaleResult> {
    let mut tries = 0;
    loop {
        tries += 1;
        let sale = world
            .shop
            .create_sale(world.replicas[0].url(), "main job, with a death", cli.tickets)
            .await?;
        progress.step(&format!(
            "sale 2: {} buyers over {SECOND_SALE:?}; the replica that holds the lease is killed on the way",
            cli.buyers
        ));
        let begun = Instant::now();
        let selling = buyers(cli, world, sale, Arrivals::Over(SECOND_SALE));
        let killing = holder::kill(world, sale, cli.tickets);
        let (told, killed) = tokio::join!(selling, killing);
        let (told, killed) = (told?, killed?);
        if killed.is_none() && tries < SECOND_SALES_MAX {
            progress.step("sold out before the holder could be killed: another sale");
            continue;
        }
        return finish(
            world,
            "Sale 2: the lease holder is killed",
            sale,
            told,
            begun.elapsed(),
            killed,
        )
        .await;
    }
}

async fn finish(
    world: &World,
    title: &'static str,
    sale: uuid::Uuid,
    told: Vec<Answered>,
    took: Duration,
    killed: Option<holder::Killed>,
) -> anyhow::Result<SaleResult> {
    let books =
        Books::read(&world.stack.database_url(), sale).await.context("the books cannot be read")?;
    Ok(SaleResult::new(title, sale, books, told, took, killed))
}

async fn buyers(
    cli: &Cli,
    world: &World,
    sale: uuid::Uuid,
    arrivals: Arrivals,
) -> anyhow::Result<Vec<Answered>> {
    let bar = ProgressBar::new(cli.buyers.into());
    bar.set_style(ProgressStyle::with_template(
        "         {bar:40} {pos}/{len} buyers answered, {msg}",
    )?);
    let sold = Arc::new(Mutex::new(0_u32));
    let (seen, shown) = (Arc::clone(&sold), bar.clone());
    let buyers = Buyers {
        count: cli.buyers as usize,
        arrivals,
        sale,
        replicas: world.replicas.iter().map(|replica| replica.url().to_owned()).collect(),
        seed: 1,
    };
    let told = buyers
        .run(&world.shop, move |answered| {
            let mut sold = seen.lock().unwrap_or_else(PoisonError::into_inner);
            if matches!(answered.told, leasehold_stack::Told::Yes(_)) {
                *sold += 1;
            }
            shown.set_message(format!("{sold} sold"));
            shown.inc(1);
        })
        .await;
    if std::io::stderr().is_terminal() {
        bar.finish();
    }
    Ok(told)
}
