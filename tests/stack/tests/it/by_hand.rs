//! The program with which a person breaks things: each verb as a line on its standard input, and its end.

use std::{io::Write as _, os::unix::process::ExitStatusExt as _, path::PathBuf, time::Instant};

use leasehold_stack::{Means, Namespace};
use nix::sys::signal::Signal;
use redis::Client;
use sqlx::{Connection as _, PgConnection};

use crate::{
    LIMIT,
    program::{Stack, nothing_is_left, word},
};

const SMALL: &str = "--keep --prepare all --nodes 3 --replicas 2 --buyers 100 --tickets 20";

/// What a machine cannot do.
struct Lacks {
    clocks: bool,
    disks: bool,
    syncs: bool,
    networks: bool,
}

#[tokio::test]
async fn each_verb_is_a_line() {
    let lacks = Lacks {
        clocks: !Means::Clocks.are_here(),
        disks: !Means::SmallDisks.are_here(),
        syncs: !Means::SlowSyncs.are_here(),
        networks: Namespace::create().is_err(),
    };
    let mut stack = Stack::start("", SMALL);
    let said = stack.says("curl");
    let node = Client::open(word(&said, "lease nodes  ")).unwrap();
    let postgres = word(&said, "postgres     ").to_owned();
    let folder = PathBuf::from(word(&said, "logs         "));
    // One of them was killed in a sale.
    for replica in ["replica-1", "replica-2"] {
        assert!(stack.answers(&format!("restart {replica}")).contains("running"));
    }
    let mut tries = |line: &str, wanted: &str| {
        let answer = stack.answers(line);
        assert!(answer.contains(wanted), "{line}: {answer}");
    };
    processes(&mut tries);
    let ask = async |command: &mut redis::Cmd| -> redis::RedisResult<redis::Value> {
        command.query_async(&mut node.get_multiplexed_async_connection().await?).await
    };
    let set = || redis::cmd("SET").arg("by-hand").arg(1).clone();

    tries("fill-memory node-0", "running, process");
    tries("status", "refuses writes");
    let refused = ask(&mut set()).await.unwrap_err().to_string();
    assert!(refused.contains("OOM"), "{refused}");
    tries("free-memory node-0", "running");
    ask(&mut set()).await.unwrap();
    tries("forget-scripts node-0", "running");
    tries("flush node-0", "running");
    assert_eq!(ask(redis::cmd("EXISTS").arg("by-hand")).await.unwrap(), redis::Value::Int(0));
    tries("limit-connections node-0 0", "takes 0 connections");
    ask(&mut set()).await.unwrap_err();
    tries("limit-connections node-0 50", "takes 50 connections");
    tries("free-connections node-0", "running");
    ask(&mut set()).await.unwrap();
    tries("take-connections postgres", "are taken");
    let refused = PgConnection::connect(&postgres).await.unwrap_err();
    let code = refused.as_database_error().and_then(|error| error.code());
    assert_eq!(code.as_deref(), Some("53300"), "{refused}");
    tries("free-connections postgres", "running");
    let begun = Instant::now();
    while PgConnection::connect(&postgres).await.is_err() {
        assert!(begun.elapsed() < LIMIT, "they were never given back");
    }
    if lacks.clocks {
        tries("clock node-0 5", "not done: there is no libfaketime");
    } else {
        let time = async || {
            let answered = ask(&mut redis::cmd("TIME")).await.unwrap();
            redis::from_redis_value::<(i64, i64)>(answered).unwrap().0
        };
        let before = time().await;
        tries("clock node-0 -1000000000", "its clock is -1000000000 s");
        assert!(time().await < before - 900_000_000);
        tries("clock node-0 0", "running");
        assert!(time().await >= before);
        tries("clock replica-1 +5", "its clock is +5 s");
        tries("restart replica-1", "running");
    }
    disks(&lacks, &mut tries);
    ways(&lacks, &mut tries);
    let pid = stack.child.id();
    writeln!(stack.stdin, "quit").unwrap();
    assert_eq!(stack.ends().code(), Some(0));
    nothing_is_left(pid, &folder);
}

