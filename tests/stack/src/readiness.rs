//! Waits until a server that was just started answers, or says why it will not.

use std::time::{Duration, Instant};

use crate::process::Process;

/// How long a server may take to answer: crash recovery on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long one question may take.
const PROBE_LIMIT: Duration = Duration::from_secs(5);
/// How often it is asked.
const POLL: Duration = Duration::from_millis(10);
/// How many ports to try before giving up.
pub(crate) const PORT_ATTEMPTS: usize = 5;

/// Why a server did not start.
#[derive(Debug)]
pub(crate) enum StartError {
    /// Somebody else has its port: another port may do.
    PortTaken(anyhow::Error),
    /// Anything else.
    Failed(anyhow::Error),
}

impl From<StartError> for anyhow::Error {
    fn from(error: StartError) -> Self {
        let (StartError::PortTaken(error) | StartError::Failed(error)) = error;
        error
    }
}

/// Asks until `probe` is satisfied.
pub(crate) async fn ready<F>(process: &Process, probe: impl Fn() -> F) -> Result<(), StartError>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let deadline = Instant::now() + START_LIMIT;
    loop {
        let why = match tokio::time::timeout(PROBE_LIMIT, probe()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("no answer in {PROBE_LIMIT:?}"),
        };
        if !process.is_running() {
            let error = process.error("ended before it answered");
            // Redis and Postgres both quote the operating system.
            let taken = process.log_tail(50).to_lowercase().contains("address already in use");
            return Err(if taken {
                StartError::PortTaken(error)
            } else {
                StartError::Failed(error)
            });
        }
        if Instant::now() >= deadline {
            let what = format!("does not answer {START_LIMIT:?} after its start ({why})");
            return Err(StartError::Failed(process.error(&what)));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Whether to try the same start again after `error`: a port may be free again soon.
pub(crate) fn may_retry(error: &StartError, begun: Instant) -> bool {
    matches!(error, StartError::PortTaken(_)) && begun.elapsed() < START_LIMIT
}
