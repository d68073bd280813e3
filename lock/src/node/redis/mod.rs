//! One Redis or Valkey server, or several that are one node. The only room that knows Redis.

mod asking;
mod calls;
#[cfg(feature = "cluster")]
mod cluster;
mod connection;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod look;
mod report;
mod scripts;
#[cfg(feature = "sentinel")]
mod sentinel;
#[cfg(feature = "tls")]
mod tls;
mod transport;

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use redis::{ConnectionInfo, IntoConnectionInfo as _, RedisError, Value, io::tcp::TcpSettings};
use tokio::sync::mpsc;

pub use self::report::{ServerReport, Warning};
#[cfg(feature = "tls")]
pub use self::tls::{Certificates, ClientCertificate};
use self::{
    asking::{Wanted, ask_all},
    connection::{Connection, Connections, kind_of},
    transport::{Server, Transport},
};
use super::{Answers, Node, NodeError, NodeErrorKind, NodeFuture, NodeStep, Notice};
use crate::model::{ClientId, Question, Resource, Seen};

/// One independent Redis (6.2 or later) or Valkey server.
///
/// Connects on first use. All questions share one multiplexed connection, so that they need no
/// check-out round trip; after an error or a timeout it is thrown away and the next question gets
/// a new one from the pool. Clients that wait for a lease have a second connection, on which the
/// server pushes.
#[derive(Debug)]
pub struct RedisNode {
    address: Arc<str>,
    timeout: Duration,
    connections: Connections,
    wanted: Wanted,
}

/// Why a URL is no node. The message has no password in it.
#[derive(Debug, thiserror::Error)]
#[error("not the address of a redis server: {0}")]
pub struct NotANode(String);

impl From<RedisError> for NotANode {
    fn from(error: RedisError) -> Self {
        Self(error.to_string())
    }
}

impl RedisNode {
    /// The node behind `redis://[user:password@]host:port[/db]` (or `rediss://` with feature
    /// `tls`), asked with a time limit of `timeout` for each batch of questions, connecting
    /// included.
    ///
    /// # Errors
    ///
    /// When the URL cannot be read. Nothing is connected yet, so a wrong host or password shows only
    /// in the first answer.
    pub fn new(url: &str, timeout: Duration) -> Result<Self, NotANode> {
        let info = connection_info(url)?;
        let address = info.addr().to_string();
        Ok(Self::behind(address, Server::new(info, timeout)?, timeout))
    }

    fn behind(address: String, transport: impl Transport, timeout: Duration) -> Self {
        let connections = Connections::new(Box::new(transport));
        Self { address: address.into(), timeout, connections, wanted: Wanted::default() }
    }

    fn error(&self, step: NodeStep, kind: NodeErrorKind) -> NodeError {
        NodeError { address: Arc::clone(&self.address), step, kind }
    }

    /// Does something on the connection within the time limit. A connection that failed is not used
    /// again.
    async fn within_limit<T, F, Fut>(&self, step: NodeStep, act: F) -> Result<T, NodeError>
    where
        F: FnOnce(Connection) -> Fut,
        Fut: Future<Output = Result<T, RedisError>>,
    {
        let mut used = None;
        let within = tokio::time::timeout(self.timeout, async {
            let connection = self.connections.get().await;
            let connection = connection.map_err(|kind| self.error(NodeStep::Connect, kind))?;
            used = Some(connection.generation);
            act(connection).await.map_err(|error| self.error(step, kind_of(&error)))
        });
        let answer = within.await.unwrap_or_else(|_| {
            let step = if used.is_some() { step } else { NodeStep::Connect };
            Err(self.error(step, NodeErrorKind::Timeout(self.timeout)))
        });
        if let (Err(error), Some(generation)) = (&answer, used)
            && !matches!(error.kind, NodeErrorKind::Rejected(_))
        {
            tracing::debug!(node.address = %self.address, node.step = %step, %error, "connection discarded");
            self.connections.discard(generation);
        }
        answer
    }

    fn answer(&self, question: &Question, value: Value) -> Result<crate::model::Reply, NodeError> {
        let step = NodeStep::of(question);
        if let Value::ServerError(error) = value {
            return Err(self.error(step, kind_of(&error.into())));
        }
        calls::reply(question, &value).ok_or_else(|| {
            let why = format!("unexpected answer {value:?}").into();
            self.error(step, NodeErrorKind::Rejected(why))
        })
    }

