//! A Redis Cluster as one node.

use std::{
    slice,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use redis::{Client, aio::PubSub, cluster::ClusterClient};

use super::{
    NotANode, RedisNode,
    connection::{Run, kind_of},
    connection_info, tcp_settings,
    transport::{Stream, Transport},
};
use crate::{
    model::{GrantNumber, HINT_AHEAD_MAX, Question, Reply, Resource, Standing},
    node::{Answers, NodeError, NodeErrorKind, NodeFuture, NodeStep},
};

/// How often a question follows the cluster to another server. Each time the library also refreshes
/// its map of the slots.
const REDIRECTS_MAX: u32 = 3;
/// Pause before that, in ms, where the server asks for one.
const PAUSE_MIN_MS: u64 = 5;
const PAUSE_MAX_MS: u64 = 50;
/// The part of the time limit that one server of many may take to accept a connection: a dead one
/// must leave time for the others.
const CONNECT_SHARE: u32 = 3;

impl RedisNode {
    /// A whole Redis or Valkey Cluster as **one** node; `urls` are any of its servers, from which
    /// the others are found. Feature `cluster`.
    ///
    /// **It is one vote, however many servers it has**: each lease is on one of them. Prefer three
    /// or five servers that know nothing of each other ([`Leases::connect`](crate::Leases::connect)):
    /// no single failure of theirs loses anything. Take a cluster if you have one and cannot add
    /// servers to it, or if one server cannot carry your leases.
    ///
    /// **A failover may lose what was acknowledged**, since a cluster copies to its replicas only
    /// afterwards: leases (then two holders believe in the same one until the first renewal fails)
    /// and fences. Nothing here detects that: a cluster has no guard that keeps a server out of the
    /// vote which lost data. What still holds: the check of the token in a protected store (feature
    /// `postgres`), which refuses the older of two tokens; and that tokens grow, as far as the
    /// clients' clocks are right, because each number is at least the client's clock.
    ///
    /// - All keys of a resource must be in one slot. A name with a `}` but without a hash tag
    ///   (`a}b`, `{}a`) cannot be, and is answered with [`NodeErrorKind::Rejected`].
    /// - Each question is sent on its own, and costs a call more than on a server of its own.
    /// - The library sends a question again when a connection breaks. A release that was done the
    ///   first time is then reported as [`NotOurs`](crate::ReleaseOutcome::NotOurs).
    /// - [`report`](crate::node::Node::report) says nothing, and neither does
    ///   [`run`](crate::node::Node::run): that no other node is a server of this cluster is not
    ///   checked.
    /// - Beside other nodes it vouches with its clock for one that lost its data; all clients should
    ///   use one TTL then.
    ///
    /// # Errors
    ///
    /// When there is no URL, one cannot be read, or they differ in user, password or TLS. Nothing is
    /// connected yet.
    pub fn cluster<I>(urls: I, timeout: Duration) -> Result<Self, NotANode>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let infos: Result<Vec<_>, _> =
            urls.into_iter().map(|url| connection_info(url.as_ref())).collect();
        let infos = infos?;
        let address: Vec<String> = infos.iter().map(|info| info.addr().to_string()).collect();
        let clients =
            infos.iter().map(|info| Client::open(info.clone())).collect::<Result<_, _>>()?;
        let cluster = ClusterClient::builder(infos)
            .connection_timeout(timeout / CONNECT_SHARE)
            .response_timeout(timeout)
            .retries(REDIRECTS_MAX)
            .min_retry_wait(PAUSE_MIN_MS)
            .max_retry_wait(PAUSE_MAX_MS)
            .tcp_settings(tcp_settings())
            .build()?;
        let transport = Cluster { cluster, clients, next: AtomicUsize::new(0) };
        Ok(Self::behind(format!("cluster {}", address.join(",")), transport, timeout))
    }

    /// Asks each question on its own: they go to different servers, and one that is silent must not
    /// keep the answers of the others back.
    pub(super) async fn ask_each(&self, questions: &[Question]) -> Answers {
        join_all(questions.iter().map(|question| self.ask_cluster(question))).await
    }

    async fn ask_cluster(&self, question: &Question) -> Result<Reply, NodeError> {
        let resource = match question {
            Question::Grant(request) => &request.resource,
            Question::Commit(binding) | Question::Renew(binding) => &binding.resource,
            Question::Release { resource, .. } => resource,
            Question::Stand => return self.vouch().await,
            // It never said that it was outside.
            Question::Admit(_) => return Ok(Reply::Admitted),
        };
        self.in_one_slot(NodeStep::of(question), resource)?;
        let answer = self.ask_together(slice::from_ref(question)).await.pop();
        answer.unwrap_or_else(|| {
            let kind = NodeErrorKind::Rejected("no answer".into());
            Err(self.error(NodeStep::of(question), kind))
        })
    }

    /// Refuses a resource whose keys no script may name together.
    pub(super) fn in_one_slot(&self, step: NodeStep, resource: &Resource) -> Result<(), NodeError> {
        if is_in_one_slot(resource) {
            return Ok(());
        }
        let why = format!(
            "the cluster would keep the keys of {:?} in different slots; a name with a '}}' \
             needs a hash tag before it, as in {{order}}/7",
            resource.as_str()
        );
        Err(self.error(step, NodeErrorKind::Rejected(why.into())))
    }

    /// Nothing notes the highest number of a cluster; but none can be further ahead of its clock
    /// than a hint may be.
    async fn vouch(&self) -> Result<Reply, NodeError> {
        let asked = self.within_limit(NodeStep::Admit, |mut on| async move {
            redis::cmd("TIME").query_async::<(u64, u64)>(&mut on.stream).await
        });
        let (seconds, micros) = asked.await?;
        let now = Duration::from_secs(seconds) + Duration::from_micros(micros);
        let high = u64::try_from((now + HINT_AHEAD_MAX).as_micros()).ok();
        let high = high.and_then(|high| GrantNumber::new(high).ok()).unwrap_or(GrantNumber::ONE);
        Ok(Reply::Standing(Standing::Member { high, ttl_max: Duration::ZERO }))
    }
}

