//! What Postgres holds, against what buyers were told. One invariant a file, each with its source;
//! each has a test in which it finds a planted violation.

mod acknowledged_is_there_once;
mod books;
mod log_has_no_gap;
mod log_rebuilds_the_sale;
mod never_oversold;
mod nothing_unasked;
mod one_purchase_per_key;
mod refused_is_not_there;
mod tokens_never_go_back;

pub use books::{BatchRow, Books, ClaimRow, ReplyRow};
// What needs no answers of buyers, for those who keep them in another way.
pub use log_has_no_gap::check as log_has_no_gap;
pub use log_rebuilds_the_sale::check as log_rebuilds_the_sale;

use crate::Answered;

/// An invariant: its name, and what it finds. Nothing found means that it holds.
pub type Invariant = (&'static str, fn(&Books, &[Answered]) -> Vec<String>);

/// Every invariant.
pub const INVARIANTS: &[Invariant] = &[
    ("never oversold", never_oversold::check),
    ("what was acknowledged is there exactly once", acknowledged_is_there_once::check),
    ("what was refused is not there", refused_is_not_there::check),
    ("one purchase for each key", one_purchase_per_key::check),
    ("nothing is there that nobody asked for", nothing_unasked::check),
    ("fencing tokens never go back", tokens_never_go_back::check),
    ("the log has no gap", log_has_no_gap::check),
    ("the log rebuilds the sale", log_rebuilds_the_sale::check),
];

/// Everything that all invariants find, each with the invariant's name.
#[must_use]
pub fn violations(books: &Books, told: &[Answered]) -> Vec<String> {
    INVARIANTS
        .iter()
        .flat_map(|(name, check)| {
            check(books, told).into_iter().map(move |found| format!("{name}: {found}"))
        })
        .collect()
}
