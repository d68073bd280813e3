//! A network of its own for one replica, in which packets are lost: real partitions, where the machine allows it.
//!
//! ```text
//! replica ── eth0 ─(veth)─ our end ── proxies ── servers on loopback
//!        nft rules ▲
//! ```
//!
//! Servers stay as they are, on loopback: proxies at our end of the wire lead to them. What the kernel makes of
//! lost packets (retransmission, connections that nobody ends) happens between the replica and those.

use std::{
    fs::{self, File},
    io::Write as _,
    net::{IpAddr, Ipv4Addr},
    os::fd::OwnedFd,
    process::{Command, Stdio},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::{Context as _, ensure};

use crate::{Links, Proxy, Stack, is_alive};

/// Where `ip netns` keeps the names.
const NAMES: &str = "/run/netns";
/// What our names begin with; the process id follows.
const PREFIX: &str = "leasehold-";
/// Networks of four addresses in 198.18.0.0/15, which no route leads to: it is for tests of networks.
const NETWORKS: u32 = 1 << 15;

/// A network namespace with a wire to ours. Dropping it removes both.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    wire: String,
    ours: Ipv4Addr,
    inside: Entrance,
}

/// The way into a namespace, for whoever is started there.
#[derive(Clone, Debug)]
pub struct Entrance {
    pub(crate) file: Arc<OwnedFd>,
    pub(crate) address: Ipv4Addr,
}

impl Namespace {
    /// Makes one, and removes those that killed processes left behind.
    ///
    /// # Errors
    /// When the machine does not allow it: it takes Linux, root, and the programs `ip` and `nft`.
    pub fn create() -> anyhow::Result<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        static FIRST: OnceLock<u32> = OnceLock::new();
        remove_abandoned();
        let (pid, number) = (std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let (name, wire) = (format!("{PREFIX}{pid}-{number}"), format!("lh{pid}x{number}"));
        // One after the other from somewhere: no two of ours are the same, and those of others hardly ever.
        let from = FIRST.get_or_init(|| rand::random_range(0..NETWORKS));
        let first =
            u32::from(Ipv4Addr::new(198, 18, 0, 0)) + 4 * (from.wrapping_add(number) % NETWORKS);
        let (ours, theirs) = (Ipv4Addr::from(first + 1), Ipv4Addr::from(first + 2));
        ip(&["netns", "add", &name])?;
        let made = (|| {
            ip(&["link", "add", &wire, "type", "veth", "peer", "name", "eth0", "netns", &name])?;
            ip(&["address", "add", &format!("{ours}/30"), "dev", &wire])?;
            ip(&["link", "set", &wire, "up"])?;
            ip(&["-n", &name, "address", "add", &format!("{theirs}/30"), "dev", "eth0"])?;
            ip(&["-n", &name, "link", "set", "eth0", "up"])?;
            ip(&["-n", &name, "link", "set", "lo", "up"])?;
            let file = File::open(format!("{NAMES}/{name}"))
                .with_context(|| format!("the network namespace {name}"))?;
            Ok(Entrance { file: Arc::new(file.into()), address: theirs })
        })();
        match made {
            Ok(inside) => {
                let namespace = Self { name, wire, ours, inside };
                // Tells now whether there is an nft, and a kernel that knows its rules.
                namespace.heal()?;
                Ok(namespace)
            }
            Err(error) => {
                ip(&["netns", "delete", &name]).ok();
                Err(error)
            }
        }
    }

    /// Proxies to all servers of a stack, at our end of the wire.
    ///
    /// # Errors
    /// As for [`Links::between`].
    pub async fn links(&self, stack: &Stack) -> anyhow::Result<Links> {
        Links::listening_at(IpAddr::V4(self.ours), stack).await
    }

    /// The way in.
    #[must_use]
    pub fn entrance(&self) -> Entrance {
        self.inside.clone()
    }

