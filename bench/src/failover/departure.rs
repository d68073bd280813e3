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
    let wrong = match fault {
        Fault::HolderPaused => goes_on(site, &mut holder, gone, &held).await?,
        Fault::HolderKilled => holder.process.is_running().then(|| "the holder lives".to_owned()),
        _ => unless(holder.says_next().await?, Said::Released),
    };
    let wrong = wrong.or_else(|| not_after(holder.token, held.token()));
    held.release().await;
    Ok(wrong.map_or(Round::Gap(gap), Round::Broken))
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
) -> anyhow::Result<Option<String>> {
    if !holder.process.is_paused() {
        return Ok(Some("the holder went on too early".to_owned()));
    }
    // Longer than the TTL, also if that was nearly over when it was stopped.
    tokio::time::sleep_until((gone + site.ttl * 3 / 2).into()).await;
    holder.process.resume()?;
    let said = holder.says_next().await?;
    let Held::Ours(lease) = held else { return Ok(unless(said, Said::Lost)) };
    let taken = lease.is_lost().then(|| "the new holder lost the lease to the old one".to_owned());
    Ok(unless(said, Said::Lost).or(taken))
}

fn unless(said: Said, expected: Said) -> Option<String> {
    (said != expected).then(|| format!("the holder said {said:?} instead of {expected:?}"))
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
        assert_eq!(unless(Said::Lost, Said::Lost), None);
        assert!(unless(Said::Held(None), Said::Lost).is_some());
    }
}
