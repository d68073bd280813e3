//! The words that lines begin with: a new verb is a line here, and one where it is done.

use std::time::Duration;

use leasehold_stack::Link;

use super::{Deed, Parting, Target, Verb};

/// A line's first word.
pub(crate) struct Word {
    pub(crate) word: &'static str,
    /// What stands behind it.
    pub(crate) takes: &'static str,
    pub(crate) about: &'static str,
    pub(super) shape: Shape,
}

/// What is made of what stands behind a word.
pub(super) enum Shape {
    Alone(Verb),
    On(fn(Target) -> bool, Deed),
    OnBy(fn(Target) -> bool, Number, fn(i64) -> Deed),
    Between(Link),
    BetweenBy(Number, fn(i64) -> Link),
    Part,
}

/// A number that stands behind a word.
pub(super) struct Number {
    pub(super) least: i64,
    pub(super) most: i64,
    /// What is meant without one; `None` when one must be there.
    pub(super) otherwise: Option<i64>,
}

impl Word {
    /// What it takes, in full.
    pub(super) fn wanted(&self) -> String {
        match self.takes {
            "" => format!("{} takes nothing", self.word),
            takes => {
                let full = takes.replace("PROCESS", PROCESSES).replace("LINK", LINK);
                let how = PARTINGS.map(|(name, _)| name).join(" | ");
                format!("{} takes {}", self.word, full.replace("HOW", &how))
            }
        }
    }
}

/// What `PROCESS` stands for.
pub(crate) const PROCESSES: &str = "node-0 | postgres | replica-1 | sidecar | balancer";
/// What `LINK` stands for.
pub(crate) const LINK: &str = "replica-1 [node-2 | postgres]";
/// What `HOW` stands for.
pub(crate) const PARTINGS: [(&str, Parting); 4] = [
    ("whole", Parting::Whole),
    ("one-way", Parting::OneWay),
    ("rejected", Parting::Rejected),
    ("lossy", Parting::Lossy),
];

const ANY: &str = "PROCESS";
const NODE: &str = "node-0";
const SERVER: &str = "node-0 | postgres";

