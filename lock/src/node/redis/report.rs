//! What a server says of its settings, as far as leases depend on them.

use std::sync::Arc;

/// What a server says of its settings, as far as leases depend on them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerReport {
    /// Where it is, without user or password.
    pub address: Arc<str>,
    /// Its version, in Redis' counting.
    pub version: String,
    /// The id of its process' run.
    pub run_id: String,
    /// Whether it copies another server.
    pub is_replica: bool,
    /// How many servers copy it.
    pub replicas: u32,
    /// What it does when its memory is full; `noeviction` keeps every fence.
    pub eviction: String,
    /// Whether it may run out of memory at a set limit at all.
    pub has_memory_limit: bool,
    /// How it writes its append-only file: `always`, `everysec`, `no`, `off` without one, or
    /// `unknown` when this user may not ask.
    pub append_only: String,
    /// What its clock said as it answered, in milliseconds since 1970; `None` when it does not say.
    /// Not among the [`warnings`](Self::warnings): nothing here reads a clock to compare it with.
    pub clock_ms: Option<i64>,
}

/// Something that works, but not as well as it could. Its text says what to set instead.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// An even number of nodes tolerates no more failures than one node less.
    EvenNodes(usize),
    /// The server may throw fences away when its memory is full.
    Evicts {
        /// Which server.
        address: Arc<str>,
        /// Its `maxmemory-policy`.
        policy: String,
    },
    /// What the server acknowledged may be lost when it is killed or its machine fails.
    NotDurable {
        /// Which server.
        address: Arc<str>,
        /// How it writes its append-only file.
        append_only: String,
    },
    /// The server copies another one, or is copied: after a failover leases may be missing.
    Replicated {
        /// Which server.
        address: Arc<str>,
    },
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::EvenNodes(nodes) => write!(
                f,
                "{nodes} nodes tolerate no more failures than {}; use an odd number",
                nodes - 1
            ),
            Self::Evicts { address, policy } => write!(
                f,
                "node {address} has maxmemory-policy {policy} and may drop fences when its memory \
                 is full; set noeviction"
            ),
            Self::NotDurable { address, append_only } => write!(
                f,
                "node {address} has appendfsync {append_only} and may forget leases when it ends; \
                 it will then stay out of the vote for a while. Set appendonly yes and appendfsync \
                 always"
            ),
            Self::Replicated { address } => write!(
                f,
                "node {address} is replicated; a failover loses leases, and the new master stays \
                 out of the vote for a while. Use independent servers"
            ),
        }
    }
}

impl ServerReport {
    /// Reads the answers to `INFO` and `CONFIG GET appendfsync`; what is missing stays empty.
    pub(super) fn read(address: Arc<str>, about: &str, appendfsync: Option<String>) -> Self {
        let value = |name: &str| {
            let mut lines = about.lines();
            lines.find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':')).unwrap_or("")
        };
        let append_only = match (value("aof_enabled"), appendfsync) {
            ("0", _) => "off".to_owned(),
            (_, Some(policy)) => policy,
            (_, None) => "unknown".to_owned(),
        };
        Self {
            address,
            version: value("redis_version").to_owned(),
            run_id: value("run_id").to_owned(),
            is_replica: value("role") == "slave",
            replicas: value("connected_slaves").parse().unwrap_or_default(),
            eviction: value("maxmemory_policy").to_owned(),
            has_memory_limit: !matches!(value("maxmemory"), "0" | ""),
            append_only,
            clock_ms: value("server_time_usec").parse::<i64>().ok().map(|us| us / 1000),
        }
    }

    /// What should be set otherwise.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let address = || Arc::clone(&self.address);
        let mut warnings = Vec::new();
        // The volatile policies too: fences have an expiry.
        if self.has_memory_limit && self.eviction != "noeviction" {
            warnings.push(Warning::Evicts { address: address(), policy: self.eviction.clone() });
        }
        if self.append_only != "always" {
            let append_only = self.append_only.clone();
            warnings.push(Warning::NotDurable { address: address(), append_only });
        }
        if self.is_replica || self.replicas > 0 {
            warnings.push(Warning::Replicated { address: address() });
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_read_where_there_is_one() {
        let read = |about| ServerReport::read("a:1".into(), about, None).clock_ms;
        assert_eq!(read("server_time_usec:1795370645123456\r\n"), Some(1_795_370_645_123));
        assert_eq!([read(""), read("server_time_usec:soon\r\n")], [None, None]);
    }

    #[test]
    fn settings_that_lose_leases_are_warned_about() {
        let read = |about: &str, fsync: &str| {
            ServerReport::read("a:1".into(), about, Some(fsync.to_owned())).warnings().len()
        };
        let good = "role:master\r\nconnected_slaves:0\r\nmaxmemory:0\r\naof_enabled:1\r\n";
        assert_eq!(read(good, "always"), 0);
        assert_eq!(read(good, "everysec"), 1);
        let bad =
            "role:slave\r\nmaxmemory:100\r\nmaxmemory_policy:volatile-lru\r\naof_enabled:0\r\n";
        assert_eq!(read(bad, "always"), 3);
    }
}
