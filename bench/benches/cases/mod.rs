//! What decides, ready to be asked again and again: no clock, socket or database is in any of it.

mod deciding;
mod leasing;

/// Prepares a case; what it returns does it once.
pub(crate) type Case = fn() -> Box<dyn FnMut()>;

/// Every case by its name.
pub(crate) const CASES: &[(&str, Case)] = &[
    ("token_there_and_back", leasing::token),
    ("round_all_agree", leasing::agreed),
    ("round_commit", leasing::committed),
    ("ballot", leasing::ballot),
    ("lifecycle_renewed", leasing::renewed),
    ("decide_1", deciding::one),
    ("decide_100", deciding::hundred),
    ("decide_1000", deciding::thousand),
    ("decide_100_sold_out", deciding::sold_out),
    ("fold_1000", deciding::fold),
];
