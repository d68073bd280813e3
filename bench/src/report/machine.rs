//! On what was measured: commit, machine, versions.

use std::{collections::BTreeMap, fs, num::NonZero, process::Command, thread};

use anyhow::Context as _;
use leasehold_stack::Stack;
use sqlx::{Connection as _, PgConnection};

use super::record::{Commit, Machine};

const UNKNOWN: &str = "unknown";

/// The commit of the sources that this program was made from, as they are now.
pub(super) fn commit() -> Commit {
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        let told = git.args(["-C", env!("CARGO_MANIFEST_DIR")]).args(args).output().ok()?;
        let is_told = told.status.success();
        is_told.then(|| String::from_utf8_lossy(&told.stdout).trim().to_owned())
    };
    Commit {
        id: git(&["rev-parse", "HEAD"]).unwrap_or_else(|| UNKNOWN.to_owned()),
        dirty: git(&["status", "--porcelain"]).is_none_or(|changed| !changed.is_empty()),
    }
}

/// As much as the kernel tells; `unknown` and zero for the rest.
pub(super) fn machine() -> Machine {
    let first = |path: &str, key: &str| {
        let text = fs::read_to_string(path).ok()?;
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.split_once(':'));
        value.map(|(_, value)| value.trim().to_owned())
    };
    let memory = first("/proc/meminfo", "MemTotal")
        .and_then(|kib| kib.strip_suffix(" kB")?.parse::<u64>().ok());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease");
    Machine {
        cpu: first("/proc/cpuinfo", "model name").unwrap_or_else(|| UNKNOWN.to_owned()),
        cores: thread::available_parallelism().map_or(0, NonZero::get),
        memory_mib: memory.unwrap_or_default() / 1024,
        kernel: kernel.map_or_else(|_| std::env::consts::OS.to_owned(), |of| of.trim().to_owned()),
    }
}

/// What this program was compiled with.
pub(super) fn compiler() -> (String, String) {
    ("rustc".to_owned(), env!("LEASEHOLD_RUSTC").to_owned())
}

/// What the servers say of themselves.
pub(super) async fn servers(stack: &Stack) -> anyhow::Result<BTreeMap<String, String>> {
    let mut versions = BTreeMap::new();
    if let Some(node) = stack.nodes.first() {
        let mut node = node.connection().await?;
        let about: String = redis::cmd("INFO").arg("server").query_async(&mut node).await?;
        let (name, version) = lease_server(&about).context("a node does not say its version")?;
        versions.insert(name.to_owned(), version.to_owned());
    }
    if let Some(postgres) = &stack.postgres {
        let mut connection = PgConnection::connect(postgres.url()).await?;
        let version = sqlx::query_scalar("show server_version").fetch_one(&mut connection).await?;
        versions.insert("postgres".to_owned(), version);
        connection.close().await?;
    }
    Ok(versions)
}

/// Valkey names a version of Redis too: the one that it is compatible with.
fn lease_server(about: &str) -> Option<(&'static str, &str)> {
    let value = |key: &str| about.lines().find_map(|line| line.trim().strip_prefix(key));
    value("valkey_version:")
        .map(|version| ("valkey", version))
        .or_else(|| Some(("redis", value("redis_version:")?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valkey_is_not_taken_for_redis() {
        let valkey = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.0.1\r\n";
        assert_eq!(lease_server(valkey), Some(("valkey", "9.0.1")));
        assert_eq!(lease_server("redis_version:8.0.2\r\n"), Some(("redis", "8.0.2")));
        assert_eq!(lease_server(""), None);
    }
}
