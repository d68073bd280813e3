//! Guides: what the reference does not say item by item.
//!
//! | guide | answers |
//! | --- | --- |
//! | [`guarantees`] | When does each promise hold, what breaks it, what does each fault do? |
//! | [`timing`] | Which TTL, which time limits? |
//! | [`fencing`] | How is the token checked, in Postgres and elsewhere? |
//! | [`migration`] | What changes for users of rslock or Redisson? |
//! | [`deployment`] | How are the servers set up, and what is watched? |

#[doc = include_str!("guarantees.md")]
pub mod guarantees {}

#[doc = include_str!("timing.md")]
pub mod timing {}

#[doc = include_str!("fencing.md")]
pub mod fencing {}

#[doc = include_str!("migration.md")]
pub mod migration {}

#[doc = include_str!("deployment.md")]
pub mod deployment {}