/// Whether the keys that `keys.lua` makes for a resource are in its slot.
fn is_in_one_slot(resource: &Resource) -> bool {
    let name = resource.as_str();
    // Redis' hash tag: between the first '{' and the first '}' after it, if anything is there.
    let tag = name.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    tag.is_some_and(|(tag, _)| !tag.is_empty()) || !name.contains('}')
}

struct Cluster {
    cluster: ClusterClient,
    /// For messages: every server of a cluster passes on what another one publishes.
    clients: Vec<Client>,
    next: AtomicUsize,
}

impl Transport for Cluster {
    fn connect(&self) -> NodeFuture<'_, Result<(Stream, Run), NodeErrorKind>> {
        Box::pin(async {
            let stream = self.cluster.get_async_connection().await;
            let stream = stream.map_err(|error| kind_of(&error))?;
            Ok((Stream::Cluster(stream), Run::of_a_cluster()))
        })
    }

    /// At another server each time, since this one may be dead.
    fn subscribe(&self) -> NodeFuture<'_, Result<PubSub, NodeErrorKind>> {
        let next = self.next.fetch_add(1, Ordering::Relaxed) % self.clients.len();
        Box::pin(async move {
            self.clients[next].get_async_pubsub().await.map_err(|error| kind_of(&error))
        })
    }

    fn is_cluster(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_in_one_slot_unless_a_brace_ends_its_tag_early() {
        for (name, expected) in [
            ("stage", true),
            ("{tour}/7", true),
            ("a{tour}b}c", true),
            ("a{b", true),
            ("a{{b}", true),
            ("a}b", false),
            ("{}a", false),
            ("{}a{b}", false),
            ("}{", false),
            ("}{a}", true),
        ] {
            let resource = Resource::new(name).unwrap();
            assert_eq!(is_in_one_slot(&resource), expected, "{name}");
        }
    }

    #[test]
    fn what_is_no_cluster_is_refused_without_its_password() {
        let limit = Duration::from_millis(50);
        for bad in [&[][..], &["redis://:hunter2@a", "redis://:other@b"], &["http://:hunter2@a"]] {
            let error = RedisNode::cluster(bad, limit).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        let node = RedisNode::cluster(["redis://:hunter2@a:1", "redis://:hunter2@b:2"], limit);
        assert_eq!(&*node.unwrap().address, "cluster a:1,b:2");
    }
}
