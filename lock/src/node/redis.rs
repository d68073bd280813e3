//! One Redis or Valkey server. The only file that knows Redis.

use std::{
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{Node, NodeError, NodeErrorKind, NodeFuture, NodeStep};
use crate::model::{
    Binding, CommitReply, GrantNumber, GrantReply, GrantRequest, HINT_AHEAD_MAX, HolderId,
    ReleaseReply, RenewReply, Resource, fence_lifetime,
};
use deadpool_redis::{Manager, Pool, PoolError, Runtime};
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, IntoConnectionInfo, RedisError,
    Script, ScriptInvocation, ServerErrorKind, aio::MultiplexedConnection, io::tcp::TcpSettings,
};

/// One connection carries all questions; it is taken out of the pool, which makes the next one
/// when that is thrown away.
const CONNECTIONS_MAX: usize = 2;

struct Scripts {
    grant: Script,
    commit: Script,
    renew: Script,
    release: Script,
}

static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| Scripts {
    grant: Script::new(include_str!("scripts/grant.lua")),
    commit: Script::new(include_str!("scripts/commit.lua")),
    renew: Script::new(include_str!("scripts/renew.lua")),
    release: Script::new(include_str!("scripts/release.lua")),
});

/// One independent Redis (6.2 or later) or Valkey server.
///
/// Connects on first use. All questions share one multiplexed connection, so that they need no
/// check-out round trip; after an error or a timeout it is thrown away and the next question gets
/// a new one from the pool.
#[derive(Debug)]
pub struct RedisNode {
    address: Arc<str>,
    timeout: Duration,
    pool: Pool,
    hot: Mutex<Hot>,
    /// Held while the connection is replaced, so that many questions wait for one replacement.
    replacing: tokio::sync::Mutex<()>,
}

/// The connection that all questions share.
#[derive(Default)]
struct Hot {
    /// Which connection this is, so that only the first of many failures throws it away.
    generation: u64,
    connection: Option<MultiplexedConnection>,
}

impl Hot {
    fn get(&self) -> Option<(u64, MultiplexedConnection)> {
        Some((self.generation, self.connection.clone()?))
    }
}

impl std::fmt::Debug for Hot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hot").field("generation", &self.generation).finish_non_exhaustive()
    }
}

/// Why a URL is no node. The message has no password in it.
#[derive(Debug, thiserror::Error)]
#[error("not the address of a redis server: {0}")]
pub struct NotANode(String);

