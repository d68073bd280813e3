//! Processor time of other processes, from the process table.

use std::time::Duration;

/// Of these processes; nothing where the table cannot be read, which is where there is no Linux.
pub(crate) fn of(pids: impl IntoIterator<Item = u32>) -> Option<Duration> {
    pids.into_iter().map(|pid| Some(read(pid)?.own)).sum()
}

/// Of a process and its children, also those that have ended: a server with a process for each connection.
/// One that ended since its number was looked up is counted by its parent.
pub(crate) fn of_family(pids: &[u32]) -> Option<Duration> {
    let (parent, children) = pids.split_first()?;
    let alive: Duration = children.iter().filter_map(|&child| Some(read(child)?.own)).sum();
    let parent = read(*parent)?;
    Some(alive + parent.own + parent.ended_children)
}

struct Times {
    own: Duration,
    ended_children: Duration,
}

#[cfg(target_os = "linux")]
fn read(pid: u32) -> Option<Times> {
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok()??;
    parse(
        &std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?,
        u32::try_from(per_second).ok()?,
    )
}

#[cfg(not(target_os = "linux"))]
fn read(_pid: u32) -> Option<Times> {
    None
}

/// The name comes second, in brackets, and may have anything in it; the state follows.
#[cfg(target_os = "linux")]
fn parse(stat: &str, per_second: u32) -> Option<Times> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut ticks = rest.split_whitespace().skip(11).map(str::parse::<u64>);
    let mut next = || Some(Duration::from_secs(ticks.next()?.ok()?) / per_second);
    let (user, system, children_user, children_system) = (next()?, next()?, next()?, next()?);
    Some(Times { own: user + system, ended_children: children_user + children_system })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn times_stand_behind_a_name_that_may_have_brackets() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4 1 2 3 4 150 50 200 100 20 0 9 0 1 2 3";
        let times = parse(stat, 100).unwrap();
        assert_eq!((times.own.as_millis(), times.ended_children.as_millis()), (2000, 3000));
    }

    #[test]
    fn our_own_time_can_be_read() {
        assert!(of([std::process::id()]).is_some());
        assert!(of_family(&[std::process::id(), 0]).is_some());
    }
}
