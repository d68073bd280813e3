//! Breaks the running stack as lines on standard input say.

mod broken;
mod deeds;

use std::{
    io::{BufRead as _, IsTerminal as _},
    thread,
};

use anyhow::{Context as _, bail};
use leasehold_stack::{LeaseNode, Link, Links, Means, Proxy, is_alive, is_stopped};
use nix::unistd::{getpgrp, tcgetpgrp};
use tokio::sync::mpsc;

pub(super) use self::broken::Broken;
use self::deeds::{act, balancer, node, postgres, replica, sidecar};
use super::{
    report,
    verb::{LINK, PARTINGS, PROCESSES, Parting, Target, Verb, WORDS, Word, parse},
    world::{Prepare, World, missing},
};

/// How many of a hundred packets are lost where some are.
const LOST_PERCENT: u8 = 33;

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
        // A line that is no text is one that is not understood, and not the last one.
        for line in stdin.lock().split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
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
            // Of one that is not there nothing else is wrong.
            let _there = state(world, target)?;
            act(deed, target, world).await?;
            state(world, target)?
        }
        Verb::Link { replica: index, server, link } => {
            let _there = replica(world, index)?;
            let links = &world.links[index];
            match server {
                None => links.set(link),
                Some(server) => proxy(links, server)?.set(link),
            }
            between(world)
        }
        Verb::Part(index, how) => {
            part(world, index, how)?;
            between(world)
        }
        Verb::Heal => {
            join(world)?;
            world.links.iter().for_each(Links::heal);
            between(world)
        }
        Verb::Status => status(world)?,
        Verb::Help => help(world),
        Verb::Quit => String::new(),
    })
}

/// Loses packets of a replica. What is parted already is parted in this way.
fn part(world: &mut World, index: usize, how: Parting) -> anyhow::Result<()> {
    let _there = replica(world, index)?;
    let Some(network) = world.networks.get(index) else {
        let why = missing(Prepare::Networks);
        bail!(why.unwrap_or_else(|| {
            "nothing is prepared for it: start with --keep --prepare networks".to_owned()
        }));
    };
    let links = &world.links[index];
    let wire = network.before(links.nodes.iter().chain([&links.postgres]));
    match how {
        Parting::Whole => wire.cut(),
        Parting::OneWay => wire.one_way(),
        Parting::Rejected => wire.reject(),
        Parting::Lossy => wire.loss(LOST_PERCENT),
    }?;
    world.broken.parted.insert(index, how);
    Ok(())
}

/// Loses no more packets of anybody.
fn join(world: &mut World) -> anyhow::Result<()> {
    while let Some((index, how)) = world.broken.parted.first_key_value() {
        let (index, links) = (*index, &world.links[*index]);
        if *how == Parting::Rejected {
            // The replica's side of the connections was ended, and ours was not told.
            links.nodes.iter().chain([&links.postgres]).for_each(Proxy::break_connections);
        }
        world.networks[index].heal()?;
        world.broken.parted.remove(&index);
    }
    Ok(())
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
    let does: Vec<&str> = [does.as_str()].into_iter().chain(world.broken.about(target)).collect();
    Ok(format!("{name:<10} {at:<28} {}", does.join("; ")))
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
    lines.extend(not_open(world));
    Ok(lines.join("\n"))
}

/// What is wrong between replicas and servers, if anything.
fn between(world: &World) -> String {
    let lines = not_open(world);
    if lines.is_empty() { "all links are open".to_owned() } else { lines.join("\n") }
}

/// The links that are not open, and the replicas that are parted, a line each.
fn not_open(world: &World) -> Vec<String> {
    let mut lines = Vec::new();
    for (index, (replica, links)) in world.replicas.iter().zip(&world.links).enumerate() {
        let nodes = world.stack.nodes.iter().map(LeaseNode::name).zip(&links.nodes);
        for (server, proxy) in nodes.chain([("postgres", &links.postgres)]) {
            if let Some(does) = about(proxy.link()) {
                lines.push(format!("{:<10} to {server:<25} {does}", replica.name()));
            }
        }
        if let Some(how) = world.broken.parted.get(&index) {
            let does = match how {
                Parting::Whole => "all packets are lost",
                Parting::OneWay => "packets that come back are lost",
                Parting::Rejected => "packets are rejected",
                Parting::Lossy => "every third packet is lost",
            };
            lines.push(format!("{:<10} to {:<25} {does}", replica.name(), "all servers"));
        }
    }
    lines
}

/// What a link does; `None` for one that is open.
fn about(link: Link) -> Option<String> {
    Some(match link {
        Link::Open => return None,
        Link::Cut => "cut".to_owned(),
        Link::Silent => "silent: what is sent is held".to_owned(),
        Link::NoReplies => "replies are held".to_owned(),
        Link::NoRequests => "requests are held".to_owned(),
        Link::Delayed { from, to } if from == to => format!("{from:?} later"),
        Link::Delayed { to, .. } => format!("up to {to:?} later: connections overtake each other"),
        Link::Slow { bytes_per_second } => format!("{bytes_per_second} bytes a second"),
        Link::Twice { after } => format!("requests come again {after:?} later"),
    })
}

fn help(world: &World) -> String {
    let line = |word: &Word| format!("{:<17} {:<26} {}", word.word, word.takes, word.about);
    let how = PARTINGS.map(|(name, _)| name).join(" | ");
    let stands_for = [
        format!("\nPROCESS is {PROCESSES}"),
        format!("LINK is {LINK}: of a replica to one server, or to all"),
        format!("HOW is {how}"),
        "node-0 and replica-1 stand for any of theirs, a number in brackets for what is meant without one"
            .to_owned(),
    ];
    let lines = WORDS.iter().map(line);
    lines.chain(stands_for).chain(cannot(world)).collect::<Vec<_>>().join("\n")
}

/// What of the list is not possible here.
fn cannot(world: &World) -> Vec<String> {
    let prepared = [
        ("clock", "clocks", Prepare::Clocks, world.prepared.clocks),
        ("fill-disk", "disks", Prepare::Disks, world.prepared.disks),
        ("part", "networks", Prepare::Networks, world.prepared.networks),
    ];
    let unprepared = prepared.into_iter().filter(|(.., it_is)| !it_is);
    let mut lines: Vec<String> = unprepared
        .map(|(word, name, what, _)| match missing(what) {
            Some(why) => format!("{word} is not possible here: {why}"),
            None => format!("{word} takes a start with --keep --prepare {name}"),
        })
        .collect();
    lines.extend(
        Means::SlowSyncs.missing().map(|why| format!("slow-sync is not possible here: {why}")),
    );
    if world.balancer.is_none() {
        lines.extend(Means::LoadBalancer.missing().map(|why| format!("balancer: {why}")));
    }
    lines
}
