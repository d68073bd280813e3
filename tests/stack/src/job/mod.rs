//! The main job, step by step.

mod by_hand;
mod holder;
mod report;
mod verb;

use std::{
    io::IsTerminal as _,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use leasehold_stack::{
    Answered, Arrivals, Buyers, Keys, Links, LoadBalancer, Means, Program, Progress as _, Replica,
    ReplicaConfig, Shop, Sidecar, SidecarConfig, Stack, StackConfig, Stderr, audit::Books,
    free_port,
};

use crate::Cli;
use report::Result as SaleResult;

/// Over how long the buyers of the second sale come, so that it is still going on when the holder
/// of the lease is killed.
const SECOND_SALE: Duration = Duration::from_secs(3);

/// How often the second sale is held until its holder is killed in time.
const SECOND_SALES_MAX: u32 = 5;

/// Ends when a person or a program asks this one to.
pub(crate) async fn interrupted() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended?,
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(())
}

struct World {
    shop: Shop,
    replicas: Vec<Replica>,
    /// Of each replica, in their order: to start it again.
    configs: Vec<ReplicaConfig>,
    /// Before the replicas, for who breaks them; none without haproxy.
    balancer: Option<LoadBalancer>,
    /// For who breaks it.
    sidecar: Option<Sidecar>,
    /// Of each replica, in their order; none when nobody is going to break them.
    links: Vec<Links>,
    // Last: the servers end after the replicas.
    stack: Stack,
}

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
    let stack = Stack::start(
        StackConfig { lease_nodes: cli.nodes.into(), ..StackConfig::default() },
        &progress,
    )
    .await?;
    let keys = Keys::random();
    let config = ReplicaConfig::on(&stack, Program::linked()?, keys.clone());
    progress.step("making the tables");
    config.migrate().await?;
    let (mut replicas, mut configs, mut links) = (Vec::new(), Vec::new(), Vec::new());
    for number in 1..=cli.replicas {
        let mut own = config.clone();
        if cli.keep {
            let between = Links::between(&stack).await?;
            own = config.through(&between);
            links.push(between);
            // The same after each restart: the load balancer knows no names.
            let listen = format!("127.0.0.1:{}", free_port()?);
            own.env.push(("LEASEHOLD_LISTEN".to_owned(), listen));
        }
        replicas.push(own.start(&format!("replica-{number}")).await?);
        configs.push(own);
    }
    let at: Vec<&str> = replicas.iter().map(Replica::url).collect();
    progress.step(&format!("replicas listen at {}", at.join(", ")));
    let (balancer, sidecar) =
        if cli.keep { beside(&stack, &replicas).await? } else { (None, None) };
    let shop = Shop::new(keys);
    let mut world = World { shop, replicas, configs, balancer, sidecar, links, stack };

    let first = first_sale(&cli, &world, &progress).await?;
    report::print(&cli, &world, &first);
    let second = second_sale(&cli, &mut world, &progress).await?;
    report::print(&cli, &world, &second);
    let right = first.is_right(&cli) && second.is_right(&cli) && second.has_a_death();
    report::verdict(right);
    if cli.keep {
        report::addresses(&world, second.sale);
        // Until a person ends it: see `interrupted` too.
        by_hand::serve(&mut world).await;
    }
    Ok(right)
}

/// What the sales do not need, and who breaks things by hand may want.
async fn beside(
    stack: &Stack,
    replicas: &[Replica],
) -> anyhow::Result<(Option<LoadBalancer>, Option<Sidecar>)> {
    let address = |replica: &Replica| {
        let url = replica.url();
        url.strip_prefix("http://").unwrap_or(url).parse().with_context(|| url.to_owned())
    };
    let addresses = replicas.iter().map(address).collect::<anyhow::Result<Vec<_>>>()?;
    let balancer = match Means::LoadBalancer.missing() {
        None => Some(LoadBalancer::start(stack.folder(), &addresses).await?),
        Some(_) => None,
    };
    let sidecar = SidecarConfig::on(stack, Program::linked_sidecar()?).start("sidecar").await?;
    Ok((balancer, Some(sidecar)))
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
