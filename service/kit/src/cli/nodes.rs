//! The lease nodes: where they are, and whether they will do.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use clap::Args;
use leasehold::{
    LeaseConfig, Leases, NodeError, Warning,
    node::{Node as _, RedisNode},
};

use super::{findings::Findings, value};

/// A clock that differs by more from ours is worth a word, in milliseconds: machines that keep time
/// are within some tens.
pub const CLOCK_FAR_MS: i64 = 2000;

/// Which lease nodes there are.
#[derive(Args, Debug)]
pub struct NodesArgs {
    /// Addresses of the lease nodes, separated by commas: an odd number of independent Redis or
    /// Valkey servers, redis://[user:password@]host:port
    #[arg(long, env = "REDIS_URLS", hide_env_values = true)]
    redis_urls: Option<String>,

    /// A file that holds them instead
    #[arg(long, env = "REDIS_URLS_FILE")]
    redis_urls_file: Option<PathBuf>,

    /// How long one lease node may take to answer, in milliseconds
    #[arg(long, env = "LEASEHOLD_NODE_TIMEOUT_MS", default_value_t = 250, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    node_timeout_ms: u64,
}

impl NodesArgs {
    /// Their addresses.
    ///
    /// # Errors
    ///
    /// When none are given, both ways are used at once, or the file cannot be read.
    pub fn urls(&self) -> anyhow::Result<Vec<String>> {
        let (given, file) = (self.redis_urls.as_deref(), self.redis_urls_file.as_deref());
        let urls = value(given, file, "REDIS_URLS")?;
        let urls = urls.split(',').map(str::trim).filter(|url| !url.is_empty());
        Ok(urls.map(str::to_owned).collect())
    }

    /// How long one may take to answer.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        Duration::from_millis(self.node_timeout_ms)
    }

    /// Looks whether leases can be had with these settings, and what should be otherwise. Changes nothing.
    pub async fn look(&self, config: &LeaseConfig, findings: &mut Findings) {
        let urls = match self.urls() {
            Ok(urls) => urls,
            Err(error) => return findings.failed(&error),
        };
        let leases = match Leases::connect(&urls, config.clone()) {
            Ok(leases) => leases,
            Err(error) => return findings.error(format!("lease nodes: {error}")),
        };
        let (failing, checked) = tokio::join!(leases.failing_nodes(), leases.check());
        judge_failing(leases.nodes(), leases.quorum(), &failing, findings);
        match checked {
            Ok(_) if failing.len() == leases.nodes() => {}
            Ok(warnings) => judge_settings(&warnings, findings),
            Err(error) => findings.error(format!("lease nodes: {error}")),
        }
        for url in &urls {
            clock(url, config.node_timeout, findings).await;
        }
    }
}

/// Logs what cannot be used yet or is set up badly. A service starts although nodes are away: they may come
/// back. Whoever starts it should know.
pub async fn warn(leases: &Leases) {
    for error in leases.failing_nodes().await {
        tracing::warn!(%error, "a lease node cannot be used yet");
    }
    match leases.check().await {
        Ok(warnings) => {
            for warning in warnings {
                tracing::warn!(%warning, "lease nodes could be set up better");
            }
        }
        // The second of the two has no vote, so nothing unsafe happens.
        Err(error) => tracing::error!(%error, "lease nodes are set up wrongly"),
    }
}

/// Whether so many nodes answer that leases can be had; if not, what each failing one said.
///
/// # Errors
///
/// When no quorum answers.
pub async fn quorum_answers(leases: &Leases) -> Result<(), String> {
    let failing = leases.failing_nodes().await;
    if failing.len() <= leases.nodes() - leases.quorum() {
        return Ok(());
    }
    let reasons: Vec<String> = failing.iter().map(ToString::to_string).collect();
    Err(reasons.join("; "))
}

/// Compares a node's clock with ours. One that does not answer has been spoken of.
async fn clock(url: &str, timeout: Duration, findings: &mut Findings) {
    let Ok(node) = RedisNode::new(url, timeout) else { return };
    let Ok(Some(report)) = node.report().await else { return };
    let ours = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (Some(theirs), Ok(ours)) = (report.clock_ms, i64::try_from(ours.as_millis())) else {
        return;
    };
    judge_clock(node.address(), theirs.saturating_sub(ours), findings);
}

fn judge_clock(address: &str, ahead: i64, findings: &mut Findings) {
    if ahead.abs() > CLOCK_FAR_MS {
        findings.warning(format!(
            "lease nodes: the clock of {address} is {ahead} ms ahead of this machine's; set both by NTP"
        ));
    }
}

fn judge_failing(nodes: usize, quorum: usize, failing: &[NodeError], findings: &mut Findings) {
    let answering = nodes - failing.len();
    if failing.is_empty() {
        findings.ok(format!("lease nodes: all {nodes} answer"));
        return;
    }
    let is_enough = answering >= quorum;
    for error in failing {
        let text = format!("lease nodes: {error}; see that it runs and that REDIS_URLS names it");
        if is_enough { findings.warning(text) } else { findings.error(text) }
    }
    if is_enough {
        findings.ok(format!("lease nodes: {answering} of {nodes} answer, {quorum} are enough"));
    } else {
        findings.error(format!(
            "lease nodes: {answering} of {nodes} answer, and there is no lease without {quorum}"
        ));
    }
}

fn judge_settings(warnings: &[Warning], findings: &mut Findings) {
    for warning in warnings {
        findings.warning(format!("lease nodes: {warning}"));
    }
    if warnings.is_empty() {
        findings.ok("lease nodes: those that answer keep what they grant");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_far_from_ours_is_warned_about() {
        for (ahead, code) in [(0, 0), (-2000, 0), (2001, 3), (-60_000, 3)] {
            let mut findings = Findings::default();
            judge_clock("a:1", ahead, &mut findings);
            assert_eq!(findings.exit_code(), code, "{ahead}");
        }
    }
}
