//! Runs the commands of one sale: decide, write, and note what they came to.

use leasehold::Stamp;
use uuid::Uuid;

use crate::{
    domain::{Decision, Request, SaleId},
    grant::decision::{count, decided},
    queue::{AGE_MAX, Ready},
    store::{About, Batch, CommandRan, Ran, Store, StoreError},
};

/// How often commands are decided anew, each time since another had written.
const DECISIONS_MAX: u32 = 10;

/// Who writes.
pub(super) struct Writer<'a> {
    pub(super) store: &'a Store,
    pub(super) stamp: &'a Stamp,
    pub(super) replica: &'a str,
}

impl Writer<'_> {
    /// Runs commands of one sale, in order, and says what each came to, in any order. All of that is
    /// committed. Of more commands than can be decided at once, the first.
    pub(super) async fn run(
        &self,
        sale: SaleId,
        commands: &[&Ready],
    ) -> Result<Vec<CommandRan>, StoreError> {
        let mut last = StoreError::KeyTaken;
        for _ in 0..DECISIONS_MAX {
            match self.run_once(sale, commands).await {
                Err(error @ (StoreError::Moved { .. } | StoreError::KeyTaken)) => last = error,
                other => return other,
            }
        }
        Err(last)
    }

    async fn run_once(
        &self,
        sale: SaleId,
        commands: &[&Ready],
    ) -> Result<Vec<CommandRan>, StoreError> {
        let requests = || commands.iter().map(|ready| &ready.queued.request);
        let about = About::requests(requests());
        let read = self.store.read_sale(sale, Some(self.stamp), &about).await?;
        let Some((state, now)) = read else {
            // Whoever puts a command into the queue has seen its sale: somebody deleted it by hand.
            tracing::error!(sale.id = %sale, count = commands.len(), "queued commands have no sale");
            return Ok(said(commands, &Ran::Failed));
        };
        // After the claim: whoever led before writes nothing any more.
        let ids: Vec<Uuid> = requests().map(|request| request.id.as_uuid()).collect();
        let mut ran = self.store.commands(&ids).await?;
        let is_open = |ready: &&&Ready| ran.iter().all(|ran| ran.id != ready.queued.request.id);
        let open: Vec<&Ready> = commands.iter().filter(is_open).copied().collect();
        let (expired, open): (Vec<&Ready>, Vec<&Ready>) =
            open.into_iter().partition(|ready| ready.age > AGE_MAX);
        let mut now_ran: Vec<CommandRan> = said(&expired, &Ran::Expired);
        let version = state.version;
        let requests = open.iter().map(|ready| &ready.queued.request);
        let decision = match decided(state, now, requests.clone()) {
            Ok(decision) => Some(decision),
            Err(error) => {
                tracing::error!(sale.id = %sale, %error, "queued commands cannot be decided");
                now_ran.extend(said(&open, &Ran::Failed));
                None
            }
        };
        if let Some(decision) = &decision {
            now_ran.extend(outcomes(requests, decision));
        }
        self.write(sale, version, decision.as_ref(), &now_ran).await?;
        ran.extend(now_ran);
        Ok(ran)
    }

    /// Notes that a command cannot be run. [`StoreError::KeyTaken`] when it has run after all.
    pub(super) async fn fail(
        &self,
        sale: SaleId,
        command: &Ready,
    ) -> Result<Vec<CommandRan>, StoreError> {
        let ran = said(&[command], &Ran::Failed);
        self.store.write_commands(sale, Some(self.stamp), None, &ran).await?;
        Ok(ran)
    }

    async fn write(
        &self,
        sale: SaleId,
        version: i64,
        decision: Option<&Decision>,
        ran: &[CommandRan],
    ) -> Result<(), StoreError> {
        let decision = decision.filter(|decision| !decision.events.is_empty());
        if decision.is_none() && ran.is_empty() {
            return Ok(());
        }
        #[cfg(feature = "faults")]
        crate::faults::reach("before_write");
        let batch = decision.map(|decision| Batch {
            sale,
            stamp: Some(self.stamp),
            version,
            replica: self.replica,
            decision,
        });
        let written = self.store.write_commands(sale, Some(self.stamp), batch, ran).await;
        #[cfg(feature = "faults")]
        crate::faults::reach("after_write");
        written?;
        decision.into_iter().for_each(count);
        Ok(())
    }
}

fn said(commands: &[&Ready], ran: &Ran) -> Vec<CommandRan> {
    let each = commands.iter().map(|ready| ready.queued.request.id);
    each.map(|id| CommandRan { id, ran: ran.clone() }).collect()
}

/// What was decided about the first of the requests.
fn outcomes<'a>(
    requests: impl Iterator<Item = &'a Request>,
    decision: &Decision,
) -> Vec<CommandRan> {
    let each = requests.zip(&decision.outcomes);
    each.map(|(request, outcome)| CommandRan { id: request.id, ran: Ran::Decided(outcome.clone()) })
        .collect()
}
