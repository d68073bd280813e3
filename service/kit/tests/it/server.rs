//! A server for one test.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, routing::get};
use leasehold_kit::{
    serve::{Limits, Stopped, serve},
    tls::Tls,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

/// How long a test waits for what must happen.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A wait that must not be waited for: far longer than a test may take.
pub(crate) const NEVER: Duration = Duration::from_secs(3600);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Stopped>,
}

impl Server {
    /// Answers `/` at once, and `/slow` a little later.
    pub(crate) async fn start(tls: Option<Tls>, limits: Limits) -> Self {
        let slow = || async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            "late"
        };
        let app = Router::new().route("/", get(|| async { "here" })).route("/slow", get(slow));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(serve(listener, tls, app, limits, async {
            let _dropped = stopped.await;
        }));
        Self { address, stop, serving }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(crate) async fn stop(self) -> Stopped {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap()
    }
}

/// What is told on this connection after `said`, until the other end closes it.
pub(crate) async fn told(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    said: impl Into<String>,
) -> String {
    stream.write_all(said.into().as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let mut told = Vec::new();
    // An end without a farewell is one as well.
    let _end = tokio::time::timeout(LIMIT, stream.read_to_end(&mut told)).await.unwrap();
    String::from_utf8(told).unwrap()
}

/// A whole request, after which the connection is closed.
pub(crate) fn get_once(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
}
