//! What can be done to a running stack by hand, as lines of text.

use leasehold_stack::Link;

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
    Flush,
}

/// One of the stack's processes. Whether it exists is for the stack to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// By its index.
    Node(usize),
    Postgres,
    /// By its index: `replica-1` is the first.
    Replica(usize),
    Sidecar,
    Balancer,
}

/// A line's first word.
pub(super) struct Word {
    pub(super) word: &'static str,
    /// What stands behind it.
    pub(super) takes: &'static str,
    pub(super) about: &'static str,
    verb: Shape,
}

/// What is made of what stands behind a word.
enum Shape {
    Alone(Verb),
    On(Deed),
    Between(Link),
}

/// Stands for one of [`PROCESSES`].
const ANY: &str = "PROCESS";
/// What can be named.
pub(super) const PROCESSES: &str = "node-0 | postgres | replica-1 | sidecar | balancer";
const BETWEEN: &str = "replica-1 [node-2 | postgres]";

/// Every word: a new verb is a line here, and one where it is done.
pub(super) const WORDS: &[Word] = &[
    word("pause", ANY, "stop it where it stands (SIGSTOP)", Shape::On(Deed::Pause)),
    word("resume", ANY, "let it go on", Shape::On(Deed::Resume)),
    word("kill", ANY, "end it (SIGKILL)", Shape::On(Deed::Kill)),
    word("restart", ANY, "start it again, with what it kept", Shape::On(Deed::Restart)),
    word("flush", "node-0", "make it forget everything", Shape::On(Deed::Flush)),
    word("cut", BETWEEN, "reset connections, refuse new ones", Shape::Between(Link::Cut)),
    word(
        "silence",
        BETWEEN,
        "half-open: nothing passes, all is delivered late",
        Shape::Between(Link::Silent),
    ),
    word("no-replies", BETWEEN, "requests pass, replies are held", Shape::Between(Link::NoReplies)),
    word(
        "no-requests",
        BETWEEN,
        "replies pass, requests are held",
        Shape::Between(Link::NoRequests),
    ),
    word("heal", "", "open all links", Shape::Alone(Verb::Heal)),
    word("status", "", "what runs, and which links are not open", Shape::Alone(Verb::Status)),
    word("help", "", "this list", Shape::Alone(Verb::Help)),
    word("quit", "", "end everything", Shape::Alone(Verb::Quit)),
];

const fn word(word: &'static str, takes: &'static str, about: &'static str, verb: Shape) -> Word {
    Word { word, takes, about, verb }
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
    let wanted = || match known.takes {
        "" => format!("{first} takes nothing"),
        ANY => format!("{first} takes {PROCESSES}"),
        takes => format!("{first} takes {takes}"),
    };
    Ok(Some(match (&known.verb, rest.as_slice()) {
        (Shape::Alone(verb), []) => *verb,
        (Shape::On(deed), [target]) => Verb::Do(*deed, parse_target(target)?),
        (Shape::Between(link), [replica, server @ ..]) if server.len() <= 1 => {
            let Target::Replica(replica) = parse_target(replica)? else { return Err(wanted()) };
            let server = server.first().map(|server| parse_target(server)).transpose()?;
            if !matches!(server, None | Some(Target::Node(_) | Target::Postgres)) {
                return Err(
                    "replicas have links to node-0 | postgres, and to nobody else".to_owned()
                );
            }
            Verb::Link { replica, server, link: *link }
        }
        _ => return Err(wanted()),
    }))
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

    #[test]
    fn lines_are_verbs() {
        let link = |replica, server, link| Verb::Link { replica, server, link };
        for (line, verb) in [
            ("pause node-1", Verb::Do(Deed::Pause, Target::Node(1))),
            ("  resume\tpostgres ", Verb::Do(Deed::Resume, Target::Postgres)),
            ("kill replica-2", Verb::Do(Deed::Kill, Target::Replica(1))),
            ("restart sidecar", Verb::Do(Deed::Restart, Target::Sidecar)),
            ("pause balancer", Verb::Do(Deed::Pause, Target::Balancer)),
            ("restart postgres", Verb::Do(Deed::Restart, Target::Postgres)),
            ("flush node-0", Verb::Do(Deed::Flush, Target::Node(0))),
            ("cut replica-1 node-2", link(0, Some(Target::Node(2)), Link::Cut)),
            ("cut replica-1", link(0, None, Link::Cut)),
            ("no-replies replica-3 postgres", link(2, Some(Target::Postgres), Link::NoReplies)),
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
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(said), "{line}: {error}");
        }
    }
}
