//! `lease-sidecar check-config`: says what is wrong with a deployment before programs use it.

use std::process::ExitCode;

use leasehold_kit::cli::{findings::Findings, print};

use super::config::{Listen, ServeArgs};

pub(super) async fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::default();
    edge(args, &mut findings);
    args.nodes().look(&args.lease(), &mut findings).await;
    print(findings.to_string().as_bytes())?;
    Ok(ExitCode::from(findings.exit_code()))
}

fn edge(args: &ServeArgs, findings: &mut Findings) {
    match args.check_edge() {
        Err(error) => findings.failed(&error),
        Ok(edge) => match (edge.door, args.listen()) {
            (Some(door), _) => {
                findings.ok(format!("keys: {} are known", door.keys.list().keys().len()));
            }
            (None, Listen::Socket(_)) => findings.ok("keys: none; the socket is this user's alone"),
            (None, Listen::Port(_)) => findings.warning(
                "keys: none, so every program on this machine may hold leases; set LEASEHOLD_KEYS_FILE, \
                 or listen on unix:/path",
            ),
        },
    }
}
