//! The door, and times that must fit together.

use leasehold_kit::{auth::Scope, cli::edge::EdgeArgs};
use time::OffsetDateTime;

use super::Findings;
use crate::cli::{PROGRAM, config::ServeArgs};

pub(super) fn keys(args: &EdgeArgs, findings: &mut Findings) {
    let list = match args.keys(PROGRAM) {
        Ok((keys, _file)) => keys.list(),
        Err(error) => return findings.failed(&error),
    };
    let now = OffsetDateTime::now_utc();
    let valid = |scope| {
        list.keys().iter().filter(|key| key.scope() == scope && !key.has_expired(now)).count()
    };
    let (buyers, admins, readers) =
        (valid(Scope::Buyer), valid(Scope::Admin), valid(Scope::Metrics));
    findings.ok(format!(
        "keys: valid are {admins} of scope admin, {buyers} of buyer and {readers} of metrics"
    ));
    for key in list.keys().iter().filter(|key| key.has_expired(now)) {
        findings.warning(format!("keys: {} has ended; take its line away", key.name()));
    }
    if admins == 0 {
        findings.error("keys: no key of scope admin is valid any more, so nobody can make a sale");
    }
}

pub(super) fn certificate(args: &EdgeArgs, findings: &mut Findings) {
    match args.certificate() {
        Ok(Some(_)) => findings.ok("tls: the certificate and its key belong together"),
        Ok(None) => {
            findings.ok("tls: none; what is said is not encrypted unless something in front does")
        }
        Err(error) => findings.failed(&error),
    }
}

pub(super) fn times(args: &ServeArgs, findings: &mut Findings) {
    let grant = match args.grant() {
        Ok(grant) => grant,
        Err(error) => return findings.failed(&error),
    };
    let (ttl, node) = (args.lease().ttl, args.lease().node_timeout);
    // Two rounds are what a grant may need; a third is what is left for renewing it.
    if node * 3 > ttl {
        findings.warning(format!(
            "times: one slow node may take {node:?} of a lease of {ttl:?}; set LEASEHOLD_LEASE_TTL_MS to \
             at least three times LEASEHOLD_NODE_TIMEOUT_MS"
        ));
    }
    if grant.patience <= ttl {
        findings.warning(format!(
            "times: when a lease holder is killed its sale stands still for {ttl:?}, and orders wait for \
             {:?} only; set LEASEHOLD_PATIENCE_MS to more than LEASEHOLD_LEASE_TTL_MS",
            grant.patience
        ));
    }
}
