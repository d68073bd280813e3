//! Faults at random moments, buyers and lock holders under them, and an oracle over all that they
//! were told.
//!
//! [`schedule`] draws faults from a seed; [`history`] is what everybody asked and was told; [`oracle`]
//! says what of it cannot be; [`shrink()`] finds few faults that still go wrong.

pub mod fault;
pub mod history;
pub mod oracle;
pub mod schedule;
mod shrink;

pub use shrink::shrink;
