//! Reading, without touching a lock.

use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Store, StoreError,
    state::{ClaimRow, units},
    terms::TermsRow,
};
use crate::domain::{Buyer, Claim, ClaimId, Moment, Sale, SaleId, State};

// Columns are named, never `*`: a column that a migration adds would end every prepared statement.

/// Sales as they stand at this moment: reservations whose deadline has passed count as free.
macro_rules! sales {
    ($rest:literal) => {
        concat!(
            "select s.id, s.name, s.unit_price_minor, s.currency, s.capacity, s.allowance, s.per_buyer_max, s.opens_at, \
             s.closes_at, s.reservation_seconds, s.without_leases, s.strategy, s.sold, s.held, s.waiting, s.version, \
             n.now_ms, case when s.held > 0 then coalesce((select sum(c.quantity) from claims c \
             where c.sale_id = s.id and c.status = 'pending' and c.expires_at <= n.now_ms), 0) else 0 end as due_units \
             from sales s, leasehold_now() as n (now_ms) ",
            $rest
        )
    };
}

/// Claims with the lease under which each was made, and their places in the waiting list, which are
/// counted for each alone, or are as `$position` says.
macro_rules! claims {
    ($rest:literal) => {
        claims!(
            "case when c.status = 'waiting' then (select count(*) from claims w where w.sale_id = c.sale_id \
             and w.status = 'waiting' and w.seq <= c.seq) end",
            $rest
        )
    };
    ($position:literal, $rest:literal) => {
        concat!(
            "select c.id, c.buyer, c.quantity, c.refunded, c.status, c.expires_at, c.total_minor, c.payment_reference, \
             c.sale_id, c.seq, c.created_at, s.currency, b.token, b.replica, ",
            $position,
            " as position from claims c join sales s on s.id = c.sale_id left join lateral \
             (select token, replica from batches where sale_id = c.sale_id and version >= c.seq \
             order by version limit 1) b on true ",
            $rest
        )
    };
}

/// A claim, and where it comes from.
#[derive(Clone, Debug)]
pub struct ClaimRead {
    /// The claim.
    pub claim: Claim,
    /// Its sale.
    pub sale: SaleId,
    /// The sale's currency.
    pub currency: String,
    /// Place in the waiting list, from 1.
    pub position: Option<u32>,
    /// The fencing token of the lease under which it was made; `None` when it was made without one.
    pub token: Option<i64>,
    /// Which replica made it.
    pub replica: String,
    /// When.
    pub created_at: Moment,
    /// Its place among the sale's claims.
    pub seq: i64,
}

