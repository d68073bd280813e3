//! One Redis node of the queue: thin, nothing is decided here.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use redis::{
    AsyncConnectionConfig, Client, FromRedisValue, IntoConnectionInfo as _, Pipeline, RedisError,
    Script, Value, aio::MultiplexedConnection, io::tcp::TcpSettings,
};
use tokio::sync::{Mutex, mpsc};
use uuid::Uuid;

use super::{Heard, PARTITIONS, Partition};

/// Commands that are read at once.
const READ_MAX: usize = 1000;

/// Whoever leads. A name of each replica's own would stay in the group for ever.
const CONSUMER: &str = "leader";

/// What every key and channel begins with; the queue's name follows.
const PREFIX: &str = "leasehold:queue";

/// Where a scan begins, and what its end is called.
const FROM_THE_START: &str = "0-0";

/// Who reads what.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) partition: Partition,
    /// Each entry goes to one reader of a group.
    pub(super) group: String,
    /// The fencing token of its lease: nodes refuse older ones.
    pub(super) token: String,
}

/// A command as a node has it.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its name in this node's stream.
    pub(super) name: String,
    /// For how long it has been there, by the node's own clock, in whole seconds.
    pub(super) age: Duration,
    /// Empty if it is none of ours.
    pub(super) text: String,
}

/// A command that is to be taken out of a node: its name there, and its id.
pub(super) type Done = (String, Uuid);

/// Why a node did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("queue node {address}: {what}")]
pub(super) struct NodeError {
    address: Arc<str>,
    what: String,
    /// Whether it is certain that nothing was changed.
    pub(super) nothing_done: bool,
}

