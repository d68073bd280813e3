//! What the nodes were asked to do, from the difference of two `INFO commandstats`.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use redis::aio::MultiplexedConnection;

use crate::stats::float;

/// What only a client can send: the script calls themselves, and what concerns a connection. A
/// trailing `|` stands for all subcommands.
const NEVER_IN_SCRIPTS: &[&str] = &[
    "eval",
    "evalsha",
    "eval_ro",
    "evalsha_ro",
    "fcall",
    "fcall_ro",
    "script|",
    "function|",
    "auth",
    "hello",
    "client|",
    "ping",
    "select",
    "subscribe",
    "ssubscribe",
    "psubscribe",
    "unsubscribe",
    "sunsubscribe",
    "punsubscribe",
    "blpop",
    "brpop",
    "multi",
    "exec",
];

/// Calls by command, over all nodes. Servers count a call inside of a script like any other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Calls(BTreeMap<String, u64>);

impl Calls {
    /// All calls so far. Asking is not counted.
    pub(crate) async fn so_far(nodes: &[MultiplexedConnection]) -> anyhow::Result<Self> {
        let answers = nodes.iter().cloned().map(|mut node| async move {
            redis::cmd("INFO").arg("commandstats").query_async::<String>(&mut node).await
        });
        let mut calls = Self::default();
        for answer in try_join_all(answers).await? {
            for (command, count) in answer.lines().filter_map(line) {
                *calls.0.entry(command.to_owned()).or_default() += count;
            }
        }
        Ok(calls)
    }

    /// Adds what was called between two counts.
    pub(crate) fn add_difference(&mut self, before: &Self, after: &Self) {
        for (command, count) in &after.0 {
            let more = count.saturating_sub(before.0.get(command).copied().unwrap_or_default());
            if more > 0 {
                *self.0.entry(command.clone()).or_default() += more;
            }
        }
    }

    /// All calls, those inside of scripts too.
    pub(crate) fn all(&self) -> u64 {
        self.0.values().sum()
    }

    /// Calls that a client sent. The servers do not tell these apart, so it takes to be told which
    /// commands that scripts could call too are sent `plain` by this client.
    pub(crate) fn sent(&self, plain: &[&str]) -> u64 {
        let is_sent = |command: &str| {
            plain.contains(&command)
                || NEVER_IN_SCRIPTS.iter().any(|never| match never.strip_suffix('|') {
                    Some(group) => command.split('|').next() == Some(group),
                    None => command == *never,
                })
        };
        self.0.iter().filter(|(command, _)| is_sent(command)).map(|(_, count)| count).sum()
    }

    /// Script calls.
    pub(crate) fn script_calls(&self) -> u64 {
        let scripts = ["eval", "evalsha", "fcall"];
        scripts.iter().filter_map(|command| self.0.get(*command)).sum()
    }

    /// Each command's calls divided by `per`, the most frequent first; strays are left out.
    pub(crate) fn breakdown(&self, per: f64) -> String {
        let mut calls: Vec<_> =
            self.0.iter().map(|(command, &count)| (command, float(count) / per)).collect();
        calls.sort_by(|one, two| two.1.total_cmp(&one.1));
        let shown = calls.iter().filter(|(_, count)| *count >= 0.005);
        shown.map(|(command, count)| format!("{command} {count:.2}")).collect::<Vec<_>>().join(", ")
    }
}

/// A command and its calls, from a line such as `cmdstat_get:calls=12,usec=34,...`.
fn line(line: &str) -> Option<(&str, u64)> {
    let (command, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
    let calls = rest.split(',').next()?.parse().ok()?;
    (command != "info").then_some((command, calls))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(of: &[(&str, u64)]) -> Calls {
        Calls(of.iter().map(|&(command, count)| (command.to_owned(), count)).collect())
    }

    #[test]
    fn lines_are_read_and_asking_is_not_counted() {
        assert_eq!(line("cmdstat_get:calls=12,usec=34,usec_per_call=2.83"), Some(("get", 12)));
        assert_eq!(line("cmdstat_script|load:calls=1,usec=3"), Some(("script|load", 1)));
        assert_eq!(line("cmdstat_info:calls=1,usec=3"), None);
        assert_eq!(line("# Commandstats"), None);
    }

    #[test]
    fn what_is_sent_is_told_from_what_scripts_call() {
        let calls = calls(&[("evalsha", 10), ("set", 10), ("get", 20), ("script|load", 1)]);
        assert_eq!((calls.sent(&[]), calls.sent(&["set"]), calls.all()), (11, 21, 41));
        assert_eq!(calls.breakdown(10.0), "get 2.00, evalsha 1.00, set 1.00, script|load 0.10");
    }

    #[test]
    fn differences_add_up() {
        let mut sum = calls(&[("get", 1)]);
        sum.add_difference(&calls(&[("get", 5)]), &calls(&[("get", 7), ("set", 2)]));
        assert_eq!((sum.all(), sum.0["get"]), (5, 3));
    }
}
