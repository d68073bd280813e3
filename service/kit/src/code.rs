//! The stable codes of problems. A service has one table of them, made with [`codes!`](crate::codes);
//! answers, the API's description and its table of errors are made from that.

use std::borrow::Cow;

#[doc(hidden)]
pub use axum::http::StatusCode;

use crate::problem::Problem;

/// A code that the kit itself answers with. What it means in a service, the service's own table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Common {
    /// What clients may branch on.
    pub name: &'static str,
    /// The status that it comes with.
    pub status: StatusCode,
}

impl Common {
    /// A problem with this code, and a sentence for people.
    #[must_use]
    pub fn says(self, detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem::new(self.status, self.name, detail)
    }
}

/// A code as it stands in a service's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// What clients may branch on.
    pub name: &'static str,
    /// The status that it comes with.
    pub status: StatusCode,
    /// What it says, and what to do.
    pub meaning: &'static str,
    /// A sentence as clients may read it.
    pub example: &'static str,
}

impl Code {
    /// A problem with this code, and a sentence for people.
    #[must_use]
    pub fn says(&self, detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem::new(self.status, self.name, detail)
    }
}

macro_rules! common {
    ($($constant:ident = $name:literal $status:ident)*) => {
        $(
            #[doc = concat!("`", $name, "`.")]
            pub const $constant: Common = Common { name: $name, status: StatusCode::$status };
        )*

        /// Every code that the kit answers with, ordered by status. All stand in every service's table.
        pub const COMMON: &[Common] = &[$($constant),*];
    };
}

common! {
    INVALID_REQUEST = "invalid_request" BAD_REQUEST
    UNAUTHORIZED = "unauthorized" UNAUTHORIZED
    FORBIDDEN = "forbidden" FORBIDDEN
    NOT_FOUND = "not_found" NOT_FOUND
    METHOD_NOT_ALLOWED = "method_not_allowed" METHOD_NOT_ALLOWED
    BODY_TIMEOUT = "body_timeout" REQUEST_TIMEOUT
    BODY_TOO_LARGE = "body_too_large" PAYLOAD_TOO_LARGE
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE
    RATE_LIMITED = "rate_limited" TOO_MANY_REQUESTS
    INTERNAL = "internal" INTERNAL_SERVER_ERROR
    OVERLOADED = "overloaded" SERVICE_UNAVAILABLE
    UNAVAILABLE = "unavailable" SERVICE_UNAVAILABLE
    DRAINING = "draining" SERVICE_UNAVAILABLE
}

/// A service's table of codes, ordered by status: constants by the codes' names, and `ALL` of them, for
/// the module around.
///
/// Each has a meaning and an example. A code of the service's own also has a name and a status; one of
/// [`COMMON`](crate::code::COMMON) has its own already.
///
/// ```
/// mod code {
///     leasehold_kit::codes! {
///         NOT_FOUND
///             "no such route or wallet"
///             "there is no such wallet"
///         EMPTY = "empty" CONFLICT
///             "nothing is in the wallet"
///             "nothing is in it"
///     }
/// }
///
/// assert_eq!((code::ALL[0].name, code::NOT_FOUND.status.as_u16()), ("not_found", 404));
/// assert_eq!(code::EMPTY.says("nothing is in it").status(), 409);
/// ```
#[macro_export]
macro_rules! codes {
    ($($constant:ident $(= $name:literal $status:ident)? $meaning:literal $example:literal)*) => {
        $(pub(super) const $constant: $crate::code::Code = $crate::code::Code {
            meaning: $meaning,
            example: $example,
            ..$crate::codes!(@ $constant $($name $status)?)
        };)*

        /// Every code, ordered by status.
        pub(super) const ALL: &[&$crate::code::Code] = &[$(&$constant),*];
    };
    (@ $constant:ident) => {
        $crate::codes!(@ {$crate::code::$constant.name} {$crate::code::$constant.status})
    };
    (@ $constant:ident $name:literal $status:ident) => {
        $crate::codes!(@ {$name} {$crate::code::StatusCode::$status})
    };
    (@ {$name:expr} {$status:expr}) => {
        $crate::code::Code { name: $name, status: $status, meaning: "", example: "" }
    };
}

/// A table of codes as Markdown, after what is to be said before it.
#[must_use]
pub fn table(about: &str, codes: &[&Code]) -> String {
    let mut text = format!("{about}| code | status | meaning |\n| --- | --- | --- |\n");
    for code in codes {
        let row = format!("| `{}` | {} | {} |\n", code.name, code.status.as_u16(), code.meaning);
        text.push_str(&row);
    }
    text
}
