//! `purchase check-config`: says what is wrong with a deployment before it takes traffic.

mod database;
mod edge;

use std::{
    io::{Write as _, stdout},
    process::ExitCode,
};

use anyhow::Context as _;
use leasehold_kit::cli::{findings::Findings, nodes::CLOCK_FAR_MS};

use super::config::ServeArgs;

pub(super) async fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::default();
    edge::keys(args.edge(), &mut findings);
    edge::certificate(args.edge(), &mut findings);
    edge::times(args, &mut findings);
    database::look(args.database(), &mut findings).await;
    args.nodes().look(&args.lease(), &mut findings).await;
    write!(stdout(), "{findings}").context("cannot print what was found")?;
    Ok(ExitCode::from(findings.exit_code()))
}
