//! The lease nodes.

use std::time::{Duration, SystemTime};

use leasehold::{
    Leases, NodeError, Warning,
    node::{Node as _, RedisNode},
};

use super::{CLOCK_FAR_MS, Findings};
use crate::cli::config::ServeArgs;

pub(super) async fn look(args: &ServeArgs, findings: &mut Findings) {
    let urls = match args.nodes() {
        Ok(urls) => urls,
        Err(error) => return findings.failed(&error),
    };
    let leases = match Leases::connect(&urls, args.lease()) {
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
        clock(url, args.lease().node_timeout, findings).await;
    }
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
            "lease nodes: {answering} of {nodes} answer, and nothing is sold without {quorum}"
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
