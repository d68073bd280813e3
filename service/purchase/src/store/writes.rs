//! The fenced write.

use leasehold::Stamp;
use uuid::Uuid;

use super::{Store, StoreError, ask::Ask, commands::CommandRows, terms::TermsRow};
use crate::domain::{Buyer, Claim, ClaimEvent, ClaimId, Decision, Event, Kind, SaleId, Validation};

/// The outcome of one decision, as it is written.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The sale.
    pub sale: SaleId,
    /// Under which lease; `None` to rely on the sale's version alone.
    pub stamp: Option<&'a Stamp>,
    /// The version of the sale that was decided from.
    pub version: i64,
    /// Who writes, for the log.
    pub replica: &'a str,
    /// What happened; with one event at least.
    pub decision: &'a Decision,
}

impl Store {
    /// Writes the outcome of one decision, all or nothing.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]: only [`StoreError::Unknown`] leaves open whether it was written.
    pub async fn write_batch(&self, batch: Batch<'_>) -> Result<(), StoreError> {
        self.ask_once(Rows::of(batch)?.write()).await.map(drop)
    }
}

/// A batch, column by column.
pub(super) struct Rows<'a> {
    batch: Batch<'a>,
    log: Log<'a>,
    claims: Vec<&'a Claim>,
}

impl<'a> Rows<'a> {
    pub(super) fn of(batch: Batch<'a>) -> Result<Self, StoreError> {
        let log = Log::of(&batch.decision.events)?;
        Ok(Self { batch, log, claims: touched(batch.decision) })
    }

    /// Writes them in one statement.
    pub(super) fn write(self) -> Ask {
        #[cfg(feature = "faults")]
        let statement =
            if crate::faults::fence_is_off() { super::unfenced::WRITE_BATCH } else { WRITE_BATCH };
        #[cfg(not(feature = "faults"))]
        let statement = WRITE_BATCH;
        self.ask(statement)
    }

    /// Writes them in one statement with what the commands came to that caused them.
    pub(super) fn write_with(self, commands: CommandRows) -> Ask {
        self.ask(WRITE_WITH_COMMANDS)
            .bind(commands.ids)
            .bind(commands.outcomes)
            .bind(commands.kinds)
            .bind(commands.bodies)
    }

    fn ask(self, statement: &'static str) -> Ask {
        let Batch { sale, stamp, version, .. } = self.batch;
        let state = &self.batch.decision.state;
        let ask = sqlx::query(statement)
            .bind(sale.as_uuid())
            .bind(stamp.map(|stamp| stamp.resource.as_str()))
            .bind(stamp.map(|stamp| stamp.token.as_i64()))
            .bind(stamp.map(|stamp| stamp.holder.to_string()))
            .bind(version);
        let counts = [state.sold, state.held, state.waiting].map(u32::cast_signed);
        self.bind(ask, counts)
    }

    /// Writes them in one statement unless something that came between forbids it. `before` is what
    /// was sold, held and waiting when it was decided.
    pub(super) fn append(self, before: [u32; 3], validation: &Validation) -> Ask {
        #[cfg(feature = "faults")]
        if crate::faults::fence_is_off() {
            return self.write();
        }
        let (exact, kinds, claims, buyers) = match validation {
            Validation::Exact => (true, &[][..], &[][..], &[][..]),
            Validation::Only { kinds, claims, buyers } => {
                (false, &kinds[..], &claims[..], &buyers[..])
            }
        };
        let state = &self.batch.decision.state;
        let after = [state.sold, state.held, state.waiting];
        let ask = sqlx::query(APPEND)
            .bind(self.batch.sale.as_uuid())
            .bind(self.batch.version)
            .bind(exact)
            .bind(kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>())
            .bind(claims.iter().map(|claim| claim.as_uuid()).collect::<Vec<_>>())
            .bind(buyers.iter().map(Buyer::as_str).collect::<Vec<_>>());
        let change = [0, 1, 2].map(|at| after[at].cast_signed() - before[at].cast_signed());
        self.bind(ask, change)
    }

