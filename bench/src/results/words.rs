//! What questions, contestants and figures are, for whoever reads the results first.

pub(super) fn about(question: &str) -> &'static str {
    match question {
        "lease" => {
            "A lease on a resource that nobody else wants, taken and given back, by so many tasks at once. Nodes \
             without persistence unless the command says `--durable`."
        }
        "contend" => {
            "So many tasks of one process, or processes, that all want one resource, and stay in it for a section \
             of so many microseconds each time. `idle` is the part of the time in which nobody was in it."
        }
        "sale" => {
            "One sale with one item, bought over HTTP from three replicas, durable servers, with lease, fence, \
             idempotency keys and events. In a closed loop each buyer asks again when answered; in an open loop \
             buyers come on a schedule, and waits count from when they were to ask; in a rush all ask at once, and \
             once, for a hundred tickets."
        }
        "growth" => {
            "What becomes of a sale as something around it grows. Ratios are in the table of answers."
        }
        "failover" => {
            "The time from a fault until somebody is granted something again. In a multiple of the TTL and in \
             milliseconds."
        }
        "sidecar" => {
            "The same pair of requests through the sidecar and by the crate alone; and a sidecar that holds many \
             leases while nobody asks for anything."
        }
        _ => "",
    }
}

/// Contestants whose names do not say it.
pub(super) const WHO: &[(&str, &str)] = &[
    ("ours", "Leasehold's crate, with fencing token and amnesia guard"),
    (
        "bare",
        "`SET NX PX` and a compare-and-delete script with the same client library, as a user would write it",
    ),
    ("rslock", "the Rust crate of that name, with its defaults; no token"),
    ("rslock 5 ms", "the same, told to pause for 5 ms at most"),
    (
        "limit",
        "what the least scripts with a token cost the servers: all tasks' calls in one write, nothing decided",
    ),
    ("advisory", "Postgres' advisory locks, a connection for each that is held; no token, no end"),
    ("redlock", "npm's redlock 5, with its defaults; no token"),
    ("redis-py", "redis-py's asyncio Lock, with its defaults; no token, one node"),
    (
        "etcd",
        "one etcd server that syncs every write, by its HTTP gateway: lock and unlock of its lock service, with a \
         lease for each task",
    ),
    (
        "local_handover",
        "a prototype that only passes a lease on inside of one process, without token or renewal",
    ),
    ("blpop", "a prototype with a token in a list, without an end: who dies keeps it"),
    ("one statement", "one SQL statement behind HTTP: no lease, fence, keys or events"),
    ("the database's limit", "the same statement without HTTP, from pgbench where there is one"),
    ("read and refused", "HTTP that reads such an order and refuses it, and looks nothing up"),
    ("no-op endpoint", "HTTP that answers and does nothing"),
    ("leased, sold out", "`leased` where nothing is left to sell"),
    ("crate", "Leasehold's crate, without a sidecar"),
    ("bare, socket", "the least that a sidecar can be: a process that is asked by one byte"),
    ("nothing, TCP", "one request for `/livez`"),
    ("nothing, socket", "one request for `/livez`"),
];

/// Figures whose names do not say it.
pub(super) const WHAT: &[(&str, &str)] = &[
    (
        "calls sent per pair and node",
        "commands that the client sent, counted by the nodes (`INFO commandstats`)",
    ),
    ("calls in scripts per pair and node", "what those called in the server"),
    (
        "grants in one round trip",
        "the most that can have taken one, from the count of script calls: a grant that needs a second calls once \
         more",
    ),
    ("least of a task by its share", "what the unluckiest got, 1 being an equal part"),
    (
        "p99 wait by tasks × cycle",
        "the 99th percentile of waits, 1 being the time in which each task would have had one turn",
    ),
    (
        "memory of a waiter",
        "growth of a process' resident memory as tasks come to wait, by their number",
    ),
    ("answered", "final answers a second: bought or sold out"),
    ("turned away", "answers that were neither, such as 503, over all rounds"),
    ("not sent", "buyers who found all connections in use and did not ask, over all rounds"),
    ("log per answer", "write-ahead log of Postgres"),
    ("grant p50", "how long those waited who bought"),
    ("refusal p50", "how long those waited who were told that it is sold out"),
    ("connections to Postgres", "those that replicas held in the middle of a round"),
    (
        "of which while Postgres was there",
        "the same, less the time from kill to first answer of Postgres itself",
    ),
];
