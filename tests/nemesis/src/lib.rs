//! Faults at random moments, buyers and lock holders under them, and an oracle over all that they
//! were told.
//!
//! [`history`] is what everybody asked and was told; [`oracle`] says what of it cannot be.

pub mod history;
pub mod oracle;
