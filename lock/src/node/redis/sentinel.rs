//! The master that Redis Sentinel chooses, as one node.

use std::time::Duration;

use futures_util::future::select_ok;
use redis::{
    Client, ConnectionAddr, ConnectionInfo, RedisError, TlsMode,
    aio::PubSub,
    sentinel::{Sentinel, SentinelNodeConnectionInfo},
};

use super::{
    NotANode, RedisNode,
    connection::{Run, kind_of},
    connection_info, tcp_settings,
    transport::{Stream, Transport, config},
};
use crate::node::{NodeErrorKind, NodeFuture};

impl RedisNode {
    /// The server that Redis Sentinel says is the master, as **one** node. Feature `sentinel`.
    ///
    /// `urls` are the sentinels. `master` is the name that they know the master by, or
    /// `redis://[user:password@]name[/db]` where the server wants a password or TLS (`rediss://`);
    /// what the sentinels' own URLs say of that is for the sentinels alone. They are asked anew, all
    /// at once, whenever a connection is made; one that breaks, or whose server turns out to be a
    /// replica, is made anew.
    ///
    /// **It is one vote, however many replicas there are.** Prefer three or five servers that know
    /// nothing of each other ([`Leases::connect`](crate::Leases::connect)): they stay up when one
    /// fails, and no single failure of theirs loses anything. Take this if a master with sentinels is
    /// what you have, and an outage of a few lease lifetimes at each failover is acceptable.
    ///
    /// **A failover may lose what was acknowledged**, since replicas copy only afterwards. Therefore
    /// the new master, which is another process, does not count as the same node: it may not grant
    /// or renew until a quarantine has passed that is longer than every lease, so a lease that it
    /// never heard of is over by then. A lease held over a failover is lost, and
    /// [`Lease::lost`](crate::Lease::lost) says so at its end at the latest. Tokens then go on from
    /// the client's clock, because one node alone has nobody to ask (a cold start): that they grow
    /// over a failover depends on clocks. What holds in any case: the check of the token in a
    /// protected store (feature `postgres`), which refuses the older of two tokens.
    ///
    /// An old master that is cut off from the sentinels but not from a client can still grant to that
    /// client until it hears that it was replaced; set `min-replicas-to-write 1` there to bound that.
    ///
    /// # Errors
    ///
    /// When there is no sentinel, or a URL or the name cannot be read. Nothing is connected yet.
    pub fn sentinel<I>(urls: I, master: &str, timeout: Duration) -> Result<Self, NotANode>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let sentinels: Result<Vec<_>, _> =
            urls.into_iter().map(|url| connection_info(url.as_ref())).collect();
        let sentinels = sentinels?;
        let address: Vec<String> = sentinels.iter().map(|info| info.addr().to_string()).collect();
        if address.is_empty() {
            return Err(NotANode("no sentinel is given".to_owned()));
        }
        let (name, servers) = read_master(master)?;
        let address = format!("{name} of sentinel {}", address.join(","));
        Ok(Self::behind(address, Sentinels { sentinels, name, servers, timeout }, timeout))
    }
}

/// The master's name, and how its servers are dialled.
fn read_master(master: &str) -> Result<(String, SentinelNodeConnectionInfo), NotANode> {
    let servers = SentinelNodeConnectionInfo::default().set_tcp_settings(tcp_settings());
    if master.is_empty() {
        return Err(NotANode("the master has no name".to_owned()));
    }
    if !master.contains("://") {
        return Ok((master.to_owned(), servers));
    }
    let info = connection_info(master)?;
    let servers = servers.set_redis_connection_info(info.redis_settings().clone());
    match info.addr() {
        ConnectionAddr::Tcp(name, _) => Ok((name.clone(), servers)),
        ConnectionAddr::TcpTls { host, insecure, .. } => {
            let mode = if *insecure { TlsMode::Insecure } else { TlsMode::Secure };
            Ok((host.clone(), servers.set_tls_mode(mode)))
        }
        _ => Err(NotANode("a master is named, not a socket".to_owned())),
    }
}

struct Sentinels {
    sentinels: Vec<ConnectionInfo>,
    name: String,
    servers: SentinelNodeConnectionInfo,
    timeout: Duration,
}

impl Sentinels {
    /// A client of the master, as the first sentinel says that knows one which agrees.
    async fn master(&self) -> Result<Client, NodeErrorKind> {
        let asked = self.sentinels.iter().map(|sentinel| {
            Box::pin(async move {
                // New each time: one that is kept would try a dead connection first.
                let mut sentinel = Sentinel::build(vec![sentinel.clone()])?;
                let found = sentinel.async_master_for(&self.name, Some(&self.servers)).await?;
                Ok::<_, RedisError>(found)
            })
        });
        let (client, _others) = select_ok(asked).await.map_err(|error| kind_of(&error))?;
        Ok(client)
    }
}

impl Transport for Sentinels {
    fn connect(&self) -> NodeFuture<'_, Result<(Stream, Run), NodeErrorKind>> {
        Box::pin(async {
            let client = self.master().await?;
            let config = config(self.timeout);
            let stream = client.get_multiplexed_async_connection_with_config(&config).await;
            let mut stream = Stream::Server(stream.map_err(|error| kind_of(&error))?);
            let run = Run::of(&mut stream).await?;
            Ok((stream, run))
        })
    }

    fn subscribe(&self) -> NodeFuture<'_, Result<PubSub, NodeErrorKind>> {
        Box::pin(async {
            let client = self.master().await?;
            client.get_async_pubsub().await.map_err(|error| kind_of(&error))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_master_is_refused_without_its_password() {
        let limit = Duration::from_millis(50);
        let sentinels = ["redis://:hunter1@a:1", "redis://b:2"];
        for bad in ["", "http://:hunter2@m", "redis://"] {
            let error = RedisNode::sentinel(sentinels, bad, limit).unwrap_err().to_string();
            assert!(!error.contains("hunter"), "{error}");
        }
        let none: [&str; 0] = [];
        assert!(RedisNode::sentinel(none, "m", limit).is_err());
        for master in ["My Master", "redis://:hunter2@My-Master/2"] {
            let node = RedisNode::sentinel(sentinels, master, limit).unwrap();
            assert!(node.address.starts_with("My"), "{}", node.address);
            assert!(node.address.ends_with(" of sentinel a:1,b:2"), "{}", node.address);
            assert!(!format!("{node:?}").contains("hunter"));
        }
    }
}