    async fn ask_together(&self, questions: &[Question]) -> Answers {
        let step = questions.first().map_or(NodeStep::Ping, NodeStep::of);
        let values = self.within_limit(step, |on| ask_all(on, questions, &self.wanted)).await;
        match values {
            Ok(values) if values.len() == questions.len() => {
                questions.iter().zip(values).map(|(q, value)| self.answer(q, value)).collect()
            }
            Ok(values) => {
                let why = format!("{} answers to {} questions", values.len(), questions.len());
                let error = self.error(step, NodeErrorKind::Rejected(why.into()));
                vec![Err(error); questions.len()]
            }
            Err(NodeError { step: NodeStep::Connect, kind, .. }) => {
                vec![Err(self.error(NodeStep::Connect, kind)); questions.len()]
            }
            Err(error) => questions
                .iter()
                .map(|question| Err(self.error(NodeStep::of(question), error.kind.clone())))
                .collect(),
        }
    }

    async fn listen_until_it_breaks(
        &self,
        client: ClientId,
        heard: mpsc::Sender<Notice>,
    ) -> NodeErrorKind {
        let subscribing = tokio::time::timeout(self.timeout, async {
            let mut messages = self.connections.subscription().await?;
            let channel = calls::channel(client);
            messages.subscribe(channel).await.map_err(|error| kind_of(&error))?;
            Ok(messages.into_on_message())
        });
        let mut messages = match subscribing.await {
            Ok(Ok(messages)) => messages,
            Ok(Err(kind)) => return kind,
            Err(_) => return NodeErrorKind::Timeout(self.timeout),
        };
        let _full = heard.try_send(Notice::Listening);
        loop {
            let message = tokio::select! {
                message = messages.next() => message,
                () = heard.closed() => return NodeErrorKind::Broken("nobody listens".into()),
            };
            let Some(message) = message else {
                return NodeErrorKind::Broken("the connection for messages ended".into());
            };
            // A message that cannot be taken is made up for by polling.
            let message: Option<String> = message.get_payload().ok();
            if let Some(handover) = message.as_deref().and_then(calls::handover) {
                let _full = heard.try_send(Notice::Granted(handover));
            }
        }
    }
}

fn connection_info(url: &str) -> Result<ConnectionInfo, NotANode> {
    let info = url.into_connection_info()?;
    #[cfg(feature = "tls")]
    tls::choose_cryptography(info.addr());
    Ok(info.set_tcp_settings(tcp_settings()))
}

/// Small requests must not wait for the previous one's acknowledgement.
fn tcp_settings() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

impl Node for RedisNode {
    fn address(&self) -> &str {
        &self.address
    }

    fn ask<'a>(&'a self, questions: &'a [Question]) -> NodeFuture<'a, Answers> {
        #[cfg(feature = "cluster")]
        if self.connections.is_cluster() {
            return Box::pin(self.ask_each(questions));
        }
        Box::pin(self.ask_together(questions))
    }

    fn listen<'a>(
        &'a self,
        client: ClientId,
        heard: mpsc::Sender<Notice>,
    ) -> NodeFuture<'a, NodeError> {
        Box::pin(async move {
            let kind = self.listen_until_it_breaks(client, heard).await;
            self.error(NodeStep::Wait, kind)
        })
    }

    fn run(&self) -> Option<u64> {
        self.connections.run()
    }

    fn report(&self) -> NodeFuture<'_, Result<Option<ServerReport>, NodeError>> {
        Box::pin(async move {
            if self.connections.is_cluster() {
                return Ok(None);
            }
            let asked = self.within_limit(NodeStep::Ping, |mut on| async move {
                let about: String = redis::cmd("INFO").query_async(&mut on.stream).await?;
                // A user without the right to ask is no failure: the setting stays unknown.
                let mut ask = redis::cmd("CONFIG");
                let ask = ask.arg("GET").arg("appendfsync");
                let answer = ask.query_async::<Vec<String>>(&mut on.stream).await;
                Ok((about, answer.ok().and_then(|pair| pair.into_iter().nth(1))))
            });
            let (about, appendfsync) = asked.await?;
            Ok(Some(ServerReport::read(Arc::clone(&self.address), &about, appendfsync)))
        })
    }

    fn look<'a>(
        &'a self,
        resource: &'a Resource,
    ) -> NodeFuture<'a, Result<Option<Seen>, NodeError>> {
        Box::pin(async { self.see(resource).await.map(Some) })
    }

    fn ping(&self) -> NodeFuture<'_, Result<(), NodeError>> {
        Box::pin(self.within_limit(NodeStep::Ping, |mut on| async move {
            redis::cmd("PING").query_async::<()>(&mut on.stream).await
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
