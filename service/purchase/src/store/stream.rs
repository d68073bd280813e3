//! A sale as a stream of events: reading on from where one was, appending unless something came
//! between, and snapshots.

use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Batch, Store, StoreError,
    log::{EventRead, EventRow},
    state::{ClaimRow, ids, json, known},
    terms::TermsRow,
    writes::Rows,
};
use crate::domain::{Claim, ClaimId, Fold, Known, Moment, Request, Sale, SaleId, Validation};

/// Events that are read at once.
const EVENTS_MAX: i64 = 5000;

/// What is new in a sale's stream.
#[derive(Debug)]
pub struct News {
    /// Events from the one asked for on, in order.
    pub events: Vec<EventRead>,
    /// Whether there are more.
    pub more: bool,
    /// The database's time when they were read.
    pub now: Moment,
    /// What the keys that were asked for were answered before.
    pub known: Known,
}

const READ_ON: &str = "select s.version, leasehold_now() as now_ms, \
    (select json_agg(e order by e.seq)::text from (select e.seq, e.at, e.kind, e.claim_id, e.buyer, e.quantity, \
     e.total_minor, e.expires_at, e.payment_reference, e.terms::text as terms from events e \
     where e.sale_id = s.id and e.seq > $2 order by e.seq limit $3) e) as events, \
    r.known_keys, r.known_fingerprints, r.known_kinds, r.known_bodies \
    from sales s, lateral (select coalesce(array_agg(r.key), '{}') as known_keys, \
     coalesce(array_agg(r.fingerprint), '{}') as known_fingerprints, coalesce(array_agg(r.kind), '{}') as known_kinds, \
     coalesce(array_agg(r.body), '{}') as known_bodies \
     from replies r where r.scope = s.id and r.key = any ($4)) r where s.id = $1";

impl Store {
    /// The events of a sale after the one of this number, and what the keys of these requests were
    /// answered before. `None` when there is no such sale.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn read_on(
        &self,
        sale: SaleId,
        after: i64,
        requests: &[Request],
    ) -> Result<Option<News>, StoreError> {
        let keys: Vec<&str> = requests.iter().map(|request| request.key.as_str()).collect();
        let ask = sqlx::query(READ_ON).bind(sale.as_uuid()).bind(after).bind(EVENTS_MAX).bind(keys);
        self.ask_once(ask).await?.optional::<NewsRow>()?.map(NewsRow::read).transpose()
    }

    /// Writes the outcome of one decision unless something has happened since that makes it wrong.
    /// `before` are the units sold, units held and claims waiting that it was made from.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]: only [`StoreError::Unknown`] leaves open whether it was written.
    pub async fn append(
        &self,
        batch: Batch<'_>,
        before: [u32; 3],
        validation: &Validation,
    ) -> Result<(), StoreError> {
        self.ask_once(Rows::of(batch)?.append(before, validation)).await.map(drop)
    }

    /// The last snapshot of a sale, if there is one.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn snapshot(&self, sale: SaleId) -> Result<Option<Fold>, StoreError> {
        let ask =
            sqlx::query("select version, claims, line, terms from snapshots where sale_id = $1")
                .bind(sale.as_uuid());
        self.ask_once(ask).await?.optional::<SnapshotRow>()?.map(|row| row.read(sale)).transpose()
    }

    /// Keeps a snapshot, unless there is a later one.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn keep_snapshot(&self, fold: &Fold) -> Result<(), StoreError> {
        let whole = fold.whole();
        let claims: Vec<ClaimRow> = whole.claims.values().map(ClaimRow::of).collect();
        let claims = serde_json::to_string(&claims)
            .map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let ask = sqlx::query(
            "insert into snapshots as s (sale_id, version, claims, line, terms, taken_at) \
             values ($1, $2, $3, $4, $5, leasehold_now()) on conflict (sale_id) do update set \
             version = excluded.version, claims = excluded.claims, line = excluded.line, \
             terms = excluded.terms, taken_at = excluded.taken_at where s.version < excluded.version",
        )
        .bind(whole.sale.id.as_uuid())
        .bind(whole.version)
        .bind(claims)
        .bind(whole.line.iter().map(|id| id.as_uuid()).collect::<Vec<Uuid>>())
        .bind(TermsRow::of(&whole.sale.terms).to_json()?);
        self.ask(ask).await.map(drop)
    }
}

#[derive(FromRow)]
struct NewsRow {
    version: i64,
    now_ms: i64,
    events: Option<String>,
    known_keys: Vec<String>,
    known_fingerprints: Vec<Vec<u8>>,
    known_kinds: Vec<String>,
    known_bodies: Vec<String>,
}

impl NewsRow {
    fn read(self) -> Result<News, StoreError> {
        let rows: Vec<EventRow> = json("events", self.events.as_deref())?;
        let events =
            rows.into_iter().map(EventRow::read).collect::<Result<Vec<EventRead>, StoreError>>()?;
        Ok(News {
            more: events.last().is_some_and(|last| last.seq < self.version),
            events,
            now: Moment::from_millis(self.now_ms),
            known: known(
                self.known_keys,
                self.known_fingerprints,
                self.known_kinds,
                self.known_bodies,
            )?,
        })
    }
}

#[derive(FromRow)]
struct SnapshotRow {
    version: i64,
    claims: String,
    line: Vec<Uuid>,
    terms: String,
}

impl SnapshotRow {
    fn read(self, id: SaleId) -> Result<Fold, StoreError> {
        let rows: Vec<ClaimRow> = json("claims", Some(&self.claims))?;
        let claims = rows.into_iter().map(ClaimRow::claim);
        let claims = claims.collect::<Result<Vec<Claim>, StoreError>>()?;
        let sale = Sale { id, terms: TermsRow::from_json(&self.terms)?.read()? };
        let line: Vec<ClaimId> = ids(self.line);
        Ok(Fold::resume(sale, self.version, claims, line))
    }
}
