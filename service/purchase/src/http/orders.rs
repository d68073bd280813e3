//! Bodies of buyers' requests, and the commands that they ask for.

use serde::Deserialize;

use crate::domain::{Buyer, ClaimId, Command, Currency, Invalid, Payment, Quantity, Wanted};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    quantity: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paid {
    amount_minor: i64,
    currency: String,
    reference: Option<String>,
}

impl Paid {
    fn check(self) -> Result<Payment, Invalid> {
        let currency = Currency::new(&self.currency)
            .map_err(|invalid| Invalid { field: "payment.currency", ..invalid })?;
        Payment::new(self.amount_minor, currency, self.reference)
    }
}

/// How much is asked for: a quantity, or lines that are summed.
fn units(quantity: Option<i64>, lines: Option<Vec<Line>>) -> Result<Quantity, Invalid> {
    match (quantity, lines) {
        (Some(_), Some(_)) => Err(Invalid::new("lines", "excludes quantity: send one of them")),
        (quantity, None) => Quantity::new(quantity.unwrap_or(1)),
        (None, Some(lines)) => {
            Quantity::sum(&lines.iter().map(|line| line.quantity).collect::<Vec<_>>())
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPurchase {
    buyer: String,
    quantity: Option<i64>,
    lines: Option<Vec<Line>>,
    #[serde(default)]
    partial: bool,
    payment: Option<Paid>,
}

impl NewPurchase {
    pub(super) fn check(self) -> Result<Command, Invalid> {
        if self.partial && self.payment.is_some() {
            let reason = "excludes payment: how much it will cost is not known yet";
            return Err(Invalid::new("partial", reason));
        }
        Ok(Command::Purchase {
            buyer: Buyer::new(&self.buyer)?,
            wanted: Wanted { units: units(self.quantity, self.lines)?, partial: self.partial },
            payment: self.payment.map(Paid::check).transpose()?,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewReservation {
    buyer: String,
    quantity: Option<i64>,
    lines: Option<Vec<Line>>,
    #[serde(default)]
    partial: bool,
    #[serde(default)]
    wait: bool,
}

impl NewReservation {
    pub(super) fn check(self) -> Result<Command, Invalid> {
        if self.partial && self.wait {
            return Err(Invalid::new("partial", "excludes wait: one takes fewer or waits for all"));
        }
        Ok(Command::Reserve {
            buyer: Buyer::new(&self.buyer)?,
            wanted: Wanted { units: units(self.quantity, self.lines)?, partial: self.partial },
            wait: self.wait,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Confirmation {
    buyer: String,
    payment: Option<Paid>,
}

impl Confirmation {
    pub(super) fn check(self, claim: ClaimId) -> Result<Command, Invalid> {
        let buyer = Buyer::new(&self.buyer)?;
        Ok(Command::Confirm { claim, buyer, payment: self.payment.map(Paid::check).transpose()? })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cancellation {
    buyer: String,
}

impl Cancellation {
    pub(super) fn check(self, claim: ClaimId) -> Result<Command, Invalid> {
        Ok(Command::Cancel { claim, buyer: Buyer::new(&self.buyer)? })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refund {
    quantity: Option<i64>,
}

impl Refund {
    pub(super) fn check(self, claim: ClaimId) -> Result<Command, Invalid> {
        Ok(Command::Refund { claim, units: self.quantity.map(Quantity::new).transpose()? })
    }
}
