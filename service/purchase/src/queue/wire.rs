//! A command as it stands in a queue: JSON, so that any tool can read it.
//!
//! Replicas of two releases read each other's. A field that one of them does not know is an error, not
//! something to leave out: the command is then left to the one that knows it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Place, Queued};
use crate::domain::{
    Buyer, ClaimId, Command, Currency, IdempotencyKey, Invalid, Payment, Quantity, Request, SaleId,
    Wanted,
};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    place: Place,
    /// The replica that is to be told once it has run.
    from: String,
    sale: Uuid,
    /// The command's id, and that of the claim that it may make.
    id: Uuid,
    key: String,
    command: Words,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Words {
    Purchase { buyer: String, units: u32, partial: bool, payment: Option<Paid> },
    Reserve { buyer: String, units: u32, partial: bool, wait: bool },
    Confirm { claim: Uuid, buyer: String, payment: Option<Paid> },
    Cancel { claim: Uuid, buyer: String },
    Refund { claim: Uuid, units: Option<u32> },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Paid {
    amount_minor: i64,
    currency: String,
    reference: Option<String>,
}

/// Why a command cannot be put into a queue, or read from one.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error("not a command that this release knows: {0}")]
    Json(#[from] serde_json::Error),
    #[error("not a command that can be: {0}")]
    Invalid(#[from] Invalid),
    #[error("a change of a sale's terms is not queued")]
    NotQueued,
}

pub(super) fn write(queued: &Queued) -> Result<String, WireError> {
    let Queued { place, from, sale, request } = queued;
    let entry = Entry {
        place: *place,
        from: from.clone(),
        sale: sale.as_uuid(),
        id: request.id.as_uuid(),
        key: request.key.as_str().to_owned(),
        command: Words::of(&request.command)?,
    };
    Ok(serde_json::to_string(&entry)?)
}

pub(super) fn read(text: &str) -> Result<Queued, WireError> {
    let entry: Entry = serde_json::from_str(text)?;
    let Entry { place, from, sale, id, key, command } = entry;
    let request =
        Request::new(IdempotencyKey::new(&key)?, ClaimId::from_uuid(id), command.command()?);
    Ok(Queued { place, from, sale: SaleId::from_uuid(sale), request })
}

impl Words {
    fn of(command: &Command) -> Result<Self, WireError> {
        let text = |buyer: &Buyer| buyer.as_str().to_owned();
        Ok(match command {
            Command::Purchase { buyer, wanted, payment } => Self::Purchase {
                buyer: text(buyer),
                units: wanted.units.get(),
                partial: wanted.partial,
                payment: payment.as_ref().map(Paid::of),
            },
            Command::Reserve { buyer, wanted, wait } => Self::Reserve {
                buyer: text(buyer),
                units: wanted.units.get(),
                partial: wanted.partial,
                wait: *wait,
            },
            Command::Confirm { claim, buyer, payment } => Self::Confirm {
                claim: claim.as_uuid(),
                buyer: text(buyer),
                payment: payment.as_ref().map(Paid::of),
            },
            Command::Cancel { claim, buyer } => {
                Self::Cancel { claim: claim.as_uuid(), buyer: text(buyer) }
            }
            Command::Refund { claim, units } => {
                Self::Refund { claim: claim.as_uuid(), units: units.map(Quantity::get) }
            }
            Command::Change(_) => return Err(WireError::NotQueued),
        })
    }

    fn command(self) -> Result<Command, Invalid> {
        let quantity = |units: u32| Quantity::new(units.into());
        let wanted = |units, partial| Ok::<_, Invalid>(Wanted { units: quantity(units)?, partial });
        Ok(match self {
            Self::Purchase { buyer, units, partial, payment } => Command::Purchase {
                buyer: Buyer::new(&buyer)?,
                wanted: wanted(units, partial)?,
                payment: payment.map(Paid::payment).transpose()?,
            },
            Self::Reserve { buyer, units, partial, wait } => Command::Reserve {
                buyer: Buyer::new(&buyer)?,
                wanted: wanted(units, partial)?,
                wait,
            },
            Self::Confirm { claim, buyer, payment } => Command::Confirm {
                claim: ClaimId::from_uuid(claim),
                buyer: Buyer::new(&buyer)?,
                payment: payment.map(Paid::payment).transpose()?,
            },
            Self::Cancel { claim, buyer } => {
                Command::Cancel { claim: ClaimId::from_uuid(claim), buyer: Buyer::new(&buyer)? }
            }
            Self::Refund { claim, units } => Command::Refund {
                claim: ClaimId::from_uuid(claim),
                units: units.map(quantity).transpose()?,
            },
        })
    }
}

impl Paid {
    fn of(payment: &Payment) -> Self {
        Self {
            amount_minor: payment.amount_minor(),
            currency: payment.currency().as_str().to_owned(),
            reference: payment.reference().map(str::to_owned),
        }
    }

    fn payment(self) -> Result<Payment, Invalid> {
        Payment::new(self.amount_minor, Currency::new(&self.currency)?, self.reference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queued(command: Command) -> Queued {
        let key = IdempotencyKey::new("k").unwrap();
        Queued {
            place: Place { number: 7, batch: Uuid::from_u128(1), index: 2 },
            from: "replica-1".to_owned(),
            sale: SaleId::from_uuid(Uuid::from_u128(3)),
            request: Request::new(key, ClaimId::from_uuid(Uuid::from_u128(4)), command),
        }
    }

    fn commands() -> Vec<Command> {
        let buyer = Buyer::new("ada").unwrap();
        let claim = ClaimId::from_uuid(Uuid::from_u128(5));
        let units = Quantity::new(3).unwrap();
        let wanted = Wanted { units, partial: true };
        let reference = Some("r \"1\"".to_owned());
        let payment = Some(Payment::new(30, Currency::new("EUR").unwrap(), reference).unwrap());
        vec![
            Command::Purchase { buyer: buyer.clone(), wanted, payment: payment.clone() },
            Command::Purchase { buyer: buyer.clone(), wanted, payment: None },
            Command::Reserve { buyer: buyer.clone(), wanted, wait: false },
            Command::Confirm { claim, buyer: buyer.clone(), payment },
            Command::Cancel { claim, buyer },
            Command::Refund { claim, units: Some(units) },
            Command::Refund { claim, units: None },
        ]
    }

    #[test]
    fn every_command_comes_back_as_it_was() {
        for command in commands() {
            let before = queued(command);
            assert_eq!(read(&write(&before).unwrap()).unwrap(), before);
        }
    }

    #[test]
    fn what_is_not_known_or_cannot_be_is_an_error() {
        let text = write(&queued(commands().remove(1))).unwrap();
        for (right, wrong) in [
            ("\"units\":3", "\"units\":0"),
            ("\"units\":3", "\"units\":3,\"later\":1"),
            ("\"purchase\"", "\"teleport\""),
            ("\"key\":\"k\"", "\"key\":\"\""),
            ("{", ""),
        ] {
            let bad = text.replacen(right, wrong, 1);
            assert_ne!(bad, text, "{right}");
            assert!(read(&bad).is_err(), "{bad}");
        }
    }
}
