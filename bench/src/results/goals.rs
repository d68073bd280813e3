//! The targets of lease, strategies and sidecar: limits that were set before anything was measured.

use super::target::{
    Limit::{self, AtLeast, AtMost, TimesAtLeast, TimesAtMost},
    Target,
};

const fn lease(
    text: &'static str,
    metric: &'static str,
    sizes: &'static [(&'static str, u64)],
    limit: Limit,
) -> Target {
    Target { text, question: "lease", contestant: "ours", metric, sizes, load: None, limit }
}

const fn contend(
    text: &'static str,
    metric: &'static str,
    sizes: &'static [(&'static str, u64)],
    limit: Limit,
) -> Target {
    Target { text, question: "contend", contestant: "ours", metric, sizes, load: None, limit }
}

const fn sale(
    text: &'static str,
    (contestant, metric): (&'static str, &'static str),
    (load, sizes): (&'static str, &'static [(&'static str, u64)]),
    limit: Limit,
) -> Target {
    Target { text, question: "sale", contestant, metric, sizes, load: Some(load), limit }
}

const fn sidecar(
    text: &'static str,
    contestant: &'static str,
    metric: &'static str,
    limit: Limit,
) -> Target {
    Target { text, question: "sidecar", contestant, metric, sizes: &[], load: None, limit }
}

const TASKS: &[(&str, u64)] = &[("tasks", 64), ("section µs", 1000)];
const CLOSED: &str = "closed loop";
const MANY: &[(&str, u64)] = &[("replicas", 3), ("buyers", 2000)];
const ONE: &[(&str, u64)] = &[("replicas", 3), ("buyers", 1)];

pub(super) const TARGETS: &[Target] = &[
    lease(
        "64 tasks on 1 node: at least 0.75 of rslock's rate",
        "pairs",
        &[("nodes", 1), ("tasks", 64)],
        TimesAtLeast("rslock", 0.75),
    ),
    lease(
        "64 tasks on 3 nodes: at least 1.00 of rslock's rate",
        "pairs",
        &[("nodes", 3), ("tasks", 64)],
        TimesAtLeast("rslock", 1.0),
    ),
    lease(
        "64 tasks on 5 nodes: at least 1.25 of rslock's rate",
        "pairs",
        &[("nodes", 5), ("tasks", 64)],
        TimesAtLeast("rslock", 1.25),
    ),
    lease(
        "64 tasks: at least 0.85 of what the two scripts' own cost allows (limit)",
        "pairs",
        &[("tasks", 64)],
        TimesAtLeast("limit", 0.85),
    ),
    lease(
        "1 task: p50 at most 1.15 of the bare pair's",
        "pair p50",
        &[("tasks", 1)],
        TimesAtMost("bare", 1.15),
    ),
    lease(
        "at least 95 % of grants in one round trip",
        "grants in one round trip",
        &[],
        AtLeast(95.0),
    ),
    contend(
        "64 tasks: at least 0.97 of the hand-over prototype (local_handover)",
        "hand-offs",
        TASKS,
        TimesAtLeast("local_handover", 0.97),
    ),
    contend(
        "64 tasks: the task with most has at most 1.2 of the one with least",
        "most by least of a task",
        TASKS,
        AtMost(1.2),
    ),
    contend(
        "64 tasks: p99 wait at most 1.15 of tasks × cycle",
        "p99 wait by tasks × cycle",
        TASKS,
        AtMost(1.15),
    ),
    contend(
        "64 tasks: at most 1 command per hand-off and node",
        "calls sent per acquisition and node",
        TASKS,
        AtMost(1.0),
    ),
    contend(
        "8 processes on 1 node: idle at most 10 %",
        "idle",
        &[("nodes", 1), ("processes", 8), ("section µs", 1000)],
        AtMost(10.0),
    ),
    contend(
        "8 processes on 5 nodes: idle at most 30 %",
        "idle",
        &[("nodes", 5), ("processes", 8), ("section µs", 1000)],
        AtMost(30.0),
    ),
    contend(
        "8 processes: none below half its share",
        "least of a task by its share",
        &[("processes", 8), ("section µs", 1000)],
        AtLeast(0.5),
    ),
    contend(
        "64 tasks, nothing in the section: at least 50 times rslock's hand-offs",
        "hand-offs",
        &[("tasks", 64), ("section µs", 0)],
        TimesAtLeast("rslock", 50.0),
    ),
    contend("memory of an idle waiter below 2 KiB", "memory of a waiter", &[], AtMost(2048.0)),
    sale(
        "2,000 buyers: leased at least 25 times row_lock",
        ("leased", "answered"),
        (CLOSED, MANY),
        TimesAtLeast("row_lock", 25.0),
    ),
    sale(
        "2,000 buyers: p99 of leased at most a tenth of row_lock's",
        ("leased", "grant p99"),
        (CLOSED, MANY),
        TimesAtMost("row_lock", 0.1),
    ),
    sale(
        "2,000 buyers: leased at least 0.6 of a no-op endpoint",
        ("leased", "answered"),
        (CLOSED, MANY),
        TimesAtLeast("no-op endpoint", 0.6),
    ),
    sale(
        "2,000 buyers: refusals of what is sold out at least 0.85 of a no-op endpoint",
        ("leased, sold out", "answered"),
        (CLOSED, MANY),
        TimesAtLeast("no-op endpoint", 0.85),
    ),
    sale(
        "2,000 buyers for 100 tickets: leased tells all at least 20 times as fast as row_lock",
        ("leased", "answered"),
        ("rush", MANY),
        TimesAtLeast("row_lock", 20.0),
    ),
    sale(
        "1 buyer: leased at most 1.3 of the one statement's time",
        ("leased", "grant p50"),
        (CLOSED, ONE),
        TimesAtMost("one statement", 1.3),
    ),
    sale(
        "2,000 connections to three replicas: each below 64 MiB",
        ("a replica", "most memory"),
        ("all strategies so far", MANY),
        AtMost(64.0),
    ),
    sale(
        "2,000 connections to one replica: below 64 MiB",
        ("a replica", "most memory"),
        ("all at one replica", &[("buyers", 2000)]),
        AtMost(64.0),
    ),
    sidecar(
        "TCP: at most 150 µs added a request at p50",
        "sidecar, TCP",
        "added to a request of the crate",
        AtMost(150.0),
    ),
    sidecar(
        "TCP: at most 1.5 of the crate's time",
        "sidecar, TCP",
        "pair p50",
        TimesAtMost("crate", 1.5),
    ),
    sidecar(
        "socket: at most 150 µs added a request at p50",
        "sidecar, socket",
        "added to a request of the crate",
        AtMost(150.0),
    ),
    sidecar(
        "socket: at most 1.5 of the crate's time",
        "sidecar, socket",
        "pair p50",
        TimesAtMost("crate", 1.5),
    ),
];
