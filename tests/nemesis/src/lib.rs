//! Faults at random moments, buyers and lock holders under them, and an oracle over all that they
//! were told.
//!
//! [`Schedule`] draws faults from a seed; [`run()`] lives through them with real servers; [`history`]
//! is what everybody asked and was told; [`oracle`] says what of it cannot be; [`shrink()`] finds few
//! faults that still go wrong; [`report`] is for people.

pub mod fault;
mod figures;
pub mod history;
mod holders;
mod load;
mod means;
pub mod oracle;
pub mod report;
mod results;
mod run;
mod schedule;
pub mod show;
mod shrink;
mod site;
mod tasks;

pub use figures::{Accepted, Figures, Spread};
pub use means::Means;
pub use results::{Record, published};
pub use run::{Control, Plan, RESUMES_WITHIN, Ran, Watch, run};
pub use schedule::{Schedule, Shape};
pub use shrink::shrink;