impl Store {
    /// One sale, and the time at which it stood so; `None` when there is none of that id.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn sale(&self, id: SaleId) -> Result<Option<(State, Moment)>, StoreError> {
        let ask = sqlx::query(sales!("where s.id = $1")).bind(id.as_uuid());
        self.ask(ask).await?.optional::<SaleRow>()?.map(SaleRow::read).transpose()
    }

    /// Sales, newest first, from the one after `after` on.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn sales(
        &self,
        after: Option<SaleId>,
        limit: i64,
    ) -> Result<Vec<(State, Moment)>, StoreError> {
        let ask =
            sqlx::query(sales!("where $1::uuid is null or s.id < $1 order by s.id desc limit $2"))
                .bind(after.map(SaleId::as_uuid))
                .bind(limit);
        self.ask(ask).await?.all::<SaleRow>()?.into_iter().map(SaleRow::read).collect()
    }

    /// These sales, in no order.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn sales_by_id(&self, ids: &[SaleId]) -> Result<Vec<(State, Moment)>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
        let ask = sqlx::query(sales!("where s.id = any ($1)")).bind(ids);
        self.ask(ask).await?.all::<SaleRow>()?.into_iter().map(SaleRow::read).collect()
    }

    /// Which sale a claim is of; `None` when there is none of that id.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn sale_of(&self, claim: ClaimId) -> Result<Option<SaleId>, StoreError> {
        let ask = sqlx::query("select sale_id from claims where id = $1").bind(claim.as_uuid());
        let sale = self.ask(ask).await?.optional::<(Uuid,)>()?;
        Ok(sale.map(|(sale,)| SaleId::from_uuid(sale)))
    }

    /// One claim; `None` when there is none of that id.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn claim(&self, id: ClaimId) -> Result<Option<ClaimRead>, StoreError> {
        let ask = sqlx::query(claims!("where c.id = $1")).bind(id.as_uuid());
        self.ask(ask).await?.optional::<ClaimReadRow>()?.map(ClaimReadRow::read).transpose()
    }

    /// A buyer's claims in a sale in the order in which they were made, from the one after `after` on.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn claims_of(
        &self,
        sale: SaleId,
        buyer: &Buyer,
        after: i64,
        limit: i64,
    ) -> Result<Vec<ClaimRead>, StoreError> {
        let ask = sqlx::query(claims!(
            "where c.sale_id = $1 and c.buyer = $2 and c.seq > $3 order by c.seq limit $4"
        ))
        .bind(sale.as_uuid())
        .bind(buyer.as_str())
        .bind(after)
        .bind(limit);
        self.ask(ask).await?.all::<ClaimReadRow>()?.into_iter().map(ClaimReadRow::read).collect()
    }

    /// Those who wait, in order, from the one after `after` on.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn waiting_list(
        &self,
        sale: SaleId,
        after: i64,
        limit: i64,
    ) -> Result<Vec<ClaimRead>, StoreError> {
        // Who is before the page is counted once: counting for each would take too long far behind.
        let ask = sqlx::query(claims!(
            "(select count(*) from claims w where w.sale_id = $1 and w.status = 'waiting' and w.seq <= $2) \
             + row_number() over (order by c.seq)",
            "where c.sale_id = $1 and c.status = 'waiting' and c.seq > $2 order by c.seq limit $3"
        ))
        .bind(sale.as_uuid())
        .bind(after)
        .bind(limit);
        self.ask(ask).await?.all::<ClaimReadRow>()?.into_iter().map(ClaimReadRow::read).collect()
    }
}

#[derive(FromRow)]
struct SaleRow {
    id: Uuid,
    #[sqlx(flatten)]
    terms: TermsRow,
    sold: i32,
    held: i32,
    waiting: i32,
    version: i64,
    now_ms: i64,
    due_units: i64,
}

impl SaleRow {
    fn read(self) -> Result<(State, Moment), StoreError> {
        let sale = Sale { id: SaleId::from_uuid(self.id), terms: self.terms.read()? };
        let due = u32::try_from(self.due_units)
            .map_err(|_| StoreError::Corrupt(format!("{} units due", self.due_units)))?;
        let state = State {
            version: self.version,
            sold: units(self.sold)?,
            held: units(self.held)?.saturating_sub(due),
            waiting: units(self.waiting)?,
            ..State::created(sale)
        };
        Ok((state, Moment::from_millis(self.now_ms)))
    }
}

#[derive(FromRow)]
struct ClaimReadRow {
    #[sqlx(flatten)]
    claim: ClaimRow,
    sale_id: Uuid,
    currency: String,
    position: Option<i64>,
    token: Option<i64>,
    replica: Option<String>,
    created_at: i64,
    seq: i64,
}

impl ClaimReadRow {
    fn read(self) -> Result<ClaimRead, StoreError> {
        Ok(ClaimRead {
            claim: self.claim.claim()?,
            sale: SaleId::from_uuid(self.sale_id),
            currency: self.currency,
            position: self.position.and_then(|place| u32::try_from(place).ok()),
            token: self.token,
            replica: self.replica.unwrap_or_default(),
            created_at: Moment::from_millis(self.created_at),
            seq: self.seq,
        })
    }
}
