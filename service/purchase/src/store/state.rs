//! Reading a sale so that a decision can be made about it.

use leasehold::Stamp;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use uuid::Uuid;

use super::{Store, StoreError, ask::Ask, terms::TermsRow};
use crate::domain::{
    Buyer, Claim, ClaimId, Currency, Fingerprint, IdempotencyKey, Kind, Known, Moment, Money,
    Reply, Request, Sale, SaleId, State, Status, Stored,
};

/// Reservations that are given up in one decision at most, so that no write takes for ever after a
/// day without one.
const DUE_MAX: i32 = 1000;

/// How much of a waiting list is read at once.
const LINE_MAX: i32 = 256;

/// How much of it is read for requests that free nothing: nearly always nobody of it gets anything then,
/// and a sold-out sale with a long list would mostly read that.
const LINE_GLANCE: i32 = 16;

/// What a decision is about, beside the sale itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    keys: Vec<String>,
    buyers: Vec<String>,
    claims: Vec<Uuid>,
    line_max: i32,
}

impl Default for About {
    /// About no request: whatever is due, and whoever waits.
    fn default() -> Self {
        Self { keys: Vec::new(), buyers: Vec::new(), claims: Vec::new(), line_max: LINE_MAX }
    }
}

impl About {
    /// What these requests are about.
    #[must_use]
    pub fn requests<'a>(requests: impl Iterator<Item = &'a Request> + Clone) -> Self {
        let keys = requests.clone().map(|request| request.key.as_str().to_owned()).collect();
        let buyers = requests.clone().filter_map(|request| request.command.buyer());
        let claims = requests.filter_map(|request| request.command.claim());
        Self {
            keys,
            buyers: buyers.map(|buyer| buyer.as_str().to_owned()).collect(),
            claims: claims.map(ClaimId::as_uuid).collect(),
            line_max: LINE_MAX,
        }
    }

    /// The same, with only the first of those who wait if the requests free nothing. Should units be free all
    /// the same for more of them, the decision leaves something to tidy, and whoever tidies sees more.
    #[must_use]
    pub fn at_a_glance<'a>(requests: impl Iterator<Item = &'a Request> + Clone) -> Self {
        let mut wants = requests.clone().map(|request| request.command.wants_units()).peekable();
        let free_nothing = wants.peek().is_some() && wants.all(|wants_units| wants_units);
        let line_max = if free_nothing { LINE_GLANCE } else { LINE_MAX };
        Self { line_max, ..Self::requests(requests) }
    }
}

impl Store {
    /// Reads a sale as it stands, and the database's time. With a stamp it begins a turn: it claims
    /// the fence before it reads. `None` when there is no such sale.
    ///
    /// # Errors
    ///
    /// [`StoreError::Stale`] when a newer holder has claimed; otherwise as the database says.
    pub async fn read_sale(
        &self,
        sale: SaleId,
        stamp: Option<&Stamp>,
        about: &About,
    ) -> Result<Option<(State, Moment)>, StoreError> {
        let ask = ask_for_sale(sale, stamp, about, false);
        let row = self.ask_once(ask).await?.optional::<SaleRow>()?;
        row.map(|row| row.read(sale)).transpose()
    }
}

const READ: &str = "select * from read_sale($1, $2, $3, $4, $5, $6, $7, $8, $9)";

/// The row is locked before the function looks at anything: it is asked about what was locked.
const LOCK_AND_READ: &str = "select r.* from (select id from sales where id = $1 for update) s, \
    lateral read_sale(s.id, $2, $3, $4, $5, $6, $7, $8, $9) r";

/// Asks for a sale as it stands, in a transaction after its row was locked.
pub(super) fn ask_for_sale(sale: SaleId, stamp: Option<&Stamp>, about: &About, lock: bool) -> Ask {
    #[cfg(feature = "faults")]
    let lock = lock && !crate::faults::fence_is_off();
    sqlx::query(if lock { LOCK_AND_READ } else { READ })
        .bind(sale.as_uuid())
        .bind(stamp.map(|stamp| stamp.resource.as_str()))
        .bind(stamp.map(|stamp| stamp.token.as_i64()))
        .bind(stamp.map(|stamp| stamp.holder.to_string()))
        .bind(&about.keys)
        .bind(&about.buyers)
        .bind(&about.claims)
        .bind(DUE_MAX)
        .bind(about.line_max)
}

#[derive(FromRow)]
pub(super) struct SaleRow {
    #[sqlx(flatten)]
    terms: TermsRow,
    sold: i32,
    held: i32,
    waiting: i32,
    version: i64,
    now_ms: i64,
    next_expiry: Option<i64>,
    claims: Option<String>,
    due: Vec<Uuid>,
    line: Vec<Uuid>,
    units_of: Option<String>,
    known_keys: Vec<String>,
    known_fingerprints: Vec<Vec<u8>>,
    known_kinds: Vec<String>,
    known_bodies: Vec<String>,
}

impl SaleRow {
    pub(super) fn read(self, id: SaleId) -> Result<(State, Moment), StoreError> {
        let now = Moment::from_millis(self.now_ms);
        Ok((self.state(id)?, now))
    }

