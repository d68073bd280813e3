//! What all connections of a proxy watch.

use std::{future::poll_fn, io, net::SocketAddr};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Duration, Instant, sleep},
};

use super::link::{Link, Turn, Way};

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    pub(super) link: Link,
    /// How often connections were reset. A count, so that nobody misses it when the link is open again.
    pub(super) breaks: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Watched(pub(super) watch::Receiver<State>);

impl Watched {
    pub(super) fn link(&self) -> Link {
        self.0.borrow().link
    }

    /// The next connection, and the state when it was accepted, which cannot change in between.
    pub(super) async fn accept(
        &self,
        listener: &TcpListener,
    ) -> (io::Result<(TcpStream, SocketAddr)>, State) {
        poll_fn(|context| {
            let state = self.0.borrow();
            listener.poll_accept(context).map(|accepted| (accepted, *state))
        })
        .await
    }

    /// Returns when connections were reset since there were so many breaks.
    pub(super) async fn broken(mut self, since: u64) {
        while self.0.borrow_and_update().breaks == since {
            self.changed().await;
        }
    }

    /// Returns when something may be sent this way, at `due` if the link delays: how many of so many bytes.
    pub(super) async fn passes(&mut self, way: Way, due: Instant, bytes: usize) -> usize {
        loop {
            let link = self.0.borrow_and_update().link;
            match link.turn(way, due.saturating_duration_since(Instant::now()), bytes) {
                Turn::Held => self.changed().await,
                Turn::After(Duration::ZERO, passing) => return passing,
                Turn::After(pause, passing) => tokio::select! {
                    () = self.changed() => {}
                    () = sleep(pause) => return passing,
                },
            }
        }
    }

    async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // The proxy is gone, and our task is about to be.
            std::future::pending::<()>().await;
        }
    }
}