    /// Binds what both ways of writing have.
    fn bind(self, ask: Ask, counts: [i32; 3]) -> Ask {
        let Self { batch: Batch { replica, decision, .. }, log, claims } = self;
        let each = claims.iter();
        let answers = decision.answers.iter();
        ask.bind(replica)
            .bind(decision.at.as_millis())
            .bind(counts[0])
            .bind(counts[1])
            .bind(counts[2])
            .bind(granted_units(decision).cast_signed())
            .bind(log.kinds)
            .bind(log.claims)
            .bind(log.buyers)
            .bind(log.quantities)
            .bind(log.totals)
            .bind(log.expires)
            .bind(log.references)
            .bind(log.terms)
            .bind(each.clone().map(|claim| claim.id.as_uuid()).collect::<Vec<_>>())
            .bind(each.clone().map(|claim| claim.buyer.as_str()).collect::<Vec<_>>())
            .bind(each.clone().map(|claim| claim.quantity.cast_signed()).collect::<Vec<_>>())
            .bind(each.clone().map(|claim| claim.refunded.cast_signed()).collect::<Vec<_>>())
            .bind(each.clone().map(|claim| claim.status.name()).collect::<Vec<_>>())
            .bind(
                each.clone()
                    .map(|claim| claim.expires_at.map(|at| at.as_millis()))
                    .collect::<Vec<_>>(),
            )
            .bind(each.clone().map(|claim| claim.total_minor).collect::<Vec<_>>())
            .bind(each.map(|claim| claim.payment_reference.as_deref()).collect::<Vec<_>>())
            .bind(answers.clone().map(|answer| answer.key.as_str()).collect::<Vec<_>>())
            .bind(
                answers
                    .clone()
                    .map(|answer| &answer.fingerprint.as_bytes()[..])
                    .collect::<Vec<_>>(),
            )
            .bind(answers.clone().map(|answer| answer.reply.kind.name()).collect::<Vec<_>>())
            .bind(answers.map(|answer| &*answer.reply.body).collect::<Vec<_>>())
    }
}

const APPEND: &str = "select append_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, \
    $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32)";

const WRITE_BATCH: &str = "select write_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, \
    $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31)";

const WRITE_WITH_COMMANDS: &str = "select write_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, \
    $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31), \
    write_commands($1, $2, $3, $4, $32, $33, $34, $35)";

/// Events, column by column.
#[derive(Default)]
struct Log<'a> {
    kinds: Vec<&'static str>,
    claims: Vec<Option<Uuid>>,
    buyers: Vec<Option<&'a str>>,
    quantities: Vec<Option<i32>>,
    totals: Vec<Option<i64>>,
    expires: Vec<Option<i64>>,
    references: Vec<Option<&'a str>>,
    terms: Vec<Option<String>>,
}

impl<'a> Log<'a> {
    fn of(events: &'a [Event]) -> Result<Self, StoreError> {
        let mut log = Self::default();
        for event in events {
            let (claim, terms) = match event {
                Event::Created(terms) | Event::Changed(terms) => {
                    (None, Some(TermsRow::of(terms).to_json()?))
                }
                Event::Claim(claim) => (Some(claim), None),
            };
            let of = |pick: fn(&ClaimEvent) -> i64| claim.map(pick);
            log.kinds.push(event.kind().name());
            log.claims.push(claim.map(|event| event.claim.as_uuid()));
            log.buyers.push(claim.map(|event| event.buyer.as_str()));
            log.quantities.push(claim.map(|event| event.quantity.cast_signed()));
            log.totals.push(of(|event| event.total_minor));
            log.expires.push(claim.and_then(|event| event.expires_at).map(|at| at.as_millis()));
            log.references.push(claim.and_then(|event| event.payment_reference.as_deref()));
            log.terms.push(terms);
        }
        Ok(log)
    }
}

/// Every claim that the decision made or changed, as it stands afterwards, in the order in which it
/// first came to it.
fn touched(decision: &Decision) -> Vec<&Claim> {
    let mut seen = std::collections::HashSet::new();
    let ids = decision.events.iter().filter_map(|event| match event {
        Event::Claim(event) => Some(event.claim),
        Event::Created(_) | Event::Changed(_) => None,
    });
    ids.filter(|id| seen.insert(*id))
        .filter_map(|id: ClaimId| decision.state.claims.get(&id))
        .collect()
}

/// Units that the decision sold or reserved.
pub(crate) fn granted_units(decision: &Decision) -> u32 {
    let units = decision.events.iter().filter_map(|event| match event {
        Event::Claim(event) => match event.kind {
            Kind::Purchased | Kind::Reserved | Kind::Offered => Some(event.quantity),
            _ => None,
        },
        Event::Created(_) | Event::Changed(_) => None,
    });
    units.sum()
}