pub(super) struct Node {
    address: Arc<str>,
    /// The queue's name.
    name: Arc<str>,
    client: Client,
    timeout: Duration,
    connection: Mutex<Option<MultiplexedConnection>>,
    put: Script,
    read: Script,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Node {
    /// Connects on first use.
    pub(super) fn new(url: &str, name: Arc<str>, timeout: Duration) -> Result<Self, RedisError> {
        let tcp = TcpSettings::default().set_nodelay(true);
        let info = url.into_connection_info()?.set_tcp_settings(tcp);
        let address = info.addr().to_string().into();
        let (client, connection) = (Client::open(info)?, Mutex::default());
        let put = Script::new(include_str!("put.lua"));
        let read = Script::new(include_str!("read.lua"));
        Ok(Self { address, name, client, timeout, connection, put, read })
    }

    /// Does something on the connection within the time limit. A connection that failed is not used
    /// again: an old answer may still be on it.
    async fn within_limit<T, F>(
        &self,
        act: impl FnOnce(MultiplexedConnection) -> F,
    ) -> Result<T, NodeError>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        let mut sent = false;
        let done = tokio::time::timeout(self.timeout, async {
            let connection = self.connect().await?;
            sent = true;
            act(connection).await
        })
        .await;
        let (what, refused) = match done {
            Ok(Ok(value)) => return Ok(value),
            // The server read it and said no.
            Ok(Err(error)) => (error.to_string(), error.code().is_some()),
            Err(_) => (format!("no answer within {:?}", self.timeout), false),
        };
        if sent && !refused {
            *self.connection.lock().await = None;
        }
        let nothing_done = !sent || refused;
        Err(NodeError { address: Arc::clone(&self.address), what, nothing_done })
    }

    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut held = self.connection.lock().await;
        if let Some(connection) = &*held {
            return Ok(connection.clone());
        }
        // The one limit is around everything.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(None);
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        *held = Some(connection.clone());
        Ok(connection)
    }

    async fn ask<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, NodeError> {
        self.within_limit(|mut on| async move { pipeline.query_async(&mut on).await }).await
    }

    /// What it has of a partition: the stream, the highest place, the ids of what waits.
    fn keys(&self, partition: Partition) -> [String; 3] {
        let stream = format!("{PREFIX}:{{{}/{partition}}}", self.name);
        [stream.clone(), format!("{stream}:highest"), format!("{stream}:waiting")]
    }

    /// Where is rung when something was put into a partition.
    fn bell(&self) -> String {
        format!("{PREFIX}:{}:bell", self.name)
    }

    /// Where a replica is told what has run.
    fn told(&self, replica: &str) -> String {
        format!("{PREFIX}:{}:told:{replica}", self.name)
    }

    /// The highest place given in a partition, as far as this node knows; 0 for none.
    pub(super) async fn highest(&self, partition: Partition) -> Result<u64, NodeError> {
        let [_, highest, _] = self.keys(partition);
        let (number,): (Option<u64>,) = self.ask(redis::pipe().get(highest)).await?;
        Ok(number.unwrap_or(0))
    }

    /// Puts commands in, all or none; `false` when there is no room.
    pub(super) async fn put(
        &self,
        partition: Partition,
        number: u64,
        commands: &[(Uuid, String)],
        most: usize,
    ) -> Result<bool, NodeError> {
        let mut call = self.put.prepare_invoke();
        for key in self.keys(partition) {
            let _call = call.key(key);
        }
        let _call = call.arg(most).arg(number).arg(self.bell()).arg(partition.to_string());
        for (id, text) in commands {
            let _call = call.arg(id.to_string()).arg(text);
        }
        self.within_limit(|mut on| async move { call.invoke_async(&mut on).await }).await
    }

    /// In which partitions something waits.
    pub(super) async fn waiting(&self) -> Result<Vec<Partition>, NodeError> {
        let mut pipeline = redis::pipe();
        for partition in Partition::all() {
            let [stream, ..] = self.keys(partition);
            let _pipeline = pipeline.cmd("XLEN").arg(stream);
        }
        let counts: Vec<u64> = self.ask(&pipeline).await?;
        Ok(Partition::all().zip(counts).filter(|(_, count)| *count > 0).map(|(p, _)| p).collect())
    }

    /// Whether a command waits.
    pub(super) async fn has(&self, partition: Partition, id: Uuid) -> Result<bool, NodeError> {
        let [_, _, waiting] = self.keys(partition);
        let (is_member,): (bool,) =
            self.ask(redis::pipe().sismember(waiting, id.to_string())).await?;
        Ok(is_member)
    }

    /// Takes over what was read before and not taken out. With a higher number of the takeover, questions
    /// of those before are refused that come late.
    pub(super) async fn adopt(
        &self,
        reading: &Reading,
        takeover: u32,
    ) -> Result<Vec<Entry>, NodeError> {
        let (mut found, mut cursor) = (Vec::new(), FROM_THE_START.to_owned());
        loop {
            let (next, some) = self.read_some(reading, takeover, &cursor, &[]).await?;
            found.extend(some.into_iter().flatten());
            if next == FROM_THE_START {
                return Ok(found);
            }
            cursor = next;
        }
    }

    /// Takes out what has run, and reads all that is new.
    pub(super) async fn read(
        &self,
        reading: &Reading,
        takeover: u32,
        mut done: &[Done],
    ) -> Result<Vec<Entry>, NodeError> {
        let mut found = Vec::new();
        loop {
            let (_none, some) = self.read_some(reading, takeover, "", done).await?;
            // Also what cannot be read: behind it there may be more.
            let count = some.len();
            found.extend(some.into_iter().flatten());
            if count < READ_MAX {
                return Ok(found);
            }
            done = &[];
        }
    }

    async fn read_some(
        &self,
        reading: &Reading,
        takeover: u32,
        cursor: &str,
        done: &[Done],
    ) -> Result<(String, Vec<Option<Entry>>), NodeError> {
        let [stream, _, waiting] = self.keys(reading.partition);
        let mut call = self.read.key(&stream);
        let _call = call.key(format!("{stream}:leader")).key(waiting);
        let leader = format!("{}/{takeover:010}", reading.token);
        let _call = call.arg(leader).arg(&reading.group).arg(CONSUMER).arg(READ_MAX);
        let _call = call.arg(cursor).arg(done.len());
        for (name, _) in done {
            let _call = call.arg(name);
        }
        for (_, id) in done {
            let _call = call.arg(id.to_string());
        }
        let (now, next, list): (u64, String, Vec<Value>) =
            self.within_limit(|mut on| async move { call.invoke_async(&mut on).await }).await?;
        Ok((next, list.into_iter().map(|value| entry(value, now)).collect()))
    }

    /// Tells a replica which commands have run.
    pub(super) async fn tell(&self, replica: &str, ids: &str) -> Result<(), NodeError> {
        self.ask(redis::pipe().publish(self.told(replica), ids).ignore()).await
    }

    /// Passes on what is rung and told, until the connection breaks or nobody listens.
    pub(super) async fn listen(&self, replica: &str, heard: &mpsc::Sender<Heard>) -> String {
        let (bell, told) = (self.bell(), self.told(replica));
        let subscribing = tokio::time::timeout(self.timeout, async {
            let mut messages = self.client.get_async_pubsub().await?;
            messages.subscribe(&[&bell, &told]).await?;
            Ok::<_, RedisError>(messages.into_on_message())
        });
        let mut messages = match subscribing.await {
            Ok(Ok(messages)) => messages,
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return format!("no answer within {:?}", self.timeout),
        };
        loop {
            let message = tokio::select! {
                message = messages.next() => message,
                () = heard.closed() => return "nobody listens".to_owned(),
            };
            let Some(message) = message else { return "the connection ended".to_owned() };
            let Ok(text) = message.get_payload::<String>() else { continue };
            let news = if message.get_channel_name() == bell {
                text.parse().ok().and_then(Partition::of_number).map(Heard::Rung)
            } else {
                let ids = text.split(',').filter_map(|id| Uuid::try_parse(id).ok());
                Some(Heard::Told(ids.collect()))
            };
            // What is not heard is found out by looking now and then.
            if let Some(news) = news {
                let _full = heard.try_send(news);
            }
        }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }
}

/// Reads an entry: its name and its fields. `None` for one that was taken out meanwhile.
fn entry(value: Value, now_seconds: u64) -> Option<Entry> {
    let (name, fields): (String, Vec<String>) = FromRedisValue::from_redis_value(value).ok()?;
    let since_ms: u64 = name.split('-').next()?.parse().ok()?;
    let age = Duration::from_secs(now_seconds.saturating_sub(since_ms / 1000));
    let text = match <[String; 2]>::try_from(fields) {
        Ok([field, text]) if field == "command" => text,
        _ => String::new(),
    };
    Some(Entry { name, age, text })
}

const _: () = assert!(PARTITIONS > 0, "a sale has a partition");