/// Every word.
pub(crate) const WORDS: &[Word] = &[
    word("pause", ANY, "stop it where it stands (SIGSTOP)", Shape::On(any, Deed::Pause)),
    word("resume", ANY, "let it go on", Shape::On(any, Deed::Resume)),
    word("kill", ANY, "end it (SIGKILL)", Shape::On(any, Deed::Kill)),
    word("restart", ANY, "start it again, with what it kept", Shape::On(any, Deed::Restart)),
    word("drain", "replica-1", "let it end in order (SIGTERM)", Shape::On(is_replica, Deed::Drain)),
    word("flush", NODE, "make it forget everything (FLUSHALL)", Shape::On(is_node, Deed::Flush)),
    word(
        "forget-scripts",
        NODE,
        "make it forget its scripts",
        Shape::On(is_node, Deed::ForgetScripts),
    ),
    word(
        "fill-memory",
        NODE,
        "it refuses writes for want of memory",
        Shape::On(is_node, Deed::FillMemory),
    ),
    word("free-memory", NODE, "give it its memory back", Shape::On(is_node, Deed::FreeMemory)),
    word("fill-disk", SERVER, "take all room on its disk", Shape::On(is_server, Deed::FillDisk)),
    word(
        "free-disk",
        SERVER,
        "give the room back; then restart it",
        Shape::On(is_server, Deed::FreeDisk),
    ),
    word(
        "slow-sync",
        "node-0 | postgres [MS]",
        "each sync to its disk takes longer (100)",
        Shape::OnBy(is_server, Number { least: 1, ..MS }.or(100), |by| Deed::SlowSync(ms(by))),
    ),
    word("fast-sync", SERVER, "syncs are as fast as before", Shape::On(is_server, Deed::FastSync)),
    word(
        "clock",
        "node-0 | replica-1 SECONDS",
        "set it ahead, or behind (-5); 0 is right",
        Shape::OnBy(has_clock, CLOCK, Deed::Clock),
    ),
    word(
        "limit-connections",
        "node-0 [COUNT]",
        "hang up, and take so few new ones (0)",
        Shape::OnBy(is_node, Number { least: 0, most: 10_000, otherwise: Some(0) }, |most| {
            Deed::LimitConnections(usize(most))
        }),
    ),
    word(
        "take-connections",
        "postgres",
        "end all connections, and take every one",
        Shape::On(is_postgres, Deed::TakeConnections),
    ),
    word("free-connections", SERVER, "undo either", Shape::On(is_server, Deed::FreeConnections)),
    word("cut", "LINK", "reset connections, refuse new ones", Shape::Between(Link::Cut)),
    word(
        "silence",
        "LINK",
        "half-open: nothing passes, all comes late",
        Shape::Between(Link::Silent),
    ),
    word("no-replies", "LINK", "requests pass, replies are held", Shape::Between(Link::NoReplies)),
    word(
        "no-requests",
        "LINK",
        "replies pass, requests are held",
        Shape::Between(Link::NoRequests),
    ),
    word(
        "delay",
        "LINK [MS]",
        "all takes longer, both ways (200)",
        Shape::BetweenBy(MS.or(200), |by| Link::Delayed { from: ms(by), to: ms(by) }),
    ),
    word(
        "reorder",
        "LINK [MS]",
        "up to so much longer: connections overtake",
        Shape::BetweenBy(MS.or(500), |by| Link::reordered(ms(by))),
    ),
    word(
        "slow",
        "LINK [BYTES]",
        "so many bytes a second pass (4096)",
        Shape::BetweenBy(BYTES, |bytes| Link::Slow {
            bytes_per_second: u32::try_from(bytes).unwrap_or(u32::MAX),
        }),
    ),
    word(
        "twice",
        "LINK [MS]",
        "requests come again, so much later (200)",
        Shape::BetweenBy(MS.or(200), |by| Link::Twice { after: ms(by) }),
    ),
    word("part", "replica-1 [HOW]", "the kernel loses its packets (whole)", Shape::Part),
    word("heal", "", "open all links, and part nobody", Shape::Alone(Verb::Heal)),
    word("status", "", "what runs, and what is broken", Shape::Alone(Verb::Status)),
    word("help", "", "this list", Shape::Alone(Verb::Help)),
    word("quit", "", "end everything", Shape::Alone(Verb::Quit)),
];

/// Milliseconds, up to an hour.
const MS: Number = Number { least: 0, most: 3_600_000, otherwise: None };
/// Seconds, up to about thirty years.
const CLOCK: Number = Number { least: -1_000_000_000, most: 1_000_000_000, otherwise: None };
/// Bytes a second.
const BYTES: Number = Number { least: 1, most: 1_000_000_000, otherwise: Some(4096) };

impl Number {
    const fn or(self, otherwise: i64) -> Self {
        Self { otherwise: Some(otherwise), ..self }
    }
}

const fn word(word: &'static str, takes: &'static str, about: &'static str, shape: Shape) -> Word {
    Word { word, takes, about, shape }
}

/// None is below zero.
fn ms(by: i64) -> Duration {
    Duration::from_millis(u64::try_from(by).unwrap_or(0))
}

fn usize(count: i64) -> usize {
    count.try_into().unwrap_or(0)
}

const fn any(_: Target) -> bool {
    true
}

const fn is_node(target: Target) -> bool {
    matches!(target, Target::Node(_))
}

const fn is_replica(target: Target) -> bool {
    matches!(target, Target::Replica(_))
}

const fn is_postgres(target: Target) -> bool {
    matches!(target, Target::Postgres)
}

const fn is_server(target: Target) -> bool {
    matches!(target, Target::Node(_) | Target::Postgres)
}

const fn has_clock(target: Target) -> bool {
    matches!(target, Target::Node(_) | Target::Replica(_))
}
