//! How the units of a sale are granted.
//!
//! One strategy so far: [`Leased`].

mod batch;
mod combiner;
mod desk;
mod leased;
mod turn;

pub use leased::{GrantConfig, GrantError, Leased};
