//! Sends requests a second time, later, on a connection of its own.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncWriteExt as _, copy, sink},
    net::TcpStream,
    time::{Instant, sleep_until},
};

use super::{link::Way, pump::Held, state::Watched};

/// How often one chunk is tried: the server may have closed the connection since the last.
const TRIES: usize = 2;

/// Sends until nothing more can come, and waits until the server has read it all.
pub(super) async fn send(mut held: Held, to: SocketAddr, mut watched: Watched) {
    let mut open: Option<TcpStream> = None;
    while let Some(chunk) = held.recv().await {
        sleep_until(chunk.due).await;
        watched.passes(Way::Requests, Instant::now(), chunk.bytes.len()).await;
        for _ in 0..TRIES {
            let connection = match open.take() {
                Some(connection) => Ok(connection),
                None => TcpStream::connect(to).await,
            };
            let Ok(mut connection) = connection else { continue };
            if write(&mut connection, &chunk.bytes).await.is_ok() {
                open = Some(connection);
                break;
            }
        }
    }
    if let Some(mut connection) = open {
        connection.shutdown().await.ok();
        copy(&mut connection, &mut sink()).await.ok();
    }
}

/// Reads replies meanwhile, since a server whose replies nobody takes reads no requests in the end.
async fn write(connection: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    let ((mut replies, mut requests), mut nobody) = (connection.split(), sink());
    tokio::select! {
        // First, so that a connection that the server has closed is not written to.
        biased;
        _ = copy(&mut replies, &mut nobody) => Err(io::ErrorKind::ConnectionAborted.into()),
        written = requests.write_all(bytes) => written,
    }
}
