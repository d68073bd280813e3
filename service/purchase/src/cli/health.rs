//! `purchase health`: for container health checks, so that an image needs no other program.

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// How long a replica may take to say whether it is ready.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Whom to ask.
#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    /// Address of the replica
    #[arg(long, env = "LEASEHOLD_HEALTH_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
}

pub(super) async fn ask(args: &HealthArgs) -> anyhow::Result<()> {
    let authority =
        args.url.strip_prefix("http://").context("the address must begin with http://")?;
    let authority = authority.trim_end_matches('/');
    let status = tokio::time::timeout(TIMEOUT, status(authority))
        .await
        .with_context(|| format!("{authority} did not answer within {TIMEOUT:?}"))??;
    anyhow::ensure!(status == "200", "{authority} is not ready: status {status}");
    Ok(())
}

/// One request, one status: a whole HTTP client would double the binary's dependencies.
async fn status(authority: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(authority)
        .await
        .with_context(|| format!("cannot connect to {authority}"))?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = [0; 64];
    let mut read = 0;
    while read < head.len() && !head[..read].contains(&b'\n') {
        match stream.read(&mut head[read..]).await? {
            0 => break,
            n => read += n,
        }
    }
    let line = String::from_utf8_lossy(&head[..read]);
    let status = line.split(' ').nth(1).context("the answer is not HTTP")?;
    Ok(status.to_owned())
}
