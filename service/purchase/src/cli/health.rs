//! `purchase health`: for container health checks, so that an image needs no other program.

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use leasehold_kit::tls::connect_unchecked;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};

/// How long a replica may take to say whether it is ready.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Whom to ask.
#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    /// Address of the replica, http:// or https://. With TLS, its certificate is not checked: it names
    /// the service, not this host, and nothing secret is sent
    #[arg(long, env = "LEASEHOLD_HEALTH_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
}

pub(super) async fn ask(args: &HealthArgs) -> anyhow::Result<()> {
    let (scheme, authority) = args.url.split_once("://").unwrap_or_default();
    let authority = authority.trim_end_matches('/');
    let is_tls = match scheme {
        "http" => false,
        "https" => true,
        _ => anyhow::bail!("the address must begin with http:// or https://"),
    };
    let status = tokio::time::timeout(TIMEOUT, status(authority, is_tls))
        .await
        .with_context(|| format!("{authority} did not answer within {TIMEOUT:?}"))??;
    anyhow::ensure!(status == "200", "{authority} is not ready: status {status}");
    Ok(())
}

async fn status(authority: &str, is_tls: bool) -> anyhow::Result<String> {
    let stream = TcpStream::connect(authority)
        .await
        .with_context(|| format!("cannot connect to {authority}"))?;
    if !is_tls {
        return status_on(stream, authority).await;
    }
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let stream = connect_unchecked(stream, host)
        .await
        .with_context(|| format!("{authority} does not speak TLS"))?;
    status_on(stream, authority).await
}

/// One request, one status: a whole HTTP client would double the binary's dependencies.
async fn status_on(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    authority: &str,
) -> anyhow::Result<String> {
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
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
