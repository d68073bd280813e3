//! What queued commands came to.

use leasehold::Stamp;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Batch, Store, StoreError,
    ask::{Answer, Ask},
    writes::Rows,
};
use crate::domain::{ClaimId, Currency, Kind, Moment, Outcome, Refusal, Reply, SaleId, Status};

/// What became of a queued command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ran {
    /// It was decided.
    Decided(Outcome),
    /// It waited for too long, and was not run.
    Expired,
    /// A fault of ours; nothing happened.
    Failed,
}

/// What became of which command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRan {
    /// The command.
    pub id: ClaimId,
    /// What became of it.
    pub ran: Ran,
}

#[derive(FromRow)]
struct CommandRow {
    id: Uuid,
    outcome: String,
    kind: Option<String>,
    body: Option<String>,
}

/// A refusal, as it is stored. Those of changes of a sale's terms are not queued.
#[derive(Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
enum RefusalRow {
    SoldOut { left: u32 },
    NotOpen { opens_at: i64 },
    Closed,
    LimitReached { max: u32, has: u32 },
    WaitingListFull,
    NoSuchClaim,
    NotYours,
    Status { status: String },
    WrongCurrency { currency: String },
    WrongAmount { total_minor: i64 },
    RefundTooLarge { left: u32 },
}

impl RefusalRow {
    fn of(refusal: &Refusal) -> Option<Self> {
        Some(match refusal {
            Refusal::SoldOut { left } => Self::SoldOut { left: *left },
            Refusal::NotOpen { opens_at } => Self::NotOpen { opens_at: opens_at.as_millis() },
            Refusal::Closed => Self::Closed,
            Refusal::LimitReached { max, has } => Self::LimitReached { max: *max, has: *has },
            Refusal::WaitingListFull => Self::WaitingListFull,
            Refusal::NoSuchClaim => Self::NoSuchClaim,
            Refusal::NotYours => Self::NotYours,
            Refusal::Status(status) => Self::Status { status: status.name().to_owned() },
            Refusal::WrongCurrency { currency } => {
                Self::WrongCurrency { currency: currency.as_str().to_owned() }
            }
            Refusal::WrongAmount { total_minor } => Self::WrongAmount { total_minor: *total_minor },
            Refusal::RefundTooLarge { left } => Self::RefundTooLarge { left: *left },
            Refusal::BelowSold { .. } | Refusal::Version { .. } | Refusal::Invalid(_) => {
                return None;
            }
        })
    }

    fn read(self) -> Option<Refusal> {
        Some(match self {
            Self::SoldOut { left } => Refusal::SoldOut { left },
            Self::NotOpen { opens_at } => {
                Refusal::NotOpen { opens_at: Moment::from_millis(opens_at) }
            }
            Self::Closed => Refusal::Closed,
            Self::LimitReached { max, has } => Refusal::LimitReached { max, has },
            Self::WaitingListFull => Refusal::WaitingListFull,
            Self::NoSuchClaim => Refusal::NoSuchClaim,
            Self::NotYours => Refusal::NotYours,
            Self::Status { status } => Refusal::Status(Status::from_name(&status)?),
            Self::WrongCurrency { currency } => {
                Refusal::WrongCurrency { currency: Currency::new(&currency).ok()? }
            }
            Self::WrongAmount { total_minor } => Refusal::WrongAmount { total_minor },
            Self::RefundTooLarge { left } => Refusal::RefundTooLarge { left },
        })
    }
}

/// What commands came to, column by column.
pub(super) struct CommandRows {
    pub(super) ids: Vec<Uuid>,
    pub(super) outcomes: Vec<&'static str>,
    pub(super) kinds: Vec<Option<&'static str>>,
    pub(super) bodies: Vec<Option<String>>,
}

impl CommandRows {
    fn of(commands: &[CommandRan]) -> Self {
        let mut rows =
            Self { ids: Vec::new(), outcomes: Vec::new(), kinds: Vec::new(), bodies: Vec::new() };
        for CommandRan { id, ran } in commands {
            let replied = |reply: &Reply| (Some(reply.kind.name()), Some(reply.body.to_string()));
            let (outcome, (kind, body)) = match ran {
                Ran::Decided(Outcome::Done(reply)) => ("done", replied(reply)),
                Ran::Decided(Outcome::Replayed(reply)) => ("replayed", replied(reply)),
                Ran::Decided(Outcome::KeyReused) => ("key_reused", (None, None)),
                Ran::Decided(Outcome::Refused(refusal)) => {
                    let row = RefusalRow::of(refusal);
                    match row.and_then(|row| serde_json::to_string(&row).ok()) {
                        Some(body) => ("refused", (None, Some(body))),
                        None => ("failed", (None, None)),
                    }
                }
                Ran::Expired => ("expired", (None, None)),
                Ran::Failed => ("failed", (None, None)),
            };
            rows.ids.push(id.as_uuid());
            rows.outcomes.push(outcome);
            rows.kinds.push(kind);
            rows.bodies.push(body);
        }
        rows
    }
}

