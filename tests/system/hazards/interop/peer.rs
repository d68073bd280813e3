//! A foreign lock, whatever language it is written in.

use std::{path::Path, time::Duration};

use rslock::{Lock, LockManager};

use super::{
    install::{NODE, PYTHON},
    program::Program,
};

/// Which library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Library {
    /// The crate rslock: quorum.
    Rslock,
    /// npm's redlock 4: quorum.
    Redlock4,
    /// npm's redlock 5: quorum.
    Redlock5,
    /// redis-py's `Lock`: one node.
    RedisPy,
}

/// What a library said to a request. That it is broken, or a node, fails the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    /// Another holder has it.
    Refused,
}

/// One user of a foreign library, with at most one lock.
#[derive(Debug)]
pub(super) enum Peer {
    Rslock { manager: LockManager, lock: Option<Lock> },
    Program(Box<Program>),
}

impl Peer {
    /// A user of the library on these nodes, with its log in the folder; `None` after saying that
    /// the library cannot be had.
    pub(super) async fn start(library: Library, urls: &[String], logs: &Path) -> Option<Self> {
        let (language, script) = match library {
            Library::Rslock => {
                let mut manager = LockManager::new(urls.to_vec());
                // One try for a request, as with the others: the tests do the waiting.
                manager.set_retry(1, Duration::from_millis(1));
                return Some(Self::Rslock { manager, lock: None });
            }
            Library::Redlock4 => (NODE, "redlock4.mjs"),
            Library::Redlock5 => (NODE, "redlock5.mjs"),
            Library::RedisPy => (PYTHON, "redis_py.py"),
        };
        let program = Program::start(&language, script, urls, logs.join(script)).await?;
        Some(Self::Program(Box::new(program)))
    }

    /// Tries once to get the lock.
    pub(super) async fn acquire(&mut self, name: &str, ttl: Duration) -> Answer {
        match self {
            Self::Rslock { manager, lock } => {
                // Every error of it may be a refusal: it does not say which are.
                let Ok(acquired) = manager.lock(name, ttl).await else { return Answer::Refused };
                *lock = Some(acquired);
                Answer::Done
            }
            Self::Program(program) => {
                let request = format!("acquire {name} {}", ttl.as_millis());
                program.ask(&request, ["granted", "held"]).await
            }
        }
    }

    /// Lets the lock last this long from now.
    pub(super) async fn extend(&mut self, ttl: Duration) -> Answer {
        match self {
            Self::Rslock { manager, lock } => {
                match manager.extend(lock.as_ref().unwrap(), ttl).await {
                    Ok(extended) => *lock = Some(extended),
                    Err(_) => return Answer::Refused,
                }
                Answer::Done
            }
            Self::Program(program) => {
                program.ask(&format!("extend {}", ttl.as_millis()), ["extended", "lost"]).await
            }
        }
    }

    /// Gives the lock back. rslock does not say whether it still had it: its answer is no claim.
    pub(super) async fn release(&mut self) -> Answer {
        match self {
            Self::Rslock { lock, .. } => {
                lock.take().unwrap().release().await;
                Answer::Done
            }
            Self::Program(program) => program.ask("release", ["released", "lost"]).await,
        }
    }
}
