//! How a node's connections are made, and what carries its questions.

use std::time::Duration;

use deadpool_redis::{Manager, Pool, PoolError, Runtime};
#[cfg(feature = "cluster")]
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, Pipeline, RedisFuture, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection, PubSub},
};

use super::{
    NotANode,
    connection::{Run, kind_of},
};
use crate::node::{NodeErrorKind, NodeFuture};

/// One connection carries all questions; it is taken out of the pool, which makes the next one
/// when that is thrown away.
const CONNECTIONS_MAX: usize = 2;

/// Makes connections to whatever is one node.
pub(super) trait Transport: Send + Sync + 'static {
    /// A connection for questions, and the run that answers on it.
    fn connect(&self) -> NodeFuture<'_, Result<(Stream, Run), NodeErrorKind>>;

    /// A connection of its own for messages that the server pushes.
    fn subscribe(&self) -> NodeFuture<'_, Result<PubSub, NodeErrorKind>>;

    /// Whether it leads to many servers, each with a part of the keys.
    fn is_cluster(&self) -> bool {
        false
    }
}

/// What carries questions.
#[derive(Clone)]
pub(super) enum Stream {
    /// To one server.
    Server(MultiplexedConnection),
    /// To whichever server of a cluster has the key.
    #[cfg(feature = "cluster")]
    Cluster(ClusterConnection),
}

impl Stream {
    /// Sends this many commands in one write.
    pub(super) async fn send(
        &mut self,
        pipeline: &Pipeline,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        match self {
            Self::Server(stream) => stream.send_packed_commands(pipeline, 0, count).await,
            #[cfg(feature = "cluster")]
            Self::Cluster(stream) => stream.req_packed_commands(pipeline, 0, count).await,
        }
    }
}

impl ConnectionLike for Stream {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(stream) => stream.req_packed_command(cmd),
            #[cfg(feature = "cluster")]
            Self::Cluster(stream) => stream.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(stream) => stream.req_packed_commands(pipeline, offset, count),
            #[cfg(feature = "cluster")]
            Self::Cluster(stream) => stream.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(stream) => stream.get_db(),
            #[cfg(feature = "cluster")]
            Self::Cluster(stream) => stream.get_db(),
        }
    }
}

/// One server, always the same.
pub(super) struct Server {
    client: Client,
    pool: Pool,
    timeout: Duration,
}

/// `RedisNode` sets the one limit that counts; a second timer would only cost.
pub(super) fn config(timeout: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(Some(timeout)).set_response_timeout(None)
}

impl Server {
    pub(super) fn new(info: ConnectionInfo, timeout: Duration) -> Result<Self, NotANode> {
        let client = Client::open(info.clone())?;
        let manager = Manager::new_with_config(info, config(timeout))?;
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS_MAX)
            .wait_timeout(Some(timeout))
            .create_timeout(Some(timeout))
            .recycle_timeout(Some(timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| NotANode(error.to_string()))?;
        Ok(Self { client, pool, timeout })
    }
}

impl Transport for Server {
    fn connect(&self) -> NodeFuture<'_, Result<(Stream, Run), NodeErrorKind>> {
        Box::pin(async move {
            let pooled = self.pool.get().await.map_err(|error| match error {
                PoolError::Backend(error) => kind_of(&error),
                PoolError::Timeout(_) => NodeErrorKind::Timeout(self.timeout),
                other => NodeErrorKind::Broken(other.to_string().into()),
            })?;
            // Taken from the pool for good: the pool would answer each check-out with a round trip.
            let mut stream = Stream::Server(deadpool_redis::Connection::take(pooled));
            let run = Run::of(&mut stream).await?;
            Ok((stream, run))
        })
    }

    fn subscribe(&self) -> NodeFuture<'_, Result<PubSub, NodeErrorKind>> {
        Box::pin(async { self.client.get_async_pubsub().await.map_err(|error| kind_of(&error)) })
    }
}
