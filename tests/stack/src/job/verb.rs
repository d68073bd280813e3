//! What can be done to a running stack by hand, as lines of text.

mod words;

use std::time::Duration;

use leasehold_stack::Link;

pub(super) use self::words::{LINK, PARTINGS, PROCESSES, WORDS, Word};
use self::words::{Number, Shape};

/// What a line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// Something is done to one process.
    Do(Deed, Target),
    /// The links of a replica to one server, or to all, become this.
    Link {
        replica: usize,
        server: Option<Target>,
        link: Link,
    },
    /// The kernel loses packets between a replica and all servers.
    Part(usize, Parting),
    Heal,
    Status,
    Help,
    Quit,
}

/// What is done to a process. Whether it can be is for the process to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Pause,
    Resume,
    Kill,
    Restart,
    Drain,
    Flush,
    ForgetScripts,
    FillMemory,
    FreeMemory,
    FillDisk,
    FreeDisk,
    /// By so much.
    SlowSync(Duration),
    FastSync,
    /// So many seconds ahead; 0 is right.
    Clock(i64),
    /// To so many.
    LimitConnections(usize),
    TakeConnections,
    FreeConnections,
}

/// Which packets are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parting {
    Whole,
    OneWay,
    Rejected,
    Lossy,
}

/// One of the stack's processes. Whether it exists is for the stack to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// By its index.
    Node(usize),
    Postgres,
    /// By its index: `replica-1` is the first.
    Replica(usize),
    Sidecar,
    Balancer,
}

/// Reads a line; `None` when nothing is on it.
///
/// # Errors
/// What is wrong with it, for the person who wrote it.
pub(super) fn parse(line: &str) -> Result<Option<Verb>, String> {
    let mut parts = line.split_whitespace();
    let Some(first) = parts.next() else { return Ok(None) };
    let rest: Vec<&str> = parts.collect();
    let known = WORDS.iter().find(|known| known.word == first);
    let known = known.ok_or_else(|| format!("{first:?} is not known; \"help\" lists what is"))?;
    let wanted = || known.wanted();
    Ok(Some(match (&known.shape, rest.as_slice()) {
        (Shape::Alone(verb), []) => *verb,
        (Shape::On(whom, deed), [target]) => {
            Verb::Do(*deed, parse_target(target)?.only(*whom).ok_or_else(wanted)?)
        }
        (Shape::OnBy(whom, number, deed), [target, given @ ..]) if given.len() <= 1 => {
            let target = parse_target(target)?.only(*whom).ok_or_else(wanted)?;
            let number = number.of(given.first().copied())?.ok_or_else(wanted)?;
            Verb::Do(deed(number), target)
        }
        (Shape::Between(link), [replica, server @ ..]) if server.len() <= 1 => {
            between(replica, server.first().copied(), *link)?.ok_or_else(wanted)?
        }
        (Shape::BetweenBy(number, link), [replica, rest @ ..]) if rest.len() <= 2 => {
            let (server, given) = match rest {
                [] => (None, None),
                [one] if is_number(one) => (None, Some(*one)),
                [server] => (Some(*server), None),
                [server, given, ..] => (Some(*server), Some(*given)),
            };
            let number = number.of(given)?.ok_or_else(wanted)?;
            between(replica, server, link(number))?.ok_or_else(wanted)?
        }
        (Shape::Part, [replica, how @ ..]) if how.len() <= 1 => {
            let Target::Replica(replica) = parse_target(replica)? else { return Err(wanted()) };
            let how = how.first().copied().unwrap_or("whole");
            let known = PARTINGS.iter().find(|(name, _)| *name == how);
            Verb::Part(replica, known.ok_or_else(wanted)?.1)
        }
        _ => return Err(wanted()),
    }))
}

/// `None` when whose links these are is no replica.
fn between(replica: &str, server: Option<&str>, link: Link) -> Result<Option<Verb>, String> {
    let Target::Replica(replica) = parse_target(replica)? else { return Ok(None) };
    let server = server.map(parse_target).transpose()?;
    if !matches!(server, None | Some(Target::Node(_) | Target::Postgres)) {
        return Err("replicas have links to node-0 | postgres, and to nobody else".to_owned());
    }
    Ok(Some(Verb::Link { replica, server, link }))
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok()
}

impl Target {
    /// Itself if it is one of those.
    fn only(self, whom: fn(Self) -> bool) -> Option<Self> {
        whom(self).then_some(self)
    }
}

impl Number {
    /// What is given, or what is meant when nothing is; `None` when something must be.
    fn of(&self, given: Option<&str>) -> Result<Option<i64>, String> {
        let Some(given) = given else { return Ok(self.otherwise) };
        let Self { least, most, .. } = self;
        match given.parse() {
            Ok(number) if (*least..=*most).contains(&number) => Ok(Some(number)),
            _ => Err(format!("{given:?} is not a whole number from {least} to {most}")),
        }
    }
}