fn processes(tries: &mut impl FnMut(&str, &str)) {
    tries("help", "reorder");
    tries("status", "sidecar");
    for (line, wanted) in [
        ("explode", "\"help\" lists"),
        ("pause node-9", "not done: there is no node-9, only node-0 to node-2"),
        ("clock replica-9 5", "not done: there is no replica-9, only replica-1 to replica-2"),
        ("part replica-9", "not done: there is no replica-9"),
        ("delay replica-9", "not done: there is no replica-9"),
        ("delay replica-1 node-9 5", "not done: there is no node-9"),
        ("fill-disk node-9", "not done: there is no node-9"),
        ("slow-sync node-0 fast", "not a whole number"),
        ("pause node-1", "paused"),
        ("slow-sync node-1", "not done: "),
        ("resume node-1", "running"),
        ("kill node-1", "ended"),
        ("restart node-1", "running"),
        ("pause postgres", "paused"),
        ("resume postgres", "running"),
        ("kill sidecar", "ended"),
        ("pause sidecar", "not done: "),
        ("restart sidecar", "running"),
        ("pause replica-2", "paused"),
        ("drain replica-2", "not done: it is paused"),
        ("resume replica-2", "running"),
        ("drain replica-2", "ended"),
        ("restart replica-2", "running"),
    ] {
        tries(line, wanted);
    }
}

fn disks(lacks: &Lacks, tries: &mut impl FnMut(&str, &str)) {
    if lacks.syncs {
        tries("slow-sync node-0 50", "not done: there is no strace");
    } else {
        tries("slow-sync node-0 50", "each sync takes 50ms longer");
        tries("pause node-0", "not done: whose syncs are held up");
        tries("slow-sync node-0 20", "each sync takes 20ms longer");
        tries("fast-sync node-0", "running");
        tries("pause node-0", "paused");
        tries("resume node-0", "running");
        tries("slow-sync postgres", "each sync takes 100ms longer");
        tries("kill postgres", "ended");
        tries("restart postgres", "running");
    }
    if lacks.disks {
        tries("fill-disk node-2", "not done: only root");
    } else {
        tries("fill-disk node-2", "its disk is full");
        tries("free-disk node-2", "node-2");
        tries("restart node-2", "running");
        tries("fill-disk postgres", "its disk is full");
        tries("free-disk postgres", "postgres");
        tries("restart postgres", "running");
    }
}

fn ways(lacks: &Lacks, tries: &mut impl FnMut(&str, &str)) {
    for (line, wanted) in [
        ("cut replica-1 node-0", "cut"),
        ("silence replica-1 node-1", "silent"),
        ("no-replies replica-1 node-2", "replies are held"),
        ("no-requests replica-2", "requests are held"),
        ("delay replica-2 node-0 50", "50ms later"),
        ("reorder replica-2 node-1", "up to 500ms later: connections overtake each other"),
        ("slow replica-2 node-2 100", "100 bytes a second"),
        ("twice replica-2 postgres", "requests come again 200ms later"),
        ("status", "requests come again 200ms later"),
    ] {
        tries(line, wanted);
    }
    if lacks.networks {
        tries("part replica-1", "not done: a network of its own takes");
    } else {
        tries("part replica-1", "all packets are lost");
        tries("part replica-1 one-way", "come back are lost");
        tries("part replica-1 lossy", "every third");
        tries("part replica-1 rejected", "are rejected");
    }
    tries("heal", "all links are open");
    tries("heal", "all links are open");
}

/// What it has not been prepared for it says, with what to do.
#[test]
fn what_is_asked_to_prepare_must_be_possible_and_kept() {
    let said = |args: &str| {
        let mut stack = Stack::start("", args);
        let status = stack.ends();
        let said: Vec<String> = stack.said.iter().collect();
        (status.code(), said.join("\n"))
    };
    let (code, wrong) = said("--prepare all");
    assert!(code == Some(2) && wrong.contains("--keep"), "{code:?} {wrong}");
    let (code, wrong) = said("--keep --prepare clock");
    assert!(code == Some(2) && wrong.contains("clocks, disks, networks, all"), "{code:?} {wrong}");
}

#[test]
fn a_signal_ends_it_with_all_that_it_started() {
    for (before, signals, code, words) in [
        ("", &[Signal::SIGTERM][..], 143, "terminated (SIGTERM); everything is stopped"),
        ("", &[Signal::SIGHUP], 129, "the terminal is gone (SIGHUP); everything is stopped"),
        ("", &[Signal::SIGINT], 130, "interrupted; everything is stopped"),
        // As under nohup.
        ("trap '' HUP;", &[Signal::SIGHUP, Signal::SIGTERM], 143, "terminated (SIGTERM)"),
    ] {
        let mut stack = Stack::start(before, SMALL);
        let said = stack.says("logs in ");
        let folder = PathBuf::from(word(&said, "logs in "));
        stack.says("sale 1");
        assert!(folder.exists());
        signals.iter().for_each(|signal| stack.signal(*signal));
        let status = stack.ends();
        assert_eq!((status.code(), status.signal()), (Some(code), None), "{signals:?}");
        stack.says(words);
        nothing_is_left(stack.child.id(), &folder);
    }
}
