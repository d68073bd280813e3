//! What Postgres holds of one sale.

use anyhow::Context as _;
use leasehold_purchase::{
    domain::{Moment, SaleId},
    store::{EventRead, Store, StoreConfig},
};
use sqlx::{Connection as _, FromRow, PgConnection};
use uuid::Uuid;

/// How many events are read at once.
const EVENTS_AT_ONCE: i64 = 5000;

/// A sale's own row: capacity, allowance, sold, held, waiting, version; and when it stood so.
type Standing = (i32, i32, i32, i32, i32, i64, i64);

/// One claim: a purchase, a reservation, or what became of it.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct ClaimRow {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub buyer: String,
    /// How many units.
    pub quantity: i32,
    /// How many of them were given back.
    pub refunded: i32,
    /// Where it stands.
    pub status: String,
    /// Until when it may be confirmed, if it ever had a deadline: milliseconds since 1970.
    pub expires_at: Option<i64>,
}

/// One accepted write.
#[derive(Clone, Debug, FromRow)]
pub struct BatchRow {
    /// The version of the sale that it made.
    pub version: i64,
    /// The fencing token that it carried, if it was written under a lease.
    pub token: Option<i64>,
    /// Who wrote it.
    pub replica: String,
    /// How many events were in it.
    pub events: i32,
    /// How many units it sold or reserved.
    pub units: i32,
}

/// One stored reply.
#[derive(Clone, Debug, FromRow)]
pub struct ReplyRow {
    /// The idempotency key.
    pub key: String,
    /// What had happened.
    pub kind: String,
    /// The claim that the reply is about.
    pub claim_id: Option<Uuid>,
    /// The answer, byte for byte.
    pub body: String,
}

/// Everything that Postgres holds of one sale, read in one snapshot.
#[derive(Clone, Debug)]
pub struct Books {
    /// How many units there are.
    pub capacity: i32,
    /// How many more may be sold.
    pub allowance: i32,
    /// How many the sale's own row says are sold.
    pub sold: i32,
    /// How many the sale's own row says are reserved.
    pub held: i32,
    /// How many the sale's own row says are waiting.
    pub waiting: i32,
    /// The number of the last event, as the sale's own row has it.
    pub version: i64,
    /// When this was read, on the database's clock.
    pub read_at: Moment,
    /// All claims.
    pub claims: Vec<ClaimRow>,
    /// All batches, in the order in which they were accepted.
    pub batches: Vec<BatchRow>,
    /// All replies.
    pub replies: Vec<ReplyRow>,
    /// The log, oldest first.
    pub events: Vec<EventRead>,
}

impl Books {
    /// Reads the books of a sale.
    ///
    /// # Errors
    /// When the database cannot be read, or has no such sale.
    pub async fn read(database_url: &str, sale: Uuid) -> anyhow::Result<Self> {
        let mut connection =
            PgConnection::connect(database_url).await.context("the books cannot be opened")?;
        let mut tx =
            connection.begin_with("begin isolation level repeatable read read only").await?;
        let (capacity, allowance, sold, held, waiting, version, read_at): Standing =
            sqlx::query_as(
                "select capacity, allowance, sold, held, waiting, version, leasehold_now() \
             from sales where id = $1",
            )
            .bind(sale)
            .fetch_one(&mut *tx)
            .await?;
        let claims = sqlx::query_as(
            "select id, buyer, quantity, refunded, status, expires_at from claims where sale_id = $1 order by seq",
        )
        .bind(sale)
        .fetch_all(&mut *tx)
        .await?;
        let batches = sqlx::query_as(
            "select version, token, replica, events, units from batches where sale_id = $1 order by version",
        )
        .bind(sale)
        .fetch_all(&mut *tx)
        .await?;
        let replies = sqlx::query_as(
            "select key, kind, coalesce(body::json ->> 'purchase_id', body::json ->> 'reservation_id')::uuid \
             as claim_id, body from replies where scope = $1",
        )
        .bind(sale)
        .fetch_all(&mut *tx)
        .await?;
        tx.rollback().await?;
        connection.close().await?;
        let events = events(database_url, sale, version).await?;
        Ok(Self {
            capacity,
            allowance,
            sold,
            held,
            waiting,
            version,
            read_at: Moment::from_millis(read_at),
            claims,
            batches,
            replies,
            events,
        })
    }