impl CommandRow {
    fn read(self) -> Option<CommandRan> {
        let reply = |kind: Option<String>, body: Option<String>| {
            Some(Reply { kind: Kind::from_name(&kind?)?, body: body?.into() })
        };
        let ran = match &*self.outcome {
            "done" => Ran::Decided(Outcome::Done(reply(self.kind, self.body)?)),
            "replayed" => Ran::Decided(Outcome::Replayed(reply(self.kind, self.body)?)),
            "key_reused" => Ran::Decided(Outcome::KeyReused),
            "refused" => {
                let row: RefusalRow = serde_json::from_str(&self.body?).ok()?;
                Ran::Decided(Outcome::Refused(row.read()?))
            }
            "expired" => Ran::Expired,
            "failed" => Ran::Failed,
            _ => return None,
        };
        Some(CommandRan { id: ClaimId::from_uuid(self.id), ran })
    }
}

impl Store {
    /// Writes what commands of a sale came to, together with the decision if it has events: all or
    /// nothing.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]: only [`StoreError::Unknown`] leaves open whether it was written.
    /// [`StoreError::KeyTaken`] also when one of the commands has run before.
    pub async fn write_commands(
        &self,
        sale: SaleId,
        stamp: Option<&Stamp>,
        batch: Option<Batch<'_>>,
        commands: &[CommandRan],
    ) -> Result<(), StoreError> {
        let commands = CommandRows::of(commands);
        #[cfg(feature = "faults")]
        if let Some(batch) = batch
            && crate::faults::fence_is_off()
        {
            let _written = self.ask_once(Rows::of(batch)?.write()).await?;
            return self.ask_once(commands.write(sale, None)).await.map(drop);
        }
        let ask = match batch {
            Some(batch) => Rows::of(batch)?.write_with(commands),
            None => commands.write(sale, stamp),
        };
        self.ask_once(ask).await.map(drop)
    }

    /// What became of those of these commands that have run.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn commands(&self, ids: &[Uuid]) -> Result<Vec<CommandRan>, StoreError> {
        read(self.ask_once(which(None, ids)).await?)
    }

    /// What became of those of these commands of a sale that have run.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn commands_of(
        &self,
        sale: SaleId,
        ids: &[Uuid],
    ) -> Result<Vec<CommandRan>, StoreError> {
        read(self.ask(which(Some(sale), ids)).await?)
    }

    /// Forgets what commands came to that ran longer ago than this many milliseconds, at most `limit` of
    /// them, and says how many they were.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn forget_commands(&self, older_ms: i64, limit: i64) -> Result<u64, StoreError> {
        let ask = sqlx::query(
            "delete from commands where ctid in (select ctid from commands \
             where answered_at < leasehold_now() - $1 limit $2 for update skip locked)",
        )
        .bind(older_ms)
        .bind(limit);
        Ok(self.ask(ask).await?.written)
    }
}

fn which(sale: Option<SaleId>, ids: &[Uuid]) -> Ask {
    sqlx::query(
        "select id, outcome, kind, body from commands \
         where id = any ($1) and sale_id = coalesce($2, sale_id)",
    )
    .bind(ids)
    .bind(sale.map(SaleId::as_uuid))
}

fn read(answer: Answer) -> Result<Vec<CommandRan>, StoreError> {
    let read = |row: CommandRow| {
        let id = row.id;
        row.read().ok_or_else(|| StoreError::Corrupt(format!("command {id} came to nothing known")))
    };
    answer.all()?.into_iter().map(read).collect()
}

impl CommandRows {
    /// Writes them alone.
    fn write(self, sale: SaleId, stamp: Option<&Stamp>) -> Ask {
        sqlx::query("select write_commands($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind(sale.as_uuid())
            .bind(stamp.map(|stamp| stamp.resource.as_str()))
            .bind(stamp.map(|stamp| stamp.token.as_i64()))
            .bind(stamp.map(|stamp| stamp.holder.to_string()))
            .bind(self.ids)
            .bind(self.outcomes)
            .bind(self.kinds)
            .bind(self.bodies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_a_command_is_read_as_it_was_written() {
        let refusals = [
            Refusal::SoldOut { left: 2 },
            Refusal::NotOpen { opens_at: Moment::from_millis(5) },
            Refusal::Closed,
            Refusal::LimitReached { max: 4, has: 3 },
            Refusal::WaitingListFull,
            Refusal::NoSuchClaim,
            Refusal::NotYours,
            Refusal::Status(Status::Expired),
            Refusal::WrongCurrency { currency: Currency::new("EUR").unwrap() },
            Refusal::WrongAmount { total_minor: 7 },
            Refusal::RefundTooLarge { left: 1 },
        ];
        let reply = Reply { kind: Kind::Purchased, body: "{}".into() };
        let outcomes = [Outcome::Done(reply.clone()), Outcome::Replayed(reply), Outcome::KeyReused];
        let decided = refusals.into_iter().map(Outcome::Refused).chain(outcomes);
        let all = decided.map(Ran::Decided).chain([Ran::Expired, Ran::Failed]);
        let id = ClaimId::from_uuid(Uuid::from_u128(1));
        let all: Vec<CommandRan> = all.map(|ran| CommandRan { id, ran }).collect();
        let CommandRows { ids, outcomes, kinds, bodies } = CommandRows::of(&all);
        let rows = ids.into_iter().zip(outcomes).zip(kinds).zip(bodies);
        let read = rows.map(|(((id, outcome), kind), body)| {
            let (outcome, kind) = (outcome.to_owned(), kind.map(str::to_owned));
            CommandRow { id, outcome, kind, body }.read().unwrap()
        });
        assert_eq!(read.collect::<Vec<_>>(), all);
    }
}