fn parse_target(name: &str) -> Result<Target, String> {
    let unknown = || format!("{name:?} is none of {PROCESSES}");
    match name {
        "postgres" => return Ok(Target::Postgres),
        "sidecar" => return Ok(Target::Sidecar),
        "balancer" => return Ok(Target::Balancer),
        _ => {}
    }
    let (kind, number) = name.rsplit_once('-').ok_or_else(unknown)?;
    let number: usize = number.parse().map_err(|_| unknown())?;
    match kind {
        "node" => Ok(Target::Node(number)),
        "replica" => number.checked_sub(1).map(Target::Replica).ok_or_else(unknown),
        _ => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn lines_are_verbs() {
        let link = |replica, server, link| Verb::Link { replica, server, link };
        let node = |deed| Verb::Do(deed, Target::Node(0));
        let delayed = |from, to| Link::Delayed { from: ms(from), to: ms(to) };
        for (line, verb) in [
            ("pause node-1", Verb::Do(Deed::Pause, Target::Node(1))),
            ("  resume\tpostgres ", Verb::Do(Deed::Resume, Target::Postgres)),
            ("kill replica-2", Verb::Do(Deed::Kill, Target::Replica(1))),
            ("restart sidecar", Verb::Do(Deed::Restart, Target::Sidecar)),
            ("pause balancer", Verb::Do(Deed::Pause, Target::Balancer)),
            ("restart postgres", Verb::Do(Deed::Restart, Target::Postgres)),
            ("drain replica-1", Verb::Do(Deed::Drain, Target::Replica(0))),
            ("flush node-0", node(Deed::Flush)),
            ("forget-scripts node-0", node(Deed::ForgetScripts)),
            ("fill-memory node-0", node(Deed::FillMemory)),
            ("free-memory node-0", node(Deed::FreeMemory)),
            ("fill-disk node-0", node(Deed::FillDisk)),
            ("free-disk postgres", Verb::Do(Deed::FreeDisk, Target::Postgres)),
            ("slow-sync postgres", Verb::Do(Deed::SlowSync(ms(100)), Target::Postgres)),
            ("slow-sync node-0 250", node(Deed::SlowSync(ms(250)))),
            ("fast-sync node-0", node(Deed::FastSync)),
            ("clock node-0 -3600", node(Deed::Clock(-3600))),
            ("clock replica-1 +5", Verb::Do(Deed::Clock(5), Target::Replica(0))),
            ("limit-connections node-0", node(Deed::LimitConnections(0))),
            ("limit-connections node-0 3", node(Deed::LimitConnections(3))),
            ("take-connections postgres", Verb::Do(Deed::TakeConnections, Target::Postgres)),
            ("free-connections node-0", node(Deed::FreeConnections)),
            ("cut replica-1 node-2", link(0, Some(Target::Node(2)), Link::Cut)),
            ("cut replica-1", link(0, None, Link::Cut)),
            ("no-replies replica-3 postgres", link(2, Some(Target::Postgres), Link::NoReplies)),
            ("delay replica-1", link(0, None, delayed(200, 200))),
            ("delay replica-1 50", link(0, None, delayed(50, 50))),
            ("reorder replica-1 node-2 50", link(0, Some(Target::Node(2)), delayed(0, 50))),
            (
                "slow replica-1 postgres",
                link(0, Some(Target::Postgres), Link::Slow { bytes_per_second: 4096 }),
            ),
            ("slow replica-1 9", link(0, None, Link::Slow { bytes_per_second: 9 })),
            ("twice replica-1", link(0, None, Link::Twice { after: ms(200) })),
            ("part replica-2", Verb::Part(1, Parting::Whole)),
            ("part replica-1 lossy", Verb::Part(0, Parting::Lossy)),
            ("heal", Verb::Heal),
            ("quit", Verb::Quit),
        ] {
            assert_eq!(parse(line), Ok(Some(verb)), "{line}");
        }
        assert_eq!(parse(" \t"), Ok(None));
    }

    #[test]
    fn what_cannot_be_read_says_what_could() {
        for (line, said) in [
            ("explode", "\"help\""),
            ("pause", "pause takes node-0"),
            ("pause node-1 node-2", "pause takes"),
            ("pause 1", "\"1\" is none of"),
            ("kill replica-0", "\"replica-0\" is none of"),
            ("kill node--1", "is none of"),
            ("kill node-99999999999999999999", "is none of"),
            ("cut node-1 node-2", "cut takes replica-1"),
            ("cut replica-1 replica-2", "nobody else"),
            ("cut replica-1 sidecar", "nobody else"),
            ("cut sidecar", "cut takes replica-1"),
            ("kill balancer-1", "is none of"),
            ("heal node-1", "heal takes nothing"),
            ("Status", "\"Status\" is not known"),
            ("drain node-0", "drain takes replica-1"),
            ("flush postgres", "flush takes node-0"),
            ("fill-disk sidecar", "fill-disk takes node-0 | postgres"),
            ("clock postgres 5", "clock takes node-0 | replica-1"),
            ("clock node-0", "clock takes node-0 | replica-1 SECONDS"),
            ("clock node-0 1.5", "\"1.5\" is not a whole number from -"),
            ("clock node-0 9999999999999", "is not a whole number"),
            ("slow-sync node-0 0", "is not a whole number from 1 to"),
            ("limit-connections node-0 -1", "is not a whole number from 0 to"),
            ("limit-connections postgres", "limit-connections takes node-0"),
            ("delay replica-1 node-2 soon", "\"soon\" is not a whole number"),
            ("delay replica-1 soon", "\"soon\" is none of"),
            ("delay replica-1 -5", "is not a whole number from 0 to"),
            ("slow replica-1 0", "is not a whole number from 1 to"),
            ("twice node-0", "twice takes replica-1 [node-2 | postgres] [MS]"),
            ("delay replica-1 node-2 5 6", "delay takes replica-1"),
            ("part node-0", "part takes replica-1"),
            ("part replica-1 sideways", "whole | one-way | rejected | lossy"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(said), "{line}: {error}");
        }
    }
}
