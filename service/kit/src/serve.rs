//! Listening, and stopping without one failed request.

mod listener;

use std::{convert::Infallible, future::Future, io, pin::pin, sync::Arc, time::Duration};

use axum::{extract::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use nix::sys::{
    resource::{Resource, getrlimit, setrlimit},
    socket::{setsockopt, sockopt::TcpUserTimeout},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
};
use tower::Service;

use self::listener::Connection;
pub use self::listener::{Listener, SocketFile};
use crate::tls::Tls;

/// Files kept for other things than connections of clients.
const OPEN_FILES_KEPT: u64 = 128;

/// What most systems allow if they do not say.
const OPEN_FILES_USUAL: u64 = 1024;

/// Files that a process may open at most: more are of no use to it.
const OPEN_FILES_MAX: u64 = 65_536;

/// How long what was sent to a client may stay without an answer of its machine: then it is gone, and what
/// it had open is closed. Streams are written to every 15 seconds, so they end soon after.
const GONE_AFTER: Duration = Duration::from_secs(20);

/// Limits of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections served at once; further ones wait unaccepted. Default: 20,000.
    pub connections_max: usize,
    /// How long a client may take to agree on TLS. Default: 10 s.
    pub handshake_timeout: Duration,
    /// How long a client may take to send the head of a request, also on an idle connection that
    /// is kept alive. Default: 30 s.
    pub header_timeout: Duration,
    /// Largest head of a request, in bytes. Default: 32 KiB.
    pub head_bytes_max: usize,
    /// How long requests under way may take once stopping has begun. Default: 10 s.
    pub stop_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 20_000,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(30),
            head_bytes_max: 32 * 1024,
            stop_timeout: Duration::from_secs(10),
        }
    }
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Every request under way was answered.
    Clean,
    /// Some were cut off after [`Limits::stop_timeout`].
    CutOff,
}

/// What becomes of a connection that was accepted.
struct Serving<S> {
    http: http1::Builder,
    app: S,
    tls: Option<Tls>,
    handshake_timeout: Duration,
}

impl<S> Serving<S>
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    /// Agrees on TLS if that is wanted, and answers requests until one side has enough.
    async fn connection(&self, connection: Connection, watcher: Watcher) {
        let stream = match connection {
            Connection::Tcp(stream) => stream,
            // It never leaves the machine.
            Connection::Unix(stream) => return self.requests(stream, watcher).await,
        };
        // Small answers must not wait for the acknowledgement of the one before.
        let _best_effort = stream.set_nodelay(true);
        let gone_after = u32::try_from(GONE_AFTER.as_millis()).unwrap_or(u32::MAX);
        let _best_effort = setsockopt(&stream, TcpUserTimeout, &gone_after);
        let Some(tls) = &self.tls else { return self.requests(stream, watcher).await };
        // On the heap: a connection without TLS, of which there may be thousands, has no room for it.
        let handshake = Box::pin(tls.acceptor().accept(stream));
        match tokio::time::timeout(self.handshake_timeout, handshake).await {
            Ok(Ok(stream)) => Box::pin(self.requests(stream, watcher)).await,
            Ok(Err(error)) => tracing::debug!(%error, "no agreement on TLS"),
            Err(_) => tracing::debug!("no agreement on TLS in time"),
        }
    }

    async fn requests<I>(&self, io: I, watcher: Watcher)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = TowerToHyperService::new(self.app.clone());
        let connection = self.http.serve_connection(TokioIo::new(io), service);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "connection ended");
        }
    }
}

/// Serves until `stop` ends, then stops accepting, lets requests under way finish, and returns.
///
/// With `tls`, every connection to a port begins with a handshake.
///
/// Not `axum::serve`: that one arms no timer, so a client that sends half a request head holds its
/// connection for ever; and its graceful stop has no deadline.
pub async fn serve<S>(
    listener: impl Into<Listener>,
    tls: Option<Tls>,
    app: S,
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> Stopped
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
{
    let listener = listener.into();
    let mut http = http1::Builder::new();
    let _same = http
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.head_bytes_max);
    let handshake_timeout = limits.handshake_timeout;
    let serving = Arc::new(Serving { http, app, tls, handshake_timeout });
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let mut stop = pin!(stop);
    let start = |stream: Connection, place: Option<_>| {
        // Each in a task of its own, the handshake too: a slow one keeps nobody waiting.
        let (serving, watcher) = (Arc::clone(&serving), graceful.watcher());
        drop(tokio::spawn(async move {
            serving.connection(stream, watcher).await;
            drop(place);
        }));
    };
    loop {
        let place = tokio::select! {
            biased;
            () = &mut stop => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: spinning would not bring them back.
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        start(stream, Some(place.ok()));
    }
    // Whoever connected before the listener closes is served too.
    while let Ok(Ok(stream)) = tokio::time::timeout(Duration::ZERO, listener.accept()).await {
        start(stream, None);
    }
    drop(listener);
    match tokio::time::timeout(limits.stop_timeout, graceful.shutdown()).await {
        Ok(()) => Stopped::Clean,
        Err(_) => Stopped::CutOff,
    }
}

/// Lets this process open as many files as the system allows, and says how many that is: each
/// connection is one, and the usual limit of 1024 is soon reached.
#[must_use]
pub fn raise_open_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return OPEN_FILES_USUAL };
    let wanted = hard.min(OPEN_FILES_MAX).max(soft);
    match setrlimit(Resource::RLIMIT_NOFILE, wanted, hard) {
        Ok(()) => wanted,
        Err(_) => soft,
    }
}

impl Limits {
    /// The defaults, but no more connections than open files allow, with some to spare for the
    /// servers behind.
    #[must_use]
    pub fn within(open_files: u64) -> Self {
        let spare =
            usize::try_from(open_files.saturating_sub(OPEN_FILES_KEPT)).unwrap_or(usize::MAX);
        let defaults = Self::default();
        Self { connections_max: defaults.connections_max.min(spare.max(16)), ..defaults }
    }
}

/// Waits for SIGTERM or SIGINT.
///
/// # Errors
///
/// When the process cannot listen for signals.
pub async fn terminated() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
