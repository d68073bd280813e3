//! Breaks the running stack as lines on standard input say.

use std::{
    io::{BufRead as _, IsTerminal as _},
    thread,
};

use anyhow::{Context as _, bail};
use leasehold_stack::{
    LeaseNode, Link, Links, LoadBalancer, Means, Postgres, Proxy, Replica, Sidecar, is_alive,
    is_stopped,
};
use nix::unistd::{getpgrp, tcgetpgrp};
use tokio::sync::mpsc;

use super::{
    World, report,
    verb::{Deed, PROCESSES, Target, Verb, WORDS, Word, parse},
};

/// How many lines may wait for those before them.
const LINES_MAX: usize = 64;

/// Does what is asked for until somebody asks to quit. The end of input ends nothing.
pub(super) async fn serve(world: &mut World) {
    let Some(mut lines) = lines() else { return std::future::pending().await };
    let is_terminal = std::io::stdin().is_terminal();
    if is_terminal {
        report::answer("\nBreak it: \"help\" lists how.");
    }
    loop {
        if is_terminal {
            report::prompt();
        }
        let Some(line) = lines.recv().await else { return std::future::pending().await };
        let said = match parse(&line) {
            Ok(None) => continue,
            Ok(Some(Verb::Quit)) => return,
            Ok(Some(verb)) => {
                run(verb, world).await.unwrap_or_else(|error| format!("not done: {error:#}"))
            }
            Err(wrong) => wrong,
        };
        report::answer(&said);
    }
}

