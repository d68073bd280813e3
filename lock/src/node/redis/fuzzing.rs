//! What is read of a server's words, for `tests/fuzz`. No part of the API.

use redis::Value;

use super::{ServerReport, calls, look};
use crate::model::{Handover, Question, Reply, Seen};

/// What a server replied to a question.
#[must_use]
pub fn reply(question: &Question, value: &Value) -> Option<Reply> {
    calls::reply(question, value)
}

/// What it said of a resource.
#[must_use]
pub fn seen(value: &Value) -> Option<Seen> {
    look::read(value)
}

/// What it told a client that waits.
#[must_use]
pub fn handover(message: &str) -> Option<Handover> {
    calls::handover(message)
}

/// What it said of itself.
#[must_use]
pub fn report(about: &str, appendfsync: Option<String>) -> ServerReport {
    ServerReport::read("address".into(), about, appendfsync)
}
