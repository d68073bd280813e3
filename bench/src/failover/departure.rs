//! A holder that goes, in one way or another, while somebody waits for its lease.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use leasehold::Resource;
use tokio::{task::JoinHandle, time::timeout};

use super::{
    Fault, Site,
    contestant::{Held, Kind},
    holder::{Holder, Said},
    table::Round,
};

/// By then the one who waits has asked all nodes and is in line.
const IN_LINE: Duration = Duration::from_millis(100);

/// How long it may take, beside some TTLs, until the one who waits has the lease.
const GRANT_MAX: Duration = Duration::from_secs(30);

/// Who waits: when it was granted the lease, and the lease.
type Waiting = JoinHandle<anyhow::Result<(Instant, Held)>>;

pub(super) async fn round(
    site: &mut Site<'_>,
    kind: Kind,
    fault: Fault,
    number: u32,
) -> anyhow::Result<Round> {
    let name = format!("bench/failover/{}/{fault:?}/{number}", kind.name());
    let stack = &site.servers.stack;
    let client = kind.connect(&stack.redis_urls(), site.ttl)?;
    let mut holder = Holder::start(stack, kind, &name, site.ttl).await?;
    let resource = Resource::new(name)?;
    let waiting: Waiting = tokio::spawn(async move {
        let held = client.acquire(&resource).await?;
        Ok((Instant::now(), held))
    });
    tokio::time::sleep(IN_LINE + site.moment()).await;
    if waiting.is_finished() {
        return early(&mut holder).await;
    }
    let gone = Instant::now();
    match fault {
        Fault::HolderKilled => holder.process.kill().await?,
        Fault::HolderPaused => holder.process.pause()?,
        _ => holder.process.terminate()?,
    }
    let granted = timeout(GRANT_MAX + 10 * site.ttl, waiting).await;
    let (at, held) = granted.context("nobody is granted the lease")???;
    let Some(gap) = at.checked_duration_since(gone) else { return early(&mut holder).await };
    let end = match fault {
        Fault::HolderPaused => goes_on(site, &mut holder, gone, &held).await?,
        Fault::HolderKilled if holder.process.is_running() => broken("the holder lives"),
        Fault::HolderKilled => None,
        _ => left(holder.says_next().await?),
    };
    let wrong = not_after(holder.token, held.token()).map(Round::Broken);
    held.release().await;
    Ok(wrong.or(end).unwrap_or(Round::Gap(gap)))
}

/// A grant before the fault: right only if the holder knows that it has lost the lease, as on a machine
/// that is too busy to renew in time.
async fn early(holder: &mut Holder) -> anyhow::Result<Round> {
    Ok(match holder.says_next().await {
        Ok(Said::Lost) => Round::Missed,
        Ok(said) => Round::Broken(format!("granted to another before the holder said {said:?}")),
        Err(_) => Round::Broken("granted to another while the holder held it".to_owned()),
    })
}

/// The one who was stopped must stand until another had the lease, and say, once it goes on, that it has lost
/// it; and the other must keep it.
async fn goes_on(
    site: &Site<'_>,
    holder: &mut Holder,
    gone: Instant,
    held: &Held,
) -> anyhow::Result<Option<Round>> {
    if !holder.process.is_paused() {
        return Ok(broken("the holder went on too early"));
    }
    // Longer than the TTL, also if that was nearly over when it was stopped.
    tokio::time::sleep_until((gone + site.ttl * 3 / 2).into()).await;
    holder.process.resume()?;
    let said = holder.says_next().await?;
    Ok(went_on(said, matches!(held, Held::Ours(lease) if lease.is_lost())))
}

/// The new holder can lose its lease to nobody but a machine that is too busy to renew it in time: the old one
/// knows that it has none.
fn went_on(said: Said, new_is_lost: bool) -> Option<Round> {
    match said {
        Said::Lost => new_is_lost.then_some(Round::Missed),
        said => broken(&format!("the holder said {said:?} instead of {:?}", Said::Lost)),
    }
}

/// Whoever leaves gives its lease back, unless a machine that was too busy had let it lose it before.
fn left(said: Said) -> Option<Round> {
    match said {
        Said::Released => None,
        Said::Lost => Some(Round::Missed),
        said @ Said::Held(_) => {
            broken(&format!("the holder said {said:?} instead of {:?}", Said::Released))
        }
    }
}

fn broken(why: &str) -> Option<Round> {
    Some(Round::Broken(why.to_owned()))
}

fn not_after(before: Option<i64>, after: Option<i64>) -> Option<String> {
    let (before, after) = before.zip(after)?;
    (after <= before).then(|| format!("token {after} came after {before}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_the_promise_is_named() {
        assert_eq!(not_after(Some(1024), Some(2048)), None);
        assert!(not_after(Some(2048), Some(2048)).is_some());
        assert_eq!(not_after(None, None), None);
        let is_broken = |round| matches!(round, Some(Round::Broken(_)));
        assert_eq!([went_on(Said::Lost, false), left(Said::Released)], [None, None]);
        assert!(is_broken(went_on(Said::Released, false)) && is_broken(left(Said::Held(None))));
        assert!(is_broken(went_on(Said::Held(None), true)));
    }

    #[test]
    fn a_lease_that_a_busy_machine_did_not_renew_costs_a_round() {
        assert_eq!(
            [went_on(Said::Lost, true), left(Said::Lost)],
            [Some(Round::Missed), Some(Round::Missed)]
        );
    }
}
