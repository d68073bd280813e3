//! A replica's sign of life.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::Tally;
use crate::store::Store;

/// How often a replica says that it lives.
pub const BEAT: Duration = Duration::from_secs(1);

/// After how long a replica that was not seen is forgotten, in milliseconds.
const GONE_MS: i64 = 600_000;

/// Says so until `stop`. A database that does not answer is no reason to end: it is asked again.
pub async fn beat(store: Store, replica: Arc<str>, tally: Arc<Tally>, stop: CancellationToken) {
    let started = Instant::now();
    loop {
        let stats = serde_json::to_string(&tally.take()).unwrap_or_default();
        let ago = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
        if let Err(error) = store.beat(&replica, ago, &stats, GONE_MS).await {
            tracing::debug!(%error, "no sign of life could be left");
        }
        tokio::select! {
            () = tokio::time::sleep(BEAT) => {}
            () = stop.cancelled() => return,
        }
    }
}
