//! Lives through a schedule: each fault at its time, each undone, and never for ever.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::{
    task::JoinSet,
    time::{sleep_until, timeout},
};

use super::{POLL, Plan, Watch};
use crate::{
    fault::{Fault, Happened, Planned, Victim},
    load::Journal,
    site::Site,
};

/// How long it may take to bring a fault about, or to undo it. Most take milliseconds; a server that is started again
/// on a busy machine takes tens of seconds.
const FAULT_LIMIT: Duration = Duration::from_secs(180);

/// A fault that could be neither brought about nor undone in time.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stuck {
    /// What was tried.
    step: &'static str,
    fault: Fault,
    limit: Duration,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, fault, limit } = self;
        write!(f, "{step} \"{}\" did not end within {limit:?}", fault.about())
    }
}

impl std::error::Error for Stuck {}

/// A step of a fault, within a limit; errors name both.
async fn within(
    limit: Duration,
    step: &'static str,
    fault: Fault,
    doing: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    match timeout(limit, doing).await {
        Ok(done) => done.with_context(|| format!("{step} \"{}\"", fault.about())),
        Err(_) => Err(Stuck { step, fault, limit }.into()),
    }
}

/// What a fault has while it lasts. Dropping it lets others have it.
struct Turn {
    planned: Planned,
    under_way: Arc<Mutex<Vec<Planned>>>,
}

impl Turn {
    /// Waits until nothing under way is in its way: on a busy machine the one before it may take longer
    /// than it was to, and who is not there yet can be neither killed nor stopped.
    async fn of(planned: Planned, under_way: &Arc<Mutex<Vec<Planned>>>) -> Self {
        loop {
            {
                let mut others = lock(under_way);
                if !others.iter().any(|other| other.fault.clashes(planned.fault)) {
                    others.push(planned);
                    return Self { planned, under_way: Arc::clone(under_way) };
                }
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.under_way).retain(|other| *other != self.planned);
    }
}

/// Lives through the schedule, and returns what really happened when.
pub(super) async fn break_and_mend(
    site: &Arc<Site>,
    plan: &Plan,
    begun: Instant,
    journal: &Journal,
    watch: &dyn Watch,
) -> anyhow::Result<Vec<Happened>> {
    let under_way: Arc<Mutex<Vec<Planned>>> = Arc::default();
    let mut faults = JoinSet::new();
    for planned in plan.schedule.faults.iter().copied() {
        let (site, under_way) = (Arc::clone(site), Arc::clone(&under_way));
        faults.spawn(async move {
            sleep_until((begun + planned.at).into()).await;
            let _turn = Turn::of(planned, &under_way).await;
            let at = begun.elapsed();
            // One that began late lasts as long all the same: nothing is undone before it has happened.
            let ends = begun + planned.ends().max(at + planned.lasts);
            let fault = planned.fault;
            within(FAULT_LIMIT, "beginning", fault, site.inject(fault)).await?;
            let met = match fault {
                Fault::KillBeforeWrite | Fault::PauseBeforeWrite => {
                    let met = site.met("before_write", ends).await;
                    met.map(|replica| (replica, begun.elapsed()))
                }
                Fault::KillAfterWrite => {
                    let met = site.met("after_write", ends).await;
                    met.map(|replica| (replica, begun.elapsed()))
                }
                Fault::Kill(Victim::Replica(replica)) | Fault::Pause(Victim::Replica(replica)) => {
                    Some((replica, at))
                }
                _ => None,
            };
            sleep_until(ends.into()).await;
            within(FAULT_LIMIT, "undoing", fault, site.undo(fault)).await?;
            let fault = Planned { at, lasts: begun.elapsed() - at, ..planned };
            anyhow::Ok(Happened { fault, met })
        });
    }
    let done = AtomicUsize::new(0);
    let watching = async {
        while done.load(Ordering::Relaxed) == 0 {
            let answered = journal.lock().unwrap_or_else(PoisonError::into_inner).len();
            let now = lock(&under_way).clone();
            watch.now(begun.elapsed(), answered, &now);
            tokio::time::sleep(POLL).await;
        }
    };
    let living = async {
        let mut real = Vec::new();
        let mut failed = None;
        while let Some(ended) = faults.join_next().await {
            match ended {
                Ok(Ok(happened)) => real.push(happened),
                // The others are still undone.
                Ok(Err(error)) => failed = failed.or(Some(error)),
                Err(error) => failed = failed.or(Some(error.into())),
            }
        }
        sleep_until((begun + plan.length).into()).await;
        done.store(1, Ordering::Relaxed);
        real.sort_unstable_by_key(|happened| happened.fault.at);
        failed.map_or(Ok(real), Err)
    };
    tokio::join!(living, watching).0
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_hangs_is_named_and_who_fails_too() {
        let fault = Fault::Kill(Victim::Postgres);
        let hangs = within(Duration::ZERO, "undoing", fault, std::future::pending()).await;
        let error = hangs.unwrap_err();
        let stuck = Stuck { step: "undoing", fault, limit: Duration::ZERO };
        assert_eq!(error.downcast_ref::<Stuck>(), Some(&stuck));
        assert_eq!(error.to_string(), "undoing \"kill postgres\" did not end within 0ns");
        let fails = async { anyhow::bail!("no such server") };
        let error = within(FAULT_LIMIT, "beginning", fault, fails).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "beginning \"kill postgres\": no such server");
    }
}
