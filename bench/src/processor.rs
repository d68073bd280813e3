//! Processor time of other processes, by their clocks: the process table counts in ticks of ten milliseconds,
//! which is more than some take in a round.

use std::time::Duration;

/// Of these processes; nothing where there is none to ask, which is where there is no Linux.
pub(crate) fn of(pids: impl IntoIterator<Item = u32>) -> Option<Duration> {
    pids.into_iter().map(own).sum()
}

/// Of a process and its children, also those that have ended: a server with a process for each connection.
/// One that ended since its number was looked up is counted by its parent, in ticks.
pub(crate) fn of_family(pids: &[u32]) -> Option<Duration> {
    let (parent, children) = pids.split_first()?;
    let alive: Duration = children.iter().filter_map(|&child| own(child)).sum();
    Some(alive + own(*parent)? + ended_children(*parent)?)
}

/// With all of its threads, those that have ended too.
#[cfg(target_os = "linux")]
fn own(pid: u32) -> Option<Duration> {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).ok()?);
    let clock = nix::time::clock_getcpuclockid(pid).ok()?;
    Some(clock.now().ok()?.into())
}

#[cfg(target_os = "linux")]
fn ended_children(pid: u32) -> Option<Duration> {
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok()??;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse(&stat, u32::try_from(per_second).ok()?)
}

#[cfg(not(target_os = "linux"))]
fn own(_pid: u32) -> Option<Duration> {
    None
}

#[cfg(not(target_os = "linux"))]
fn ended_children(_pid: u32) -> Option<Duration> {
    None
}

/// The name comes second, in brackets, and may have anything in it; the state follows.
#[cfg(target_os = "linux")]
fn parse(stat: &str, per_second: u32) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut ticks = rest.split_whitespace().skip(13).map(str::parse::<u64>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some(Duration::from_secs(user + system) / per_second)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn times_stand_behind_a_name_that_may_have_brackets() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4 1 2 3 4 150 50 200 100 20 0 9 0 1 2 3";
        assert_eq!(parse(stat, 100), Some(Duration::from_secs(3)));
        assert_eq!(parse("7 (a) S 1", 100), None);
    }

    #[test]
    fn our_own_time_can_be_read_in_less_than_ticks() {
        let before = of([std::process::id()]).unwrap();
        let mut sum = 0_u64;
        while of([std::process::id()]).unwrap() == before {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(of_family(&[std::process::id(), 0]).unwrap() >= before);
    }
}