impl RedisNode {
    /// The node behind `redis://[user:password@]host:port[/db]` (or `rediss://` with feature
    /// `tls`), asked with a time limit of `timeout` per question, connecting included.
    ///
    /// # Errors
    ///
    /// When the URL cannot be read. Nothing is connected yet.
    pub fn new(url: &str, timeout: Duration) -> Result<Self, NotANode> {
        let not_a_node = |error: RedisError| NotANode(error.to_string());
        let info = url.into_connection_info().map_err(not_a_node)?;
        let address = Arc::from(info.addr().to_string());
        // Small requests must not wait for the previous one's acknowledgement.
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeout))
            // `ask` sets the one limit that counts; a second timer would only cost.
            .set_response_timeout(None);
        let _checked = Client::open(info.clone()).map_err(not_a_node)?;
        let manager = Manager::new_with_config(info, config).map_err(not_a_node)?;
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS_MAX)
            .wait_timeout(Some(timeout))
            .create_timeout(Some(timeout))
            .recycle_timeout(Some(timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| NotANode(error.to_string()))?;
        Ok(Self {
            address,
            timeout,
            pool,
            hot: Mutex::default(),
            replacing: tokio::sync::Mutex::default(),
        })
    }

    fn error(&self, step: NodeStep, kind: NodeErrorKind) -> NodeError {
        NodeError { address: Arc::clone(&self.address), step, kind }
    }

    fn hot(&self) -> MutexGuard<'_, Hot> {
        self.hot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connection(&self) -> Result<(u64, MultiplexedConnection), NodeErrorKind> {
        if let Some(hot) = self.hot().get() {
            return Ok(hot);
        }
        let _one = self.replacing.lock().await;
        if let Some(hot) = self.hot().get() {
            return Ok(hot);
        }
        let pooled = self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => kind_of(&error),
            PoolError::Timeout(_) => NodeErrorKind::Timeout(self.timeout),
            other => NodeErrorKind::Broken(other.to_string()),
        })?;
        // Taken from the pool for good: the pool would answer each check-out with a round trip.
        let connection = deadpool_redis::Connection::take(pooled);
        let mut hot = self.hot();
        hot.generation += 1;
        hot.connection = Some(connection.clone());
        Ok((hot.generation, connection))
    }

    fn discard(&self, generation: u64) {
        let mut hot = self.hot();
        if hot.generation == generation {
            hot.connection = None;
        }
    }

    /// Runs `question` within the time limit. A connection that failed in any way is not used
    /// again: its stream may still hold the answer to this question, or be dead.
    async fn ask<T, F, Fut>(&self, step: NodeStep, question: F) -> Result<T, NodeError>
    where
        T: Send,
        F: FnOnce(MultiplexedConnection) -> Fut + Send,
        Fut: Future<Output = Result<T, RedisError>> + Send,
    {
        let mut used = None;
        let within = tokio::time::timeout(self.timeout, async {
            let (generation, connection) =
                self.connection().await.map_err(|kind| self.error(NodeStep::Connect, kind))?;
            used = Some(generation);
            question(connection).await.map_err(|error| self.error(step, kind_of(&error)))
        });
        let answer = match within.await {
            Ok(answer) => answer,
            Err(_) => {
                let step = if used.is_some() { step } else { NodeStep::Connect };
                Err(self.error(step, NodeErrorKind::Timeout(self.timeout)))
            }
        };
        if let (Err(error), Some(generation)) = (&answer, used)
            && !matches!(error.kind, NodeErrorKind::Rejected(_))
        {
            tracing::debug!(node.address = %self.address, node.step = %step, %error, "connection discarded");
            self.discard(generation);
        }
        answer
    }

    async fn run<T: FromRedisValue + Send>(
        &self,
        step: NodeStep,
        invocation: ScriptInvocation<'_>,
    ) -> Result<T, NodeError> {
        self.ask(
            step,
            |mut connection| async move { invocation.invoke_async(&mut connection).await },
        )
        .await
    }

    fn unexpected(&self, step: NodeStep, answer: &[i64]) -> NodeError {
        self.error(step, NodeErrorKind::Rejected(format!("unexpected answer {answer:?}")))
    }
}

/// Reads an error of the client library. What the server said of itself is kept apart from what
/// happened on the way, and a refusal of this client apart from one that may pass.
fn kind_of(error: &RedisError) -> NodeErrorKind {
    let denied = matches!(
        error.kind(),
        ErrorKind::AuthenticationFailed
            | ErrorKind::InvalidClientConfig
            | ErrorKind::RESP3NotSupported
    ) || matches!(error.kind(), ErrorKind::Server(ServerErrorKind::NoPerm))
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM" | "DENIED"));
    if denied {
        NodeErrorKind::Denied(error.to_string())
    } else if error.is_timeout() || error.is_io_error() || error.is_connection_dropped() {
        NodeErrorKind::Broken(error.to_string())
    } else {
        NodeErrorKind::Rejected(error.to_string())
    }
}

