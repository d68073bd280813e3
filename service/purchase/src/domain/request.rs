//! What a client asks for.

use std::fmt::Display;

use super::{
    Buyer, ClaimId, Currency, Fingerprint, IdempotencyKey, Invalid, PRICE_MINOR_MAX, QUANTITY_MAX,
    Quantity, SaleChange,
};

/// Longest reference of a payment, in characters.
pub const REFERENCE_CHARS_MAX: usize = 200;

/// How much a buyer wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// How many units.
    pub units: Quantity,
    /// Whether fewer will do, when fewer are left.
    pub partial: bool,
}

/// A payment that was made elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    amount_minor: i64,
    currency: Currency,
    reference: Option<String>,
}

impl Payment {
    /// Checks a payment; whether it is the right amount shows when the price is known.
    ///
    /// # Errors
    ///
    /// When the amount is negative or larger than any price, or the reference is not 1 to
    /// [`REFERENCE_CHARS_MAX`] characters without control characters.
    pub fn new(
        amount_minor: i64,
        currency: Currency,
        reference: Option<String>,
    ) -> Result<Self, Invalid> {
        let most = PRICE_MINOR_MAX * i64::from(QUANTITY_MAX);
        if !(0..=most).contains(&amount_minor) {
            return Err(Invalid::new("payment.amount_minor", format!("must be 0 to {most}")));
        }
        let usable = |text: &String| {
            (1..=REFERENCE_CHARS_MAX).contains(&text.chars().count())
                && !text.chars().any(char::is_control)
        };
        if reference.as_ref().is_some_and(|text| !usable(text)) {
            let reason =
                format!("must be 1 to {REFERENCE_CHARS_MAX} characters without control characters");
            return Err(Invalid::new("payment.reference", reason));
        }
        Ok(Self { amount_minor, currency, reference })
    }

    /// Minor units that were paid.
    #[must_use]
    pub const fn amount_minor(&self) -> i64 {
        self.amount_minor
    }

    /// In which currency.
    #[must_use]
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// What it is called where it was made.
    #[must_use]
    pub fn reference(&self) -> Option<&str> {
        self.reference.as_deref()
    }
}

/// What is to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Buy directly.
    Purchase {
        /// Who.
        buyer: Buyer,
        /// How much.
        wanted: Wanted,
        /// The payment, when it was made already.
        payment: Option<Payment>,
    },
    /// Reserve until a deadline.
    Reserve {
        /// Who.
        buyer: Buyer,
        /// How much.
        wanted: Wanted,
        /// Whether to wait when too little is left.
        wait: bool,
    },
    /// Buy what is reserved.
    Confirm {
        /// Which reservation.
        claim: ClaimId,
        /// Whose it is.
        buyer: Buyer,
        /// The payment, when it was made already. Only with it does a reservation that expired become
        /// a late payment.
        payment: Option<Payment>,
    },
    /// Give a reservation up, or leave the waiting list.
    Cancel {
        /// Which.
        claim: ClaimId,
        /// Whose it is.
        buyer: Buyer,
    },
    /// Give units of a purchase back.
    Refund {
        /// Which purchase.
        claim: ClaimId,
        /// How many units; all that are left of it, when it does not say.
        units: Option<Quantity>,
    },
    /// Change the sale's terms.
    Change(SaleChange),
}

impl Command {
    /// The buyer whose units it may change, when it names one.
    #[must_use]
    pub const fn buyer(&self) -> Option<&Buyer> {
        match self {
            Self::Purchase { buyer, .. }
            | Self::Reserve { buyer, .. }
            | Self::Confirm { buyer, .. }
            | Self::Cancel { buyer, .. } => Some(buyer),
            Self::Refund { .. } | Self::Change(_) => None,
        }
    }

    /// Whether nothing remains of it once it is refused.
    #[must_use]
    pub const fn only_buys(&self) -> bool {
        matches!(self, Self::Purchase { .. } | Self::Reserve { wait: false, .. })
    }

    /// Whether what it comes to depends on how many units are left.
    #[must_use]
    pub const fn wants_units(&self) -> bool {
        matches!(
            self,
            Self::Purchase { .. } | Self::Reserve { .. } | Self::Confirm { payment: Some(_), .. }
        )
    }

    /// The claim that it is about, when there is one already.
    #[must_use]
    pub const fn claim(&self) -> Option<ClaimId> {
        match self {
            Self::Confirm { claim, .. }
            | Self::Cancel { claim, .. }
            | Self::Refund { claim, .. } => Some(*claim),
            Self::Purchase { .. } | Self::Reserve { .. } | Self::Change(_) => None,
        }
    }

    /// A digest of what it means.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let text = match self {
            Self::Purchase { buyer, wanted, payment } => {
                vec![
                    s(&"purchase"),
                    s(&buyer.as_str()),
                    s(&wanted.units.get()),
                    s(&wanted.partial),
                    paid(payment),
                ]
            }
            Self::Reserve { buyer, wanted, wait } => {
                vec![
                    s(&"reserve"),
                    s(&buyer.as_str()),
                    s(&wanted.units.get()),
                    s(&wanted.partial),
                    s(wait),
                ]
            }
            Self::Confirm { claim, buyer, payment } => {
                vec![s(&"confirm"), s(claim), s(&buyer.as_str()), paid(payment)]
            }
            Self::Cancel { claim, buyer } => vec![s(&"cancel"), s(claim), s(&buyer.as_str())],
            Self::Refund { claim, units } => {
                let units = units.map_or_else(|| s(&"all"), |units| s(&units.get()));
                vec![s(&"refund"), s(claim), units]
            }
            // Names every field that is to change, and its new value.
            Self::Change(change) => vec![s(&"change"), format!("{change:?}")],
        };
        Fingerprint::of(&text.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

fn s(part: &dyn Display) -> String {
    part.to_string()
}

fn paid(payment: &Option<Payment>) -> String {
    payment.as_ref().map_or_else(String::new, |payment| {
        let reference = payment.reference().unwrap_or_default();
        format!("{} {} {reference}", payment.amount_minor, payment.currency.as_str())
    })
}

/// One request, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The client's name for it.
    pub key: IdempotencyKey,
    /// What it means, as a digest.
    pub fingerprint: Fingerprint,
    /// The id of the claim that it may make.
    pub id: ClaimId,
    /// What is to happen.
    pub command: Command,
}

impl Request {
    /// A request; its fingerprint is that of the command.
    #[must_use]
    pub fn new(key: IdempotencyKey, id: ClaimId, command: Command) -> Self {
        let fingerprint = command.fingerprint();
        Self { key, fingerprint, id, command }
    }
}
