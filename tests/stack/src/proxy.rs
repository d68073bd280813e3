//! What the network does between one client and one server, as a verb: a TCP proxy in this process.
//!
//! It knows no protocol: what it delays, holds or repeats are the bytes of one read, which is a whole request of
//! all who write one at a time.

mod again;
mod connection;
mod link;
mod pump;
mod state;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::{Duration, sleep},
};

pub use self::link::Link;
use self::state::{State, Watched};
use crate::{ports::free_port, readiness::PORT_ATTEMPTS};

/// Pause after a connection that could not be accepted: too many files are open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A TCP proxy on loopback between one client side and one server. It begins with [`Link::Open`].
///
/// Dropping it closes its port and all its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    /// The same socket as the one that accepts: whoever breaks connections also breaks those that the kernel
    /// has and the proxy has not seen yet.
    backlog: std::net::TcpListener,
    accepting: AbortHandle,
}

impl Proxy {
    /// Listens on a port of its own for connections to `to`, which need not be there yet. Its tasks are the
    /// runtime's of this call: while a test blocks that, nothing passes.
    ///
    /// # Errors
    /// When it finds no port to listen on.
    #[expect(
        clippy::unused_async,
        reason = "it belongs to a runtime, and is a verb like the others"
    )]
    pub async fn start(to: SocketAddr) -> anyhow::Result<Self> {
        Self::listening_at(IpAddr::V4(Ipv4Addr::LOCALHOST), to)
    }

    pub(crate) fn listening_at(ip: IpAddr, to: SocketAddr) -> anyhow::Result<Self> {
        let backlog = listen(ip).with_context(|| format!("proxy at {ip} to {to}"))?;
        backlog.set_nonblocking(true)?;
        let address = backlog.local_addr()?;
        let listener = TcpListener::from_std(backlog.try_clone()?)?;
        let (state, watched) = watch::channel(State::default());
        let accepting = tokio::spawn(accept(listener, to, Watched(watched))).abort_handle();
        Ok(Self { address, state, backlog, accepting })
    }

    /// Where it listens. It stays the same, whatever the link does.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what the network does, at once and for existing connections too. What was held passes as soon as
    /// the new link lets it.
    pub fn set(&self, link: Link) {
        self.state.send_modify(|state| {
            state.link = link;
            if link == Link::Cut {
                self.reset(state);
            }
        });
    }

    /// What the network does now.
    #[must_use]
    pub fn link(&self) -> Link {
        self.state.borrow().link
    }

    /// Resets all connections, with what is held in them. The link stays as it is, and new ones are accepted.
    pub fn break_connections(&self) {
        self.state.send_modify(|state| self.reset(state));
    }

    /// Only under the lock of the state, so that none is accepted meanwhile.
    fn reset(&self, state: &mut State) {
        state.breaks += 1;
        while let Ok((unseen, _)) = self.backlog.accept() {
            if let Ok(unseen) =
                unseen.set_nonblocking(true).and_then(|()| TcpStream::from_std(unseen))
            {
                connection::reset(unseen);
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Not at port 0, for the reason that stands at [`free_port`].
fn listen(ip: IpAddr) -> anyhow::Result<std::net::TcpListener> {
    let mut attempt = 1;
    loop {
        match std::net::TcpListener::bind((ip, free_port()?)) {
            Ok(listener) => return Ok(listener),
            Err(_) if attempt < PORT_ATTEMPTS => attempt += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

async fn accept(listener: TcpListener, to: SocketAddr, watched: Watched) {
    // Dropped with this task, and all connections with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            (accepted, state) = watched.accept(&listener) => match accepted {
                Ok((client, _)) if state.link == Link::Cut => connection::reset(client),
                Ok((client, _)) => {
                    connections.spawn(connection::serve(client, to, state.breaks, watched.clone()));
                }
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
        }
    }
}
