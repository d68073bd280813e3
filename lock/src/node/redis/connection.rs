//! The one connection that all questions to a server share, and what is known of the server behind
//! it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool};

use redis::{ErrorKind, RedisError, ServerErrorKind, aio::PubSub};

use super::{
    scripts::Scripts,
    transport::{Stream, Transport},
};
use crate::node::NodeErrorKind;

/// Below this version a server may bring its scripts back after a restart.
const SCRIPTS_ARE_FORGOTTEN_SINCE: u32 = 7;

/// Since when Valkey has `DELIFEQ`, which costs a third of a script.
const DELIFEQ_SINCE_VALKEY: u32 = 9;

/// What servers say of what this client may not do, where they have no code for it: in a script since
/// Redis 7.2, in a script before that, and of a command that was renamed or is not there.
const NO_CODE: [&str; 3] =
    ["ACL failure in script", "The user executing the script can't", "unknown command"];

/// A connection, and which run of which server answers on it.
#[derive(Clone)]
pub(super) struct Connection {
    /// Which connection this is, so that only the first of many failures throws it away.
    pub(super) generation: u64,
    pub(super) stream: Stream,
    pub(super) run: Arc<Run>,
}

/// One run of a server's process.
#[derive(Debug)]
pub(super) struct Run {
    /// The first 16 digits of its run id, as a number; `None` for a cluster, which is many.
    id: Option<u64>,
    /// The scripts, as this run is to be asked with them.
    pub(super) scripts: Scripts,
    /// Whether it has the command that compares and deletes (`DELIFEQ`), and lets us use it.
    pub(super) deletes_by_value: AtomicBool,
}

/// Makes connections, and keeps the one in use.
pub(super) struct Connections {
    transport: Box<dyn Transport>,
    hot: Mutex<Hot>,
    /// Held while the connection is replaced, so that many questions wait for one replacement.
    replacing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Hot {
    generation: u64,
    connection: Option<Connection>,
}

impl Connections {
    pub(super) fn new(transport: Box<dyn Transport>) -> Self {
        let (hot, replacing) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { transport, hot, replacing }
    }

    /// Whether the servers behind it are a cluster.
    pub(super) fn is_cluster(&self) -> bool {
        self.transport.is_cluster()
    }

    /// The connection in use, or a new one.
    pub(super) async fn get(&self) -> Result<Connection, NodeErrorKind> {
        if let Some(connection) = &self.hot().connection {
            return Ok(connection.clone());
        }
        let _one = self.replacing.lock().await;
        if let Some(connection) = &self.hot().connection {
            return Ok(connection.clone());
        }
        let (stream, run) = self.transport.connect().await?;
        let run = Arc::new(run);
        let mut hot = self.hot();
        hot.generation += 1;
        let connection = Connection { generation: hot.generation, stream, run };
        hot.connection = Some(connection.clone());
        Ok(connection)
    }

    /// Which run answered last.
    pub(super) fn run(&self) -> Option<u64> {
        self.hot().connection.as_ref()?.run.id
    }

    /// Throws a connection away that failed in any way: its stream may still hold the answer to an
    /// old question, or be dead.
    pub(super) fn discard(&self, generation: u64) {
        let mut hot = self.hot();
        if hot.generation == generation {
            hot.connection = None;
        }
    }

    /// A connection of its own for messages that the server pushes.
    pub(super) async fn subscription(&self) -> Result<PubSub, NodeErrorKind> {
        self.transport.subscribe().await
    }

    fn hot(&self) -> MutexGuard<'_, Hot> {
        self.hot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connections")
            .field("generation", &self.hot().generation)
            .finish_non_exhaustive()
    }
}

impl Run {
    /// Asks the server which run it is.
    pub(super) async fn of(stream: &mut Stream) -> Result<Self, NodeErrorKind> {
        let asked = redis::cmd("INFO").arg("server").query_async::<String>(stream).await;
        Self::read(&asked.map_err(|error| kind_of(&error))?)
    }

