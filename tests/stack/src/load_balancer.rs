//! The load balancer in front of replicas: haproxy with the configuration that is deployed, but for addresses.

use std::{
    env,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};

use crate::{
    Keys, Launch, Process, Shop, free_port,
    readiness::{PORT_ATTEMPTS, StartError, may_retry, ready},
};

/// Why there can be none, in words for a person.
pub(crate) const MISSING: &str = "there is no haproxy (Debian has a package of that name)";

/// What is deployed.
const DEPLOYED: &str = include_str!("../../../deploy/haproxy.cfg");
/// How often its numbers, or its port, are looked at again.
const POLL: Duration = Duration::from_millis(20);

/// A running load balancer. Dropping it kills it.
#[derive(Debug)]
pub struct LoadBalancer {
    setup: Setup,
    process: Process,
}

/// What it is started with, again after each kill.
#[derive(Debug)]
struct Setup {
    launch: Launch,
    at: SocketAddr,
    /// Where its own numbers are.
    metrics: String,
    asking: Shop,
}

impl LoadBalancer {
    /// Starts one before these servers, with its configuration and its log in `folder`, and returns when it
    /// listens. It sends nobody anything before it has [seen](Self::sees) that they are ready.
    ///
    /// # Errors
    /// When there is no [`Means::LoadBalancer`](crate::Means::LoadBalancer), or it does not listen in time.
    pub async fn start(folder: &Path, servers: &[SocketAddr]) -> anyhow::Result<Self> {
        let program = program().context(MISSING)?;
        let mut attempt = 1;
        loop {
            let setup = Setup::new(&program, folder, servers)?;
            match setup.begin().await {
                Ok(process) => return Ok(Self { setup, process }),
                Err(StartError::PortTaken(_)) if attempt < PORT_ATTEMPTS => attempt += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Where buyers ask. It stays the same over kill and restart.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.setup.at)
    }

    /// Where it listens. It stays the same over kill and restart.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.setup.at
    }

    /// Its process.
    #[must_use]
    pub const fn process(&self) -> &Process {
        &self.process
    }

    /// Stops it where it stands: connections to it are made, and nothing passes.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.process.pause()
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.process.resume()
    }

    /// Kills it (SIGKILL), with all connections through it. Twice is once.
    ///
    /// # Errors
    /// When the kernel does not end it in time.
    pub async fn kill(&self) -> anyhow::Result<()> {
        self.process.kill().await
    }

    /// Starts it again at the same address, after killing it if it still runs, and returns when it listens.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.kill().await?;
        let begun = Instant::now();
        loop {
            match self.setup.begin().await {
                Ok(process) => {
                    self.process = process;
                    return Ok(());
                }
                Err(error) if may_retry(&error, begun) => tokio::time::sleep(POLL).await,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits until it has seen that one of its servers is ready, or that it is not.
    ///
    /// # Errors
    /// When it has not within `limit`.
    pub async fn sees(&self, server: usize, is_up: bool, limit: Duration) -> anyhow::Result<()> {
        let wanted = format!(
            r#"haproxy_server_status{{proxy="api",server="api-{server}",state="UP"}} {}"#,
            u8::from(is_up)
        );
        let begun = Instant::now();
        loop {
            let numbers = self.setup.numbers().await.unwrap_or_default();
            if numbers.lines().any(|line| line.starts_with(&wanted)) {
                return Ok(());
            }
            ensure!(begun.elapsed() < limit, self.process.error(&format!("never saw: {wanted}")));
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Setup {
    fn new(program: &Path, folder: &Path, servers: &[SocketAddr]) -> anyhow::Result<Self> {
        let free = || anyhow::Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?)));
        let (at, metrics) = (free()?, free()?);
        let file = folder.join("haproxy.cfg");
        std::fs::write(&file, adapted(DEPLOYED, at, metrics, servers)?)
            .with_context(|| file.display().to_string())?;
        let launch =
            Launch::new("balancer", program, folder.join("balancer.log")).arg("-f").arg(file);
        let metrics = format!("http://{metrics}/metrics");
        Ok(Self { launch, at, metrics, asking: Shop::new(Keys::random()) })
    }

    async fn begin(&self) -> Result<Process, StartError> {
        let process = Process::spawn(&self.launch).map_err(StartError::Failed)?;
        ready(&process, async || self.numbers().await.map(drop)).await?;
        Ok(process)
    }

    async fn numbers(&self) -> anyhow::Result<String> {
        let answer = self.asking.get(&self.metrics).await?;
        ensure!(answer.status.is_success(), "{} from {}", answer.status, self.metrics);
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }
}

/// What is deployed, at addresses of our own.
fn adapted(
    deployed: &str,
    at: SocketAddr,
    metrics: SocketAddr,
    servers: &[SocketAddr],
) -> anyhow::Result<String> {
    let mut config = String::new();
    let mut changed = 0;
    for line in deployed.lines() {
        changed += 1;
        match line.trim() {
            "bind :8080" => config.push_str(&format!("    bind {at}\n")),
            "bind :8405" => config.push_str(&format!("    bind {metrics}\n")),
            // Here servers have fixed addresses instead of names.
            "default-server resolvers docker resolve-prefer ipv4 init-addr none" => {}
            "server-template api- 10 api:8080" => {
                for (index, server) in servers.iter().enumerate() {
                    config.push_str(&format!("    server api-{index} {server}\n"));
                }
            }
            _ => {
                changed -= 1;
                config.push_str(line);
                config.push('\n');
            }
        }
    }
    if changed != 4 {
        bail!("deploy/haproxy.cfg has changed: {changed} of 4 lines with addresses are known");
    }
    Ok(config)
}

/// Where haproxy is; Debian has it where only root looks.
pub(crate) fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join("haproxy")).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_what_is_deployed_change() {
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let config = adapted(DEPLOYED, at(1), at(2), &[at(3), at(4)]).unwrap();
        for line in ["bind 127.0.0.1:1", "bind 127.0.0.1:2", "server api-1 127.0.0.1:4"] {
            assert_eq!(config.lines().filter(|has| has.trim() == line).count(), 1, "{line}");
        }
        let kept = |line: &&str| config.lines().any(|has| has == *line);
        assert_eq!(DEPLOYED.lines().filter(|line| !kept(line)).count(), 4);
        assert!(adapted("bind :8080", at(1), at(2), &[]).is_err());
    }
}
