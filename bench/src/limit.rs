//! The limit: what the servers' own cost of the scripts allows.
//!
//! A blocking client with the least work of its own. Every byte it sends is encoded before the
//! round; one write per node carries a whole step of all tasks, and replies are only cut apart and
//! compared. Nobody who must decide between the steps can be faster on the same servers.

mod resp;

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use leasehold_stack::LeaseNode;
use redis::{IntoConnectionInfo as _, Script};

use crate::{
    lease::Round,
    servers::TTL,
    stats::{float, histogram, micros},
};

/// A node that is silent for so long has failed.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// A read takes what has come, up to this. A step of 64 tasks answers with 256 bytes.
const READ_BYTES: usize = 64 * 1024;

/// A script, how to call it for one task, and which reply is a yes.
pub(crate) struct Call {
    pub(crate) source: &'static str,
    /// Keys and arguments of the call for the task of this number.
    pub(crate) arguments: fn(usize) -> (Vec<String>, Vec<String>),
    pub(crate) is_yes: fn(&[u8]) -> bool,
}

/// What one lease costs: these calls in turn, each on all nodes. Kept close to what ours sends.
const LEASE: [Call; 2] = [
    Call { source: include_str!("limit/grant.lua"), arguments: grant, is_yes: is_one },
    Call { source: include_str!("limit/release.lua"), arguments: release, is_yes: is_one },
];

fn grant(task: usize) -> (Vec<String>, Vec<String>) {
    let holder = holder(task);
    let (ttl, number) = (TTL.as_millis().to_string(), 1_800_000_000_000_000_u64);
    let keys = [lease_key(task), fence_key(task), "bench/limit:member".to_owned()];
    let args = [holder.clone(), ttl.clone(), format!("{number}:{holder}"), ttl];
    (keys.into(), args.into())
}

fn release(task: usize) -> (Vec<String>, Vec<String>) {
    (vec![lease_key(task), fence_key(task)], vec![holder(task)])
}

fn lease_key(task: usize) -> String {
    format!("bench/limit/{task}")
}

fn fence_key(task: usize) -> String {
    format!("bench/limit/{task}:fence")
}

/// As long as a real one. It stays the same: to draw a new one is work of a client.
fn holder(task: usize) -> String {
    format!("{task:032x}")
}

fn is_one(reply: &[u8]) -> bool {
    reply == b":1\r\n"
}

/// The nodes, and what a raw connection to them needs.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    nodes: Vec<(SocketAddr, Option<Vec<String>>)>,
}

impl Limit {
    pub(crate) fn new(nodes: &[LeaseNode]) -> anyhow::Result<Self> {
        let nodes = nodes.iter().map(|node| {
            let info = node.url().into_connection_info()?;
            let settings = info.redis_settings();
            let auth = settings.password().map(|password| {
                let user = settings.username().map(str::to_owned);
                ["AUTH".to_owned()].into_iter().chain(user).chain([password.to_owned()]).collect()
            });
            anyhow::Ok((node.address(), auth))
        });
        Ok(Self { nodes: nodes.collect::<anyhow::Result<_>>()? })
    }

    /// All tasks in lockstep, until `span` is over. Blocks.
    pub(crate) fn round(&self, tasks: usize, span: Duration) -> anyhow::Result<Round> {
        let mut wires = self.nodes.iter().map(Wire::open).collect::<anyhow::Result<Vec<_>>>()?;
        let mut steps = Vec::new();
        for call in &LEASE {
            let script = Script::new(call.source);
            for wire in &mut wires {
                wire.send(&resp::encode(&["SCRIPT", "LOAD", call.source]))?;
                wire.receive(1, |_| true)?;
            }
            let batch: Vec<u8> =
                (0..tasks).flat_map(|task| evalsha(script.get_hash(), call, task)).collect();
            steps.push((batch, call.is_yes));
        }
        let (begun, mut times) = (Instant::now(), histogram()?);
        while begun.elapsed() < span {
            let lease = Instant::now();
            for (batch, is_yes) in &steps {
                for wire in &mut wires {
                    wire.send(batch)?;
                }
                for wire in &mut wires {
                    wire.receive(tasks, is_yes)?;
                }
            }
            times.saturating_record_n(micros(lease.elapsed()), u64::try_from(tasks)?);
        }
        Ok(Round { rate: float(times.len()) / begun.elapsed().as_secs_f64(), times })
    }
}

fn evalsha(hash: &str, call: &Call, task: usize) -> Vec<u8> {
    let (keys, args) = (call.arguments)(task);
    let count = keys.len().to_string();
    let words = ["EVALSHA", hash, &count].into_iter();
    let words = words.chain(keys.iter().chain(&args).map(String::as_str));
    resp::encode(&words.collect::<Vec<_>>())
}

/// A connection without a client library.
struct Wire {
    stream: TcpStream,
    /// What has come and is not used up yet.
    come: Vec<u8>,
    buffer: Vec<u8>,
}

impl Wire {
    fn open((address, auth): &(SocketAddr, Option<Vec<String>>)) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(address, SILENCE_MAX)
            .with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        let mut wire = Self { stream, come: Vec::new(), buffer: vec![0; READ_BYTES] };
        if let Some(auth) = auth {
            wire.send(&resp::encode(&auth.iter().map(String::as_str).collect::<Vec<_>>()))?;
            wire.receive(1, |_| true)?;
        }
        Ok(wire)
    }

    fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Waits for so many replies. Each must be a yes: a refusal costs a server less, so a round with
    /// refusals in it would be no limit.
    fn receive(&mut self, replies: usize, is_yes: impl Fn(&[u8]) -> bool) -> anyhow::Result<()> {
        let (mut seen, mut at) = (0, 0);
        loop {
            while let Some(reply) = resp::first_reply(&self.come[at..]) {
                let no = || format!("a node said {}", String::from_utf8_lossy(reply).trim_end());
                ensure!(reply[0] != b'-' && is_yes(reply), no());
                at += reply.len();
                seen += 1;
            }
            if seen >= replies {
                ensure!(seen == replies && at == self.come.len(), "more replies than questions");
                self.come.clear();
                return Ok(());
            }
            let read = self.stream.read(&mut self.buffer)?;
            ensure!(read > 0, "a node closed the connection");
            self.come.extend_from_slice(&self.buffer[..read]);
        }
    }
}
