//! What a load balancer asks.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::Instant};

use crate::{code, error, problem::Problem};

/// `GET /livez`: the process answers. It says nothing about the servers behind it: restarting this
/// process would not bring them back.
#[expect(clippy::unused_async, reason = "handlers are asynchronous")]
pub async fn live() -> &'static str {
    "ok\n"
}

/// For how long what was seen of the servers behind is told: anybody may ask, as often as they like.
const SEEN_FOR: Duration = Duration::from_millis(200);

/// When it was looked, and why nothing can be done here, if so.
type Seen = (Instant, Result<(), String>);

/// Whether the servers behind can be used, as it was seen last. Cloning is cheap and shares it.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<Option<Seen>>>);

impl Readiness {
    /// The answer to `GET /readyz`: looks at the servers behind, unless that was done in the last 200 ms.
    /// Whoever asks meanwhile waits for the same look. Its error is for the log.
    ///
    /// # Errors
    ///
    /// A problem with the code `draining` once the replica is about to stop, and else `unavailable` if the
    /// look fails.
    pub async fn answer(
        &self,
        is_draining: bool,
        look: impl AsyncFnOnce() -> Result<(), String>,
    ) -> Result<&'static str, Problem> {
        if is_draining {
            return Err(code::DRAINING.says("this replica is about to stop"));
        }
        self.seen(look).await.map_err(|why| error::unavailable(&why))?;
        Ok("ready\n")
    }

    async fn seen(&self, look: impl AsyncFnOnce() -> Result<(), String>) -> Result<(), String> {
        let mut seen = self.0.lock().await;
        match &*seen {
            Some((at, told)) if at.elapsed() < SEEN_FOR => told.clone(),
            _ => {
                let told = look().await;
                *seen = Some((Instant::now(), told.clone()));
                told
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_crowd_looks_once() {
        let (readiness, looks) = (Readiness::default(), AtomicUsize::new(0));
        let look = async || {
            let _before = looks.fetch_add(1, Ordering::Relaxed);
            Err("away".to_owned())
        };
        for _ in 0..2 {
            let code = readiness.answer(true, look).await.unwrap_err().code();
            assert_eq!((code, looks.load(Ordering::Relaxed)), ("draining", 0));
        }
        let (one, other) =
            tokio::join!(readiness.answer(false, look), readiness.answer(false, look));
        assert_eq!([one, other].map(|told| told.unwrap_err().code()), ["unavailable"; 2]);
        assert_eq!(looks.load(Ordering::Relaxed), 1);
        tokio::time::sleep(SEEN_FOR).await;
        assert_eq!(readiness.answer(false, async || Ok(())).await.unwrap(), "ready\n");
    }
}
