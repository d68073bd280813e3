//! Memory of processes, from the process table.

/// What is there for it now, in bytes; nothing where there is no Linux.
pub(crate) fn now(pid: u32) -> Option<u64> {
    status(pid, "VmRSS:")
}

/// The most that it ever had.
pub(crate) fn most(pid: u32) -> Option<u64> {
    status(pid, "VmHWM:")
}

fn status(pid: u32, key: &str) -> Option<u64> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?, key)
}

fn parse(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_by_its_key() {
        let status = "Name:\tVmRSS\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(
            (parse(status, "VmRSS:"), parse(status, "VmHWM:")),
            (Some(1 << 20), Some(2 << 20))
        );
        assert_eq!(parse(status, "VmSwap:"), None);
    }
}
