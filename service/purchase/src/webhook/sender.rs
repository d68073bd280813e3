//! One POST: to a checked address, with limits on everything that the receiver can draw out.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::net::TcpStream;
use tower::Service;

use super::{
    address::{Policy, bare},
    sign::sign,
};
use crate::{
    domain::{Invalid, Secret},
    store::Target,
};

/// How much of an answer is read, in bytes, for the sake of using the connection again.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How long a connection is kept that nothing is sent on.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// Why a delivery did not succeed. Says nothing that the receiver wrote: it goes into the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotDelivered {
    #[error("the receiver answered {}", .0.as_u16())]
    Status(StatusCode),
    #[error("no whole answer within {0:?}")]
    Timeout(Duration),
    #[error("{}", chain(.0))]
    Broken(#[from] hyper_util::client::legacy::Error),
    #[error("its {0}")]
    Address(#[from] Invalid),
    #[error("it cannot be signed")]
    Unsendable,
}

/// Sends deliveries. Cloning is cheap and shares the connections.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    client: Client<HttpsConnector<Dial>, Full<Bytes>>,
    policy: Policy,
    timeout: Duration,
}

impl Sender {
    pub(super) fn new(policy: Policy, timeout: Duration) -> Result<Self, rustls::Error> {
        let https = HttpsConnector::from((Dial { policy }, tls()?));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(1)
            .build(https);
        Ok(Self { client, policy, timeout })
    }

    /// Sends a delivery once. Redirects are not followed: they are answers other than success.
    pub(super) async fn send(
        &self,
        target: &Target,
        id: &str,
        body: Vec<u8>,
    ) -> Result<(), NotDelivered> {
        let uri = self.policy.check(&target.url)?;
        let request = request(uri, &target.secret, id, body).ok_or(NotDelivered::Unsendable)?;
        let deadline = tokio::time::Instant::now() + self.timeout;
        let answer = tokio::time::timeout_at(deadline, self.client.request(request)).await;
        let answer = answer.map_err(|_| NotDelivered::Timeout(self.timeout))??;
        let status = answer.status();
        if !status.is_success() {
            return Err(NotDelivered::Status(status));
        }
        // It is delivered. What else is said matters only to the connection.
        let rest = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect();
        let _read = tokio::time::timeout_at(deadline, rest).await;
        Ok(())
    }
}

fn request(uri: Uri, secret: &Secret, id: &str, body: Vec<u8>) -> Option<Request<Full<Bytes>>> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    let signature = sign(secret, id, now, &body)?;
    Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header("content-type", "application/json")
        .header("user-agent", concat!("leasehold/", env!("CARGO_PKG_VERSION")))
        .header("webhook-id", id)
        .header("webhook-timestamp", now)
        .header("webhook-signature", signature)
        .body(Full::from(body))
        .ok()
}

/// Trusts what the machine trusts; if that is nothing, no receiver is trusted, and the log says so.
fn tls() -> Result<ClientConfig, rustls::Error> {
    let builder = || {
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
    };
    let config = match builder()?.with_native_roots() {
        Ok(config) => config,
        Err(error) => {
            tracing::warn!(%error, "no certificates of authorities: webhooks over https will fail");
            builder()?.with_root_certificates(RootCertStore::empty())
        }
    };
    Ok(config.with_no_client_auth())
}

/// Resolves a name and connects to what it checked: between the check and the connection, the name
/// is not looked up again.
#[derive(Clone, Copy, Debug)]
struct Dial {
    policy: Policy,
}

impl Dial {
    async fn connect(self, uri: Uri) -> io::Result<TokioIo<TcpStream>> {
        let tls = uri.scheme_str() == Some("https");
        let host = uri.host().ok_or_else(|| io::Error::other("no host"))?;
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let mut failure = io::Error::other("the name has no address");
        for address in tokio::net::lookup_host((bare(host), port)).await? {
            if let Err(why) = self.policy.allow(address.ip(), tls) {
                failure = io::Error::other(why);
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(TokioIo::new(stream));
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

impl Service<Uri> for Dial {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.connect(uri))
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use tokio::{net::TcpListener, time::timeout};

    use super::*;

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_not_connected_to() {
        let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = receiver.local_addr().unwrap().port();
        let uri = format!("https://localhost:{port}/").parse().unwrap();
        let refused = Dial { policy: Policy::default() }.connect(uri).await.unwrap_err();
        assert!(refused.to_string().contains("not public"), "{refused}");
        let connected = timeout(Duration::ZERO, receiver.accept()).await;
        assert!(connected.is_err(), "somebody connected");
    }
}
