//! Ports that no other program is likely to take, also while a server is down.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

use anyhow::bail;

/// How many ports to try. The range has thousands; this many busy ones means something is wrong.
const ATTEMPTS: usize = 200;
const LOWEST: u16 = 12_000;

/// A port of 127.0.0.1 that is free now and that this process was not given before.
///
/// Not from the range the kernel gives to outgoing connections, as binding to port 0 would: while
/// a node is down, a connection could get its port, and a client that keeps dialling a dead port
/// of that range may in the end reach itself.
///
/// # Errors
/// When all that were tried are taken.
pub fn free_port() -> anyhow::Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let highest = below_outgoing();
    for _ in 0..ATTEMPTS {
        let port = rand::random_range(LOWEST..highest);
        if !given.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            given.insert(port);
            return Ok(port);
        }
    }
    bail!("no free port among {ATTEMPTS} tried between {LOWEST} and {highest}")
}

/// The first port the kernel uses for outgoing connections, if that leaves enough below it.
fn below_outgoing() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first = range.split_whitespace().next().and_then(|first| first.parse().ok());
    // Without a word from the kernel: Linux usually begins at 32768, macOS at 49152.
    let first = first.unwrap_or(32_768);
    if first > LOWEST + 2_000 { first } else { u16::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice() {
        let ports: BTreeSet<u16> = (0..50).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 50);
    }
}
