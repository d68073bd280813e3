//! Tests of the rules as a whole.

mod edges;
mod histories;
mod selling;
mod streams;
mod world;
