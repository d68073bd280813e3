//! The command `health`: for container health checks, so that an image needs no other program.

use std::time::Duration;

use anyhow::Context as _;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
};

use crate::tls::connect_unchecked;

/// How long a service may take to say whether it is ready.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Asks a service whether it is ready: at `http://`, `https://` or `unix:/path`. With TLS, its certificate
/// is not checked: it names the service, not this host, and nothing secret is sent.
///
/// # Errors
///
/// When it is not, or does not say so within three seconds.
pub async fn ask(url: &str) -> anyhow::Result<()> {
    let status = tokio::time::timeout(TIMEOUT, status_at(url)).await;
    let status = status.with_context(|| format!("{url} did not answer within {TIMEOUT:?}"))??;
    anyhow::ensure!(status == "200", "{url} is not ready: status {status}");
    Ok(())
}

async fn status_at(url: &str) -> anyhow::Result<String> {
    if let Some(path) = url.strip_prefix("unix:") {
        let stream = UnixStream::connect(path).await;
        let stream = stream.with_context(|| format!("cannot connect to {path}"))?;
        return status_on(stream, "localhost").await;
    }
    let (scheme, authority) = url.split_once("://").unwrap_or_default();
    let authority = authority.trim_end_matches('/');
    match scheme {
        "http" => status(authority, false).await,
        "https" => status(authority, true).await,
        _ => anyhow::bail!("the address must begin with http://, https:// or unix:"),
    }
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