/// The fence's key.
///
/// A name with a hash tag of its own keeps it; any other name becomes the tag, so that lease and
/// fence are in one slot should the node be a cluster (but for names with a `}` and no tag). The two prefixes
/// differ so that `x` and `{x}` do not share a fence.
fn fence_key(resource: &Resource) -> String {
    let name = resource.as_str();
    let has_tag = name
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .is_some_and(|(tag, _)| !tag.is_empty());
    if has_tag {
        format!("leasehold:fence:{name}")
    } else {
        format!("leasehold:fence-of:{{{name}}}")
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl Node for RedisNode {
    fn address(&self) -> &str {
        &self.address
    }

    fn grant<'a>(&'a self, request: &'a GrantRequest) -> NodeFuture<'a, GrantReply> {
        Box::pin(async move {
            let mut call = SCRIPTS.grant.prepare_invoke();
            call.key(request.resource.as_str())
                .key(fence_key(&request.resource))
                .arg(request.holder.to_string())
                .arg(millis(request.ttl))
                .arg(request.hint.get())
                .arg(millis(fence_lifetime(request.ttl)))
                .arg(HINT_AHEAD_MAX.as_micros().to_string());
            let answer: Vec<i64> = self.run(NodeStep::Grant, call).await?;
            let number =
                |value: i64| u64::try_from(value).ok().and_then(|n| GrantNumber::new(n).ok());
            match answer[..] {
                [1, minted] => number(minted).map(GrantReply::Granted),
                [0, pttl, fence] => {
                    let ttl_left = u64::try_from(pttl).ok().map(Duration::from_millis);
                    Some(GrantReply::Held { ttl_left, fence: number(fence) })
                }
                [-1, clock] => number(clock).map(|node_clock| GrantReply::HintAhead { node_clock }),
                _ => None,
            }
            .ok_or_else(|| self.unexpected(NodeStep::Grant, &answer))
        })
    }

    fn commit<'a>(&'a self, binding: &'a Binding) -> NodeFuture<'a, CommitReply> {
        Box::pin(async move {
            let bound: bool =
                self.run(NodeStep::Commit, bound_call(&SCRIPTS.commit, binding)).await?;
            Ok(if bound { CommitReply::Committed } else { CommitReply::Refused })
        })
    }

    fn renew<'a>(&'a self, binding: &'a Binding) -> NodeFuture<'a, RenewReply> {
        Box::pin(async move {
            let renewed: bool =
                self.run(NodeStep::Renew, bound_call(&SCRIPTS.renew, binding)).await?;
            Ok(if renewed { RenewReply::Renewed } else { RenewReply::Refused })
        })
    }

    fn release<'a>(
        &'a self,
        resource: &'a Resource,
        holder: HolderId,
    ) -> NodeFuture<'a, ReleaseReply> {
        Box::pin(async move {
            let mut call = SCRIPTS.release.prepare_invoke();
            call.key(resource.as_str()).arg(holder.to_string());
            let released: bool = self.run(NodeStep::Release, call).await?;
            Ok(if released { ReleaseReply::Released } else { ReleaseReply::NotOurs })
        })
    }

    fn ping(&self) -> NodeFuture<'_, ()> {
        Box::pin(self.ask(NodeStep::Ping, |mut connection| async move {
            redis::cmd("PING").query_async::<()>(&mut connection).await
        }))
    }
}

fn bound_call<'a>(script: &'a Script, binding: &Binding) -> ScriptInvocation<'a> {
    let mut call = script.prepare_invoke();
    call.key(binding.resource.as_str())
        .key(fence_key(&binding.resource))
        .arg(binding.holder.to_string())
        .arg(millis(binding.ttl))
        .arg(binding.number.get())
        .arg(millis(fence_lifetime(binding.ttl)));
    call
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_names_share_a_fence() {
        let key = |name: &str| fence_key(&Resource::new(name).unwrap());
        assert_eq!(key("x"), "leasehold:fence-of:{x}");
        assert_eq!(key("{x}"), "leasehold:fence:{x}");
        assert_eq!(key("a{b}c"), "leasehold:fence:a{b}c");
        assert_eq!(key("{}x"), "leasehold:fence-of:{{}x}");
        assert_eq!(key("a{b"), "leasehold:fence-of:{a{b}");
    }

    #[test]
    fn a_bad_url_is_refused_without_its_password() {
        let limit = Duration::from_millis(50);
        for bad in
            ["", "http://user:hunter2@host", "redis://", "redis://user:hunter2@host:notaport"]
        {
            let error = RedisNode::new(bad, limit).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        let node = RedisNode::new("redis://user:hunter2@localhost:7001/2", limit).unwrap();
        assert_eq!(node.address(), "localhost:7001");
        assert!(!format!("{node:?}").contains("hunter2"));
    }
}