    /// The address of who lives in it.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.inside.address
    }

    /// What lies between the namespace and these proxies, which are [ours](Self::links). Buyers who reach a replica
    /// inside are not disturbed.
    #[must_use]
    pub fn before<'a>(&self, proxies: impl IntoIterator<Item = &'a Proxy>) -> Wire<'_> {
        let ports = proxies.into_iter().map(|proxy| proxy.address().port().to_string());
        Wire { namespace: self, ports: ports.collect::<Vec<_>>().join(", ") }
    }

    /// All packets pass again. What was sent meanwhile comes late: the kernels send it again.
    ///
    /// # Errors
    /// When `nft` fails.
    pub fn heal(&self) -> anyhow::Result<()> {
        self.rule("", "")
    }

    /// Replaces all rules: for packets that leave the namespace, and for those that enter it.
    fn rule(&self, leaving: &str, entering: &str) -> anyhow::Result<()> {
        let rules = format!(
            "add table inet leasehold\ndelete table inet leasehold\ntable inet leasehold {{\n\
             chain leaving {{ type filter hook output priority 0; {leaving} }}\n\
             chain entering {{ type filter hook input priority 0; {entering} }}\n}}\n"
        );
        run("ip", &["netns", "exec", &self.name, "nft", "-f", "-"], &rules)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // First: a process that still runs inside keeps the namespace, but then has no wire.
        ip(&["link", "delete", &self.wire]).ok();
        ip(&["netns", "delete", &self.name]).ok();
    }
}

/// The wire between a [`Namespace`] and some proxies. Each verb replaces the one before, whatever wire it was for.
#[derive(Debug)]
pub struct Wire<'a> {
    namespace: &'a Namespace,
    ports: String,
}

impl Wire<'_> {
    /// Drops all packets, both ways. Nobody is told: connections stay, and stand.
    ///
    /// # Errors
    /// When `nft` fails.
    pub fn cut(&self) -> anyhow::Result<()> {
        self.drop_those("", true)
    }

    /// Drops the packets that come back: requests on open connections arrive, and no answer does.
    ///
    /// # Errors
    /// When `nft` fails.
    pub fn one_way(&self) -> anyhow::Result<()> {
        self.drop_those("", false)
    }

    /// Answers each packet that leaves with a reset, as a firewall does, or a machine without such a server.
    ///
    /// # Errors
    /// When `nft` fails.
    pub fn reject(&self) -> anyhow::Result<()> {
        let ports = &self.ports;
        self.namespace.rule(&format!("tcp dport {{ {ports} }} reject with tcp reset;"), "")
    }

    /// Drops so many of a hundred packets, both ways, at random.
    ///
    /// # Errors
    /// When `nft` fails.
    pub fn loss(&self, percent: u8) -> anyhow::Result<()> {
        self.drop_those(&format!("numgen random mod 100 < {percent}"), true)
    }

    fn drop_those(&self, which: &str, both_ways: bool) -> anyhow::Result<()> {
        let ports = &self.ports;
        let leaving = format!("tcp dport {{ {ports} }} {which} drop;");
        let entering = format!("tcp sport {{ {ports} }} {which} drop;");
        self.namespace.rule(if both_ways { &leaving } else { "" }, &entering)
    }
}

/// Those of processes that are not there any more: they were killed before they could.
fn remove_abandoned() {
    for entry in fs::read_dir(NAMES).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        let pid = pid.and_then(|pid| pid.parse().ok());
        if pid.is_some_and(|pid| !is_alive(pid)) {
            // Somebody else may be faster.
            ip(&["netns", "delete", name]).ok();
        }
    }
}

fn ip(args: &[&str]) -> anyhow::Result<()> {
    run("ip", args, "")
}

fn run(program: &str, args: &[&str], input: &str) -> anyhow::Result<()> {
    let said = || format!("{program} {}", args.join(" "));
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(said)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ends without reading says why itself.
        stdin.write_all(input.as_bytes()).ok();
    }
    let output = child.wait_with_output().with_context(said)?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {}, {}", said(), output.status, complaint.trim());
    Ok(())
}