/// The lines of standard input, from a thread of its own that nobody waits for in the end; `None` in the
/// background of a terminal, where who reads is stopped.
fn lines() -> Option<mpsc::Receiver<String>> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() && tcgetpgrp(&stdin).ok() != Some(getpgrp()) {
        return None;
    }
    let (sender, lines) = mpsc::channel(LINES_MAX);
    thread::spawn(move || {
        for line in stdin.lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    Some(lines)
}

async fn run(verb: Verb, world: &mut World) -> anyhow::Result<String> {
    Ok(match verb {
        Verb::Do(deed, target) => {
            match target {
                Target::Node(index) => on_node(deed, node(world, index)?).await?,
                Target::Postgres => on_postgres(deed, postgres(world)?).await?,
                Target::Replica(index) => on_replica(deed, world, index).await?,
                Target::Sidecar => on_sidecar(deed, sidecar(world)?).await?,
                Target::Balancer => on_balancer(deed, balancer(world)?).await?,
            }
            state(world, target)?
        }
        Verb::Link { replica: index, server, link } => {
            let _there = replica(world, index)?;
            let links = &world.links[index];
            match server {
                None => links.set(link),
                Some(server) => proxy(links, server)?.set(link),
            }
            links_not_open(world).unwrap_or_else(|| "all links are open".to_owned())
        }
        Verb::Heal => {
            world.links.iter().for_each(Links::heal);
            "all links are open".to_owned()
        }
        Verb::Status => status(world)?,
        Verb::Help => help(),
        Verb::Quit => String::new(),
    })
}

async fn on_node(deed: Deed, node: &mut LeaseNode) -> anyhow::Result<()> {
    match deed {
        Deed::Pause => node.pause(),
        Deed::Resume => node.resume(),
        Deed::Kill => node.kill().await,
        Deed::Restart => node.restart().await,
        Deed::Flush => node.flush_all().await,
    }
}

async fn on_postgres(deed: Deed, postgres: &mut Postgres) -> anyhow::Result<()> {
    match deed {
        Deed::Pause => postgres.pause(),
        Deed::Resume => postgres.resume(),
        Deed::Kill => postgres.kill().await,
        Deed::Restart => postgres.restart().await,
        Deed::Flush => bail!("only lease nodes can forget"),
    }
}

async fn on_replica(deed: Deed, world: &mut World, index: usize) -> anyhow::Result<()> {
    let process = replica(world, index)?.process();
    match deed {
        Deed::Pause => process.pause(),
        Deed::Resume => process.resume(),
        Deed::Kill => process.kill().await,
        Deed::Restart => {
            process.kill().await?;
            let name = format!("replica-{}", index + 1);
            world.replicas[index] = world.configs[index].start(&name).await?;
            Ok(())
        }
        Deed::Flush => bail!("only lease nodes can forget"),
    }
}

async fn on_sidecar(deed: Deed, sidecar: &mut Sidecar) -> anyhow::Result<()> {
    match deed {
        Deed::Pause => sidecar.pause(),
        Deed::Resume => sidecar.resume(),
        Deed::Kill => sidecar.kill().await,
        Deed::Restart => sidecar.restart().await,
        Deed::Flush => bail!("only lease nodes can forget"),
    }
}

async fn on_balancer(deed: Deed, balancer: &mut LoadBalancer) -> anyhow::Result<()> {
    match deed {
        Deed::Pause => balancer.pause(),
        Deed::Resume => balancer.resume(),
        Deed::Kill => balancer.kill().await,
        Deed::Restart => balancer.restart().await,
        Deed::Flush => bail!("only lease nodes can forget"),
    }
}

fn sidecar(world: &mut World) -> anyhow::Result<&mut Sidecar> {
    world.sidecar.as_mut().context("there is no sidecar")
}

fn balancer(world: &mut World) -> anyhow::Result<&mut LoadBalancer> {
    let why = || Means::LoadBalancer.missing().unwrap_or("there is no balancer");
    world.balancer.as_mut().with_context(why)
}

fn node(world: &mut World, index: usize) -> anyhow::Result<&mut LeaseNode> {
    let last = world.stack.nodes.len() - 1;
    let found = world.stack.nodes.get_mut(index);
    found.with_context(|| format!("there is no node-{index}, only node-0 to node-{last}"))
}

fn postgres(world: &mut World) -> anyhow::Result<&mut Postgres> {
    world.stack.postgres.as_mut().context("there is no postgres")
}

fn replica(world: &World, index: usize) -> anyhow::Result<&Replica> {
    let (number, last) = (index + 1, world.replicas.len());
    let found = world.replicas.get(index);
    found.with_context(|| format!("there is no replica-{number}, only replica-1 to replica-{last}"))
}

fn proxy(links: &Links, server: Target) -> anyhow::Result<&Proxy> {
    match server {
        Target::Node(index) => {
            links.nodes.get(index).with_context(|| format!("there is no node-{index}"))
        }
        Target::Postgres => Ok(&links.postgres),
        Target::Replica(_) | Target::Sidecar | Target::Balancer => {
            bail!("replicas have links to node-0 | postgres, and to nobody else")
        }
    }
}

/// Its name, where it is, and what it does.
fn state(world: &mut World, target: Target) -> anyhow::Result<String> {
    let (name, at, pid) = match target {
        Target::Node(index) => {
            let node = node(world, index)?;
            (node.name().to_owned(), node.address().to_string(), node.pid())
        }
        Target::Postgres => {
            let postgres = postgres(world)?;
            let at = postgres.url().rsplit_once('@').map_or("", |(_, at)| at).to_owned();
            ("postgres".to_owned(), at, postgres.pid())
        }
        Target::Replica(index) => {
            let replica = replica(world, index)?;
            (replica.name().to_owned(), replica.url().to_owned(), Some(replica.process().pid()))
        }
        Target::Sidecar => {
            let sidecar = sidecar(world)?;
            ("sidecar".to_owned(), sidecar.url().to_owned(), Some(sidecar.process().pid()))
        }
        Target::Balancer => {
            let balancer = balancer(world)?;
            ("balancer".to_owned(), balancer.url(), Some(balancer.process().pid()))
        }
    };
    let does = match pid {
        None => "not ours to break".to_owned(),
        Some(pid) if !is_alive(pid) => "ended".to_owned(),
        Some(pid) if is_stopped(pid) == Some(true) => format!("paused, process {pid}"),
        Some(pid) => format!("running, process {pid}"),
    };
    Ok(format!("{name:<10} {at:<24} {does}"))
}

fn status(world: &mut World) -> anyhow::Result<String> {
    let replicas = (0..world.replicas.len()).map(Target::Replica);
    let nodes = (0..world.stack.nodes.len()).map(Target::Node);
    let beside = world.sidecar.iter().map(|_| Target::Sidecar);
    let before = world.balancer.iter().map(|_| Target::Balancer);
    let others = [Target::Postgres].into_iter().chain(beside).chain(before);
    let all: Vec<Target> = replicas.chain(nodes).chain(others).collect();
    let mut lines =
        all.into_iter().map(|target| state(world, target)).collect::<anyhow::Result<Vec<_>>>()?;
    lines.extend(links_not_open(world));
    Ok(lines.join("\n"))
}

/// The links that are not open, a line each.
fn links_not_open(world: &World) -> Option<String> {
    let mut lines = Vec::new();
    for (replica, links) in world.replicas.iter().zip(&world.links) {
        let nodes = world.stack.nodes.iter().map(LeaseNode::name).zip(&links.nodes);
        for (server, proxy) in nodes.chain([("postgres", &links.postgres)]) {
            let link = proxy.link();
            if link != Link::Open {
                lines.push(format!("{:<10} to {server:<21} {link:?}", replica.name()));
            }
        }
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn help() -> String {
    let line = |word: &Word| format!("{:<12} {:<31} {}", word.word, word.takes, word.about);
    let lines = WORDS.iter().map(line);
    lines.chain([format!("PROCESS is {PROCESSES}")]).collect::<Vec<_>>().join("\n")
}
