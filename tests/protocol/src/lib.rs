//! The lease protocol, model-checked by driving the production rules through every order of events.
//!
//! Every node is a [`leasehold::model::Ledger`], every attempt a [`leasehold::model::Round`],
//! every renewal is counted by a [`leasehold::model::Ballot`], and a node that forgot votes again
//! when [`leasehold::model::admission::admission`] says so. This package adds what is around them:
//! messages that come late, twice or never, keys that lapse, clients that stop, nodes that forget,
//! and a protected register. It holds no copy of a rule but the register's, which is SQL elsewhere;
//! rules are only ever left out, on purpose, to see that it is noticed.
//!
//! # What one step is
//!
//! A question arrives at a node and is answered: one step, as a script is on Redis. It may happen
//! at any moment after the question was asked, or never; a question whose answer is lost is one
//! that arrived. Where [`config::Replies::AtOnce`] is set, hearing the answer belongs to the same
//! step. For commits and renewals that loses nothing: hearing one later completes an acquisition
//! later, which demands less of everybody else, and votes on a renewal are counted in any order.
//! For grants it loses the orders in which answers overtake each other; configurations with
//! [`config::Replies::AnyTime`] have those.
//!
//! A client that crashes, gives up or is done is the same step, [`step::Action::Stop`]: none of
//! them asks anything more, and what it asked may still arrive while the configuration allows late
//! questions. A release is what a lapse of the same key is, so releases are messages of their own
//! only where keys do not lapse at any moment.
//!
//! # Time
//!
//! There is none. Every question arrives at [`node::NOW`]; that a key expires is a step that can
//! happen at any moment, [`step::Action::Lapse`]. A fence does not expire.
//!
//! A quarantine is over when every attempt and every lease from before the node forgot is over, or
//! was renewed without the node by a renewal that began since: that is what its length is for. Only then is the node asked at
//! [`node::after_quarantine`] how it stands, so that the production rule, which compares durations,
//! says *wait* before and *admit* after; the checker asserts that it does say *wait*. This is the
//! hardest reading: no real quarantine can be over earlier, as a holder's validity ends before the
//! shortest quarantine that the rule allows. The keys of leases that the node kept are gone by then,
//! which the jump to [`node::after_quarantine`] does by itself, and its fences are not. That a node
//! is noticed to be out in the moment it forgets is the earliest beginning of a quarantine.
//!
//! A clock, where there is one, is a hint that goes on with every attempt that begins and with every
//! node that forgets.
//!
//! # Fewer states
//!
//! Nodes are told apart by nothing but what they are, so a state is kept with its nodes sorted;
//! attempts are numbered in the order in which they begin, so clients need no names; what no later
//! event can depend on is dropped (module `tidy`).

pub mod asked;
pub mod catalogue;
pub mod config;
pub mod mail;
pub mod mistakes;
pub mod node;
pub mod protocol;
pub mod register;
pub mod rejoin;
pub mod run;
pub mod shared;
pub mod state;
pub mod step;
mod tidy;
