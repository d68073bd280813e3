//! Locks of other libraries on the same names and nodes: each excludes ours, and ours each.
//!
//! The foreign libraries are real. rslock is a crate; the others are programs in
//! `tests/system/interop`, for which pip and npm fetch pinned packages into the target folder. What
//! cannot be fetched is skipped with a line on stderr, or fails, as `LEASEHOLD_INTEROP` says.

mod claims;
mod counter;
pub(crate) mod install;
mod meeting;
mod peer;
pub(crate) mod program;
mod redis_py;
mod redisson;
mod redlock;
mod rslock;
