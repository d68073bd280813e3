//! Tokens as many make them: each node counts for itself, and the largest count that is heard is the token.
//! Nothing raises the other nodes to it, so it goes down when the node that was ahead forgets or dies.

use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::join_all;
use leasehold::{FencingToken, Resource};
use redis::{Client, aio::MultiplexedConnection};
use tokio::time::timeout;

/// How long a node may take.
const NODE_LIMIT: Duration = Duration::from_millis(200);

pub(super) struct Naive {
    nodes: Vec<Counting>,
}

struct Counting {
    client: Client,
    open: Option<MultiplexedConnection>,
}

impl Naive {
    pub(super) fn new(urls: &[String]) -> anyhow::Result<Self> {
        let to = |url: &String| {
            let client = Client::open(url.as_str()).context("a way to a node")?;
            Ok(Counting { client, open: None })
        };
        Ok(Self { nodes: urls.iter().map(to).collect::<anyhow::Result<_>>()? })
    }

    /// The next one; `None` when no node answers.
    pub(super) async fn token(&mut self, resource: &Resource) -> Option<FencingToken> {
        let counts = join_all(self.nodes.iter_mut().map(|node| node.count(resource))).await;
        let largest = counts.into_iter().flatten().max()?;
        FencingToken::try_from(largest << 10).ok()
    }
}

impl Counting {
    async fn count(&mut self, resource: &Resource) -> Option<i64> {
        let counting = async {
            let mut open = match self.open.take() {
                Some(open) => open,
                None => self.client.get_multiplexed_async_connection().await?,
            };
            let key = format!("naive:{resource}");
            let count = redis::cmd("INCR").arg(key).query_async(&mut open).await?;
            redis::RedisResult::Ok((open, count))
        };
        let (open, count) = timeout(NODE_LIMIT, counting).await.ok()?.ok()?;
        self.open = Some(open);
        Some(count)
    }
}
