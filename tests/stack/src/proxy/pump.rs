//! One direction of a connection: what was read waits here, in order, until the link lets it pass.

use std::{io, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::Instant,
};

use super::{
    link::{Link, Way},
    state::Watched,
};

/// How much is read at once.
const CHUNK_MAX: usize = 64 * 1024;
/// How much is held in one direction. Beyond it nothing is read, and the sender feels that the other side reads
/// nothing, as with a real network.
const HELD_MAX: usize = 1024 * 1024;

/// What was read at once.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) bytes: Vec<u8>,
    pub(super) due: Instant,
    _room: OwnedSemaphorePermit,
}

pub(super) type Held = mpsc::UnboundedReceiver<Chunk>;

/// Where chunks are put to wait. Unbounded in their number, since it is their bytes that are counted.
#[derive(Debug)]
pub(super) struct Entry {
    chunks: mpsc::UnboundedSender<Chunk>,
    room: Arc<Semaphore>,
}

pub(super) fn queue() -> (Entry, Held) {
    let (chunks, held) = mpsc::unbounded_channel();
    (Entry { chunks, room: Arc::new(Semaphore::new(HELD_MAX)) }, held)
}

impl Entry {
    /// Waits for room.
    async fn put(&self, bytes: &[u8], due: Instant) {
        let wanted = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let Ok(room) = Arc::clone(&self.room).acquire_many_owned(wanted).await else { return };
        // With nobody there to deliver it, it is lost, as on a wire.
        self.chunks.send(Chunk { bytes: bytes.to_vec(), due, _room: room }).ok();
    }
}

/// Carries all bytes one way and then the end of them. An error says that the sender's side was reset, after
/// what came before it was delivered.
///
/// When the receiver is gone it reads on to the end and throws away, so that the other direction, in which
/// something may still be held, ends by itself.
pub(super) async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    way: Way,
    watched: Watched,
    again: Option<Entry>,
) -> io::Result<()> {
    let (entry, mut held) = queue();
    let mut deciding = watched.clone();
    let delivered = {
        let mut reading = std::pin::pin!(read(&mut from, entry, &watched, again));
        let mut delivering = std::pin::pin!(deliver(&mut held, &mut to, way, &mut deciding));
        tokio::select! {
            end = &mut reading => delivering.await.map(|()| end),
            failed = &mut delivering => failed.map(Ok),
        }
    };
    let Ok(end) = delivered else {
        return tokio::io::copy(&mut from, &mut tokio::io::sink()).await.map(drop);
    };
    deciding.passes(way, Instant::now(), 1).await;
    if end.is_ok() {
        to.shutdown().await.ok();
    }
    end
}

async fn read(
    from: &mut (impl AsyncRead + Unpin),
    entry: Entry,
    watched: &Watched,
    again: Option<Entry>,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_MAX];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let (link, now) = (watched.link(), Instant::now());
        if let (Link::Twice { after }, Some(again)) = (link, &again) {
            again.put(&buffer[..count], now + after).await;
        }
        entry.put(&buffer[..count], now + link.delay()).await;
    }
}

async fn deliver(
    held: &mut Held,
    to: &mut (impl AsyncWrite + Unpin),
    way: Way,
    watched: &mut Watched,
) -> io::Result<()> {
    while let Some(chunk) = held.recv().await {
        let mut rest = chunk.bytes.as_slice();
        while !rest.is_empty() {
            let passing = watched.passes(way, chunk.due, rest.len()).await;
            to.write_all(&rest[..passing]).await?;
            rest = &rest[passing..];
        }
    }
    Ok(())
}