    fn state(self, id: SaleId) -> Result<State, StoreError> {
        let due = ids(self.due);
        let claims: Vec<ClaimRow> = json("claims", self.claims.as_deref())?;
        let claims = claims.into_iter().map(|row| row.claim().map(|claim| (claim.id, claim)));
        let units_of: std::collections::HashMap<String, u32> =
            json("units", self.units_of.as_deref())?;
        let units_of = units_of.into_iter().map(|(name, units)| Ok((buyer(&name)?, units)));
        let known =
            known(self.known_keys, self.known_fingerprints, self.known_kinds, self.known_bodies)?;
        Ok(State {
            sale: Sale { id, terms: self.terms.read()? },
            version: self.version,
            sold: units(self.sold)?,
            held: units(self.held)?,
            waiting: units(self.waiting)?,
            more_due: due.len() >= DUE_MAX.unsigned_abs() as usize,
            due,
            next_expiry: self.next_expiry.map(Moment::from_millis),
            line: ids(self.line).into(),
            claims: claims.collect::<Result<_, StoreError>>()?,
            units_of: units_of.collect::<Result<_, StoreError>>()?,
            known,
        })
    }
}

/// A claim's row, also as JSON.
#[derive(Deserialize, FromRow, Serialize)]
pub(super) struct ClaimRow {
    id: Uuid,
    buyer: String,
    quantity: i32,
    refunded: i32,
    status: String,
    expires_at: Option<i64>,
    total_minor: i64,
    payment_reference: Option<String>,
}

impl ClaimRow {
    pub(super) fn of(claim: &Claim) -> Self {
        Self {
            id: claim.id.as_uuid(),
            buyer: claim.buyer.as_str().to_owned(),
            quantity: claim.quantity.cast_signed(),
            refunded: claim.refunded.cast_signed(),
            status: claim.status.name().to_owned(),
            expires_at: claim.expires_at.map(Moment::as_millis),
            total_minor: claim.total_minor,
            payment_reference: claim.payment_reference.clone(),
        }
    }

    pub(super) fn claim(self) -> Result<Claim, StoreError> {
        let status = Status::from_name(&self.status)
            .ok_or_else(|| StoreError::Corrupt(format!("a claim that is {}", self.status)))?;
        Ok(Claim {
            id: ClaimId::from_uuid(self.id),
            buyer: buyer(&self.buyer)?,
            quantity: units(self.quantity)?,
            refunded: units(self.refunded)?,
            status,
            expires_at: self.expires_at.map(Moment::from_millis),
            total_minor: self.total_minor,
            payment_reference: self.payment_reference,
        })
    }
}

pub(super) fn ids(ids: Vec<Uuid>) -> Vec<ClaimId> {
    ids.into_iter().map(ClaimId::from_uuid).collect()
}

pub(super) fn buyer(name: &str) -> Result<Buyer, StoreError> {
    Buyer::new(name).map_err(|invalid| StoreError::Corrupt(invalid.to_string()))
}

/// Replies, column by column.
pub(super) fn known(
    keys: Vec<String>,
    fingerprints: Vec<Vec<u8>>,
    kinds: Vec<String>,
    bodies: Vec<String>,
) -> Result<Known, StoreError> {
    (keys.into_iter().zip(fingerprints))
        .zip(kinds.into_iter().zip(bodies))
        .map(|((key, fingerprint), (kind, body))| stored(&key, &fingerprint, &kind, body))
        .collect()
}

fn stored(
    key: &str,
    fingerprint: &[u8],
    kind: &str,
    body: String,
) -> Result<(IdempotencyKey, Stored), StoreError> {
    let key = IdempotencyKey::new(key).map_err(|e| StoreError::Corrupt(e.to_string()))?;
    let fingerprint = Fingerprint::from_stored(fingerprint)
        .ok_or_else(|| StoreError::Corrupt("a fingerprint of another length".to_owned()))?;
    let reply = Reply { kind: self::kind(kind)?, body: body.into() };
    Ok((key, Stored { fingerprint, reply }))
}

/// What was stored of an answer says what had happened.
pub(super) fn kind(name: &str) -> Result<Kind, StoreError> {
    Kind::from_name(name).ok_or_else(|| StoreError::Corrupt(format!("an event {name:?}")))
}

pub(super) fn price(minor: i64, currency: &str) -> Result<Money, StoreError> {
    Currency::new(currency)
        .and_then(|currency| Money::price(minor, currency))
        .map_err(|invalid| StoreError::Corrupt(invalid.to_string()))
}

pub(super) fn json<T: serde::de::DeserializeOwned + Default>(
    what: &str,
    text: Option<&str>,
) -> Result<T, StoreError> {
    text.map_or_else(
        || Ok(T::default()),
        |text| {
            serde_json::from_str(text)
                .map_err(|error| StoreError::Corrupt(format!("unreadable {what}: {error}")))
        },
    )
}

pub(super) fn units(count: i32) -> Result<u32, StoreError> {
    u32::try_from(count).map_err(|_| StoreError::Corrupt(format!("{count} units")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Command, Quantity, Wanted};

    #[test]
    fn a_waiting_list_is_read_at_length_only_where_units_may_come_free() {
        let request = |number: u128, command| {
            let key = IdempotencyKey::new(&format!("key-{number}")).unwrap();
            Request::new(key, ClaimId::from_uuid(Uuid::from_u128(number)), command)
        };
        let ada = || Buyer::new("ada").unwrap();
        let one = Wanted { units: Quantity::new(1).unwrap(), partial: false };
        let buy = request(1, Command::Purchase { buyer: ada(), wanted: one, payment: None });
        let claim = ClaimId::from_uuid(Uuid::from_u128(9));
        let leave = request(2, Command::Cancel { claim, buyer: ada() });
        let line_max =
            |requests: &[&Request]| About::at_a_glance(requests.iter().copied()).line_max;
        assert_eq!(line_max(&[&buy]), LINE_GLANCE);
        assert_eq!(line_max(&[&buy, &leave]), LINE_MAX);
        assert_eq!(line_max(&[]), LINE_MAX);
        assert_eq!(About::requests([&buy].into_iter()).line_max, LINE_MAX);
        assert_eq!(About::default().line_max, LINE_MAX);
    }
}