    /// What stands for one where no server is asked alone.
    #[cfg(feature = "cluster")]
    pub(super) fn of_a_cluster() -> Self {
        Self {
            id: None,
            scripts: Scripts::new(super::scripts::OPEN),
            deletes_by_value: AtomicBool::new(false),
        }
    }

    fn read(about: &str) -> Result<Self, NodeErrorKind> {
        let value = |name: &str| {
            about.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'))
        };
        let major = |name: &str| value(name)?.split('.').next()?.parse::<u32>().ok();
        let id = value("run_id").and_then(|run| run.get(..16));
        let number = id.and_then(|id| u64::from_str_radix(id, 16).ok());
        let (Some(id), Some(number), Some(version)) = (id, number, major("redis_version")) else {
            return Err(NodeErrorKind::Rejected(
                "INFO server tells neither run_id nor redis_version".into(),
            ));
        };
        let forgets_scripts = version >= SCRIPTS_ARE_FORGOTTEN_SINCE;
        let deletes_by_value = major("valkey_version").is_some_and(|v| v >= DELIFEQ_SINCE_VALKEY);
        Ok(Self {
            id: Some(number),
            scripts: Scripts::new(if forgets_scripts { id } else { "check" }),
            deletes_by_value: AtomicBool::new(deletes_by_value),
        })
    }
}

/// Reads an error of the client library. What the server said of itself is kept apart from what
/// happened on the way, and a refusal of this client apart from one that may pass.
pub(super) fn kind_of(error: &RedisError) -> NodeErrorKind {
    let denied = matches!(
        error.kind(),
        ErrorKind::AuthenticationFailed
            | ErrorKind::InvalidClientConfig
            | ErrorKind::RESP3NotSupported
    ) || matches!(error.kind(), ErrorKind::Server(ServerErrorKind::NoPerm))
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM" | "DENIED"))
        || error.detail().is_some_and(|detail| NO_CODE.iter().any(|words| detail.contains(words)));
    if denied {
        NodeErrorKind::Denied(error.to_string().into())
    } else if error.is_timeout()
        || error.is_io_error()
        || error.is_connection_dropped()
        // It is no master any more: another connection may lead to the one that is.
        || matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly))
        || error.detail().is_some_and(|detail| detail.contains("READONLY"))
    {
        NodeErrorKind::Broken(error.to_string().into())
    } else {
        NodeErrorKind::Rejected(error.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_to_what_is_no_master_any_more_is_broken() {
        let error = |kind| RedisError::from((ErrorKind::Server(kind), "said by a server"));
        let broken = |kind| matches!(kind_of(&error(kind)), NodeErrorKind::Broken(_));
        assert!(broken(ServerErrorKind::ReadOnly));
        assert!(!broken(ServerErrorKind::CrossSlot));
    }

    #[test]
    fn what_a_script_may_not_do_is_denied_whatever_the_server_calls_it() {
        for said in [
            "ACL failure in script: User lease has no permissions to run the 'mget' command",
            "The user executing the script can't run this command or subcommand script: f608, on",
            "The user executing the script can't access at least one of the keys mentioned in",
        ] {
            let kind = ErrorKind::Server(ServerErrorKind::ResponseError);
            let error = RedisError::from((kind, "An error was signalled", said.to_owned()));
            assert!(matches!(kind_of(&error), NodeErrorKind::Denied(_)), "{said}");
        }
    }

    #[test]
    fn a_run_is_read_from_what_servers_say() {
        let about =
            "# Server\r\nredis_version:7.2.4\r\nrun_id:0123456789abcdef0123\r\nuptime:1\r\n";
        let run = Run::read(about).unwrap();
        assert_eq!(run.id, Some(0x0123_4567_89ab_cdef));
        assert!(!run.deletes_by_value.into_inner());
        let valkey = format!("{about}valkey_version:9.1.2\r\n");
        assert!(Run::read(&valkey).unwrap().deletes_by_value.into_inner());
        for bad in [
            "",
            "redis_version:7.2.4",
            "run_id:short\r\nredis_version:7.0.0",
            "run_id:äääääääääääääää",
        ] {
            assert!(Run::read(bad).is_err(), "{bad:?}");
        }
    }
}
