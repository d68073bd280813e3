//! One connection of a client, and the one to the server that belongs to it.

use std::net::SocketAddr;

use tokio::{net::TcpStream, time::Instant};

use super::{
    again,
    link::Way,
    pump::{Entry, pump, queue},
    state::Watched,
};

/// Serves a client to the end, and what is to be sent again after that. `breaks` are those before it came.
pub(super) async fn serve(client: TcpStream, to: SocketAddr, breaks: u64, watched: Watched) {
    let (again, held) = queue();
    let repeating = async {
        tokio::select! {
            () = watched.clone().broken(breaks) => {}
            () = again::send(held, to, watched.clone()) => {}
        }
    };
    tokio::join!(carry(client, to, breaks, watched.clone(), again), repeating);
}

/// Closes it with a reset, whatever is still on the way.
pub(super) fn reset(stream: TcpStream) {
    stream.set_zero_linger().ok();
    drop(stream);
}

async fn carry(
    mut client: TcpStream,
    to: SocketAddr,
    breaks: u64,
    mut watched: Watched,
    again: Entry,
) {
    let mut broken = std::pin::pin!(watched.clone().broken(breaks));
    let reaching = async {
        // The first packet of a connection goes the way of the others.
        watched.passes(Way::Requests, Instant::now(), 1).await;
        TcpStream::connect(to).await
    };
    let server = tokio::select! {
        biased;
        () = &mut broken => return reset(client),
        server = reaching => server,
    };
    let Ok(mut server) = server else { return reset(client) };
    for stream in [&client, &server] {
        // Delays are the link's business.
        stream.set_nodelay(true).ok();
    }
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let requests = pump(from_client, to_server, Way::Requests, watched.clone(), Some(again));
    let replies = pump(from_server, to_client, Way::Replies, watched.clone(), None);
    let is_tidy = tokio::select! {
        biased;
        () = &mut broken => false,
        ended = async { tokio::try_join!(requests, replies) } => ended.is_ok(),
    };
    if !is_tidy {
        reset(server);
        reset(client);
    }
}