    /// Claims that were bought, also if they were given back since.
    pub fn purchases(&self) -> impl Iterator<Item = &ClaimRow> {
        self.claims.iter().filter(|claim| matches!(&*claim.status, "confirmed" | "refunded"))
    }

    /// How many different tokens the accepted writes carried: how many turns there were.
    #[must_use]
    pub fn turns(&self) -> usize {
        let mut tokens: Vec<i64> = self.batches.iter().filter_map(|batch| batch.token).collect();
        tokens.sort_unstable();
        tokens.dedup();
        tokens.len()
    }

    /// How many units a replica sold, in how many batches.
    #[must_use]
    pub fn by_replica(&self, name: &str) -> (i32, usize) {
        let its = self.batches.iter().filter(|batch| batch.replica == name && batch.units > 0);
        (its.clone().map(|batch| batch.units).sum(), its.count())
    }
}

/// The log up to this version. Events are never changed, so they need not be in the same snapshot.
async fn events(database_url: &str, sale: Uuid, version: i64) -> anyhow::Result<Vec<EventRead>> {
    let store = Store::new(&StoreConfig {
        url: database_url.to_owned(),
        name: "audit",
        connections_max: 1,
        statement_timeout: std::time::Duration::from_secs(60),
    })?;
    let mut events: Vec<EventRead> = Vec::new();
    loop {
        let after = events.last().map_or(0, |event| event.seq);
        let page = store.events(SaleId::from_uuid(sale), after, EVENTS_AT_ONCE).await?;
        if page.is_empty() {
            break;
        }
        events.extend(page);
    }
    store.close().await;
    events.retain(|event| event.seq <= version);
    Ok(events)
}

/// A sale of two units, both of them sold in two batches, and what the three buyers were told.
#[cfg(test)]
pub(super) fn sound() -> (Books, Vec<crate::Answered>) {
    use leasehold_purchase::domain::{Buyer, ClaimEvent, ClaimId, Event, Kind, SaleDraft};

    use crate::{Answered, Told};
    let id = Uuid::from_u128;
    let claim = |n: u128| ClaimRow {
        id: id(n),
        buyer: format!("b{n}"),
        quantity: 1,
        refunded: 0,
        status: "confirmed".to_owned(),
        expires_at: None,
    };
    let batch = |version, token, units| BatchRow {
        version,
        token,
        replica: "r".to_owned(),
        events: 1,
        units,
    };
    let reply = |n: u128| ReplyRow {
        key: format!("k{n}"),
        kind: "purchased".to_owned(),
        claim_id: Some(id(n)),
        body: String::new(),
    };
    let told = |n: u128, told| Answered {
        buyer: format!("b{n}"),
        key: format!("k{n}"),
        told,
        after: std::time::Duration::ZERO,
        replica: 0,
        tries: 1,
    };
    let draft = SaleDraft {
        name: "concert".to_owned(),
        capacity: 2,
        unit_price_minor: 5,
        currency: "EUR".to_owned(),
        ..SaleDraft::default()
    };
    let purchased = |n: u128| {
        Event::Claim(ClaimEvent {
            kind: Kind::Purchased,
            claim: ClaimId::from_uuid(id(n)),
            buyer: Buyer::new(&format!("b{n}")).unwrap(),
            quantity: 1,
            total_minor: 5,
            expires_at: None,
            payment_reference: None,
        })
    };
    let event = |seq, event| EventRead { seq, at: Moment::from_millis(seq), event };
    let books = Books {
        capacity: 2,
        allowance: 0,
        sold: 2,
        held: 0,
        waiting: 0,
        version: 3,
        read_at: Moment::from_millis(4),
        claims: vec![claim(1), claim(2)],
        batches: vec![batch(1, None, 0), batch(2, Some(1024), 1), batch(3, Some(2048), 1)],
        replies: vec![reply(1), reply(2)],
        events: vec![
            event(1, Event::Created(Box::new(draft.check().unwrap()))),
            event(2, purchased(1)),
            event(3, purchased(2)),
        ],
    };
    (books, vec![told(1, Told::Yes(id(1))), told(2, Told::Unknown), told(3, Told::No)])
}

#[cfg(test)]
mod tests {
    #[test]
    fn sound_books_have_no_violation() {
        let (books, told) = super::sound();
        assert_eq!(super::super::violations(&books, &told), Vec::<String>::new());
    }
}
