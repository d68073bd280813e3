//! Names of sales and claims.

use std::{fmt, str::FromStr};

use serde::Serialize;
use uuid::Uuid;

use super::Invalid;

macro_rules! id {
    ($name:ident, $field:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// An id from its UUID.
            #[must_use]
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// The UUID.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                Uuid::try_parse(text).map(Self).map_err(|_| Invalid::new($field, "must be a UUID"))
            }
        }
    };
}

id!(SaleId, "sale_id", "The name of a sale.");
id!(WebhookId, "webhook_id", "The name of a webhook.");
id!(ClaimId, "id", "The name of a claim: a reservation, and the purchase that it becomes.");
