//! What goes wrong in every service, as a client is told.

use std::{any::Any, time::Duration};

use axum::response::{IntoResponse as _, Response};

use crate::{code, problem::Problem};

/// When to try again after a refusal that passes.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// There is none of what the request names.
#[must_use]
pub fn no_such(what: &'static str) -> Problem {
    code::NOT_FOUND.says(format!("there is no such {what}"))
}

/// A server behind this one is away, and nothing happened. The log gets the reason; the client gets what
/// it may act on.
#[must_use]
pub fn unavailable(why: &str) -> Problem {
    tracing::warn!(reason = why, "unavailable");
    let detail = "a server that is needed does not answer; nothing happened";
    code::UNAVAILABLE.says(detail).retry_after(RETRY_AFTER)
}

/// A fault of ours. Only the log gets the reason.
#[must_use]
pub fn internal(why: &str) -> Problem {
    tracing::error!(reason = why, "internal error");
    code::INTERNAL.says("a fault of ours")
}

/// The answer where no route is: a router's fallback.
#[expect(clippy::unused_async, reason = "handlers are asynchronous")]
pub async fn no_such_route() -> Problem {
    no_such("route")
}

/// The answer where a route has no such method: a router's fallback for methods.
#[expect(clippy::unused_async, reason = "handlers are asynchronous")]
pub async fn no_such_method() -> Problem {
    code::METHOD_NOT_ALLOWED.says("the route knows other methods")
}

/// The answer to whom the limit on requests under way turns away.
pub(crate) fn turned_away() -> Problem {
    code::OVERLOADED.says("too many requests are under way").retry_after(RETRY_AFTER)
}

/// The answer when a handler panics.
#[expect(clippy::needless_pass_by_value, reason = "it is handed over by who catches it")]
pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    internal(text.unwrap_or("panic")).into_response()
}
