//! What the kernel says of a process: its memory and its processor time.

use std::{fs, time::Duration};

use anyhow::Context as _;

/// In what `/proc` counts processor time, on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// Memory that is there for a process now, in bytes.
pub(super) fn memory(pid: u32) -> anyhow::Result<u64> {
    let status = read(pid, "status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kib.context("no VmRSS")? * 1024)
}

/// Processor time that a process has had so far, with all of its threads.
pub(super) fn processor(pid: u32) -> anyhow::Result<Duration> {
    let stat = read(pid, "stat")?;
    ticks(&stat).map(|ticks| TICK * ticks).context("no times in stat")
}

fn read(pid: u32, file: &str) -> anyhow::Result<String> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).with_context(|| format!("{path} cannot be read: this needs Linux"))
}

/// User and system time are the 14th and 15th field; the second is a name, which may hold spaces and brackets.
fn ticks(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut times = rest.split_whitespace().skip(11).map(str::parse::<u32>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
}

#[cfg(test)]
mod tests {
    use super::ticks;

    #[test]
    fn times_are_found_whatever_the_program_is_called() {
        let stat = "77 (a) b) S 1 77 77 0 -1 4194560 1 2 3 4 50 7 9 9 20 0 3 0 1 2";
        assert_eq!(ticks(stat), Some(57));
        assert_eq!(ticks("77 (a) S 1"), None);
    }
}
