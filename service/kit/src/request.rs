//! What every request gets: an id, a trace, a span.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue},
    response::Response,
};
use tracing::{Span, field::Empty};

use crate::trace::TraceContext;

/// A client's own name for a request, or ours; every answer has it.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is taken from a client, in bytes.
pub const REQUEST_ID_BYTES_MAX: usize = 128;

/// How much of what a client sent goes into the log, in bytes.
const TEXT_BYTES_SHOWN: usize = 120;

/// Begins a span for a request, with `request.id`, `trace.id` and `key.name`, the name of who asks; and the
/// id that its answer is to have. An id that is missing, too long or not printable is replaced by the
/// trace's.
pub(crate) fn begin(request: &Request, key: Option<&str>) -> (Span, Option<HeaderValue>) {
    let context = TraceContext::of(request.headers());
    let given = given_id(request.headers());
    // A collector has a name of its own for a trace that begins here.
    let known = (!cfg!(feature = "otlp")).then(|| context.trace_id());
    let id = given.as_ref().and_then(|id| id.to_str().ok()).or(known.as_deref());
    let span = span_of(request, id.filter(|_| known.is_some()), known.as_deref(), key);
    let trace = known.unwrap_or_else(|| {
        let trace = trace_of(&span, context);
        let shown = given.as_ref().and_then(|id| id.to_str().ok()).unwrap_or(&trace);
        let _span = span.record("request.id", shown).record("trace.id", &*trace);
        trace
    });
    (span, given.or_else(|| HeaderValue::from_str(&trace).ok()))
}

/// Ends the span of a request that was answered, and gives the answer its id.
pub(crate) fn end(mut response: Response, span: &Span, id: Option<HeaderValue>) -> Response {
    // Nothing is logged in the span after this; a collector gets it.
    if cfg!(feature = "otlp") {
        let _span = span.record("http.status", response.status().as_u16());
    }
    if let Some(id) = id {
        let _before = response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

fn given_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut values = headers.get_all(REQUEST_ID).iter();
    let (id, None) = (values.next()?, values.next()) else { return None };
    let usable = (1..=REQUEST_ID_BYTES_MAX).contains(&id.len())
        && id.as_bytes().iter().all(u8::is_ascii_graphic);
    // Copied: as long as a part of the head is kept, its connection cannot use that memory again.
    usable.then(|| HeaderValue::from_bytes(id.as_bytes()).ok()).flatten()
}

fn span_of(request: &Request, id: Option<&str>, trace: Option<&str>, key: Option<&str>) -> Span {
    // Both are a client's choice, so they may be of any length.
    let (method, path) = (shown(request.method().as_str()), shown(request.uri().path()));
    tracing::info_span!(
        "request",
        http.method = method,
        http.path = path,
        http.status = Empty,
        request.id = id,
        trace.id = trace,
        key.name = key,
    )
}

fn shown(text: &str) -> &str {
    // A path may hold characters of several bytes as they are.
    let mut ends = (0..=TEXT_BYTES_SHOWN.min(text.len())).rev();
    ends.find_map(|end| text.get(..end)).unwrap_or_default()
}

/// The id of the trace that the span belongs to.
fn trace_of(span: &Span, context: TraceContext) -> String {
    #[cfg(feature = "otlp")]
    if let Some(trace) = crate::telemetry::otlp::join(span, context) {
        return trace;
    }
    #[cfg(not(feature = "otlp"))]
    let _unused = span;
    context.trace_id()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn answered(ids: &[&str]) -> String {
        let mut request = Request::builder().uri("/").header("traceparent", TRACEPARENT);
        for id in ids {
            request = request.header(REQUEST_ID, *id);
        }
        let (span, id) = begin(&request.body(Body::empty()).unwrap(), None);
        let answer = end(Response::new(Body::empty()), &span, id);
        let ids: Vec<_> = answer.headers().get_all(REQUEST_ID).iter().collect();
        let [id] = ids[..] else { panic!("{ids:?}") };
        id.to_str().unwrap().to_owned()
    }

    #[test]
    fn what_is_logged_of_a_path_has_a_limit_whatever_it_is_written_in() {
        assert_eq!(shown("/v1"), "/v1");
        assert_eq!(shown(&"x".repeat(TEXT_BYTES_SHOWN + 1)), "x".repeat(TEXT_BYTES_SHOWN));
        assert_eq!(shown(&format!("/{}", "é".repeat(9999))).len(), TEXT_BYTES_SHOWN - 1);
    }

    #[test]
    fn an_id_is_given_back_and_an_unusable_one_replaced_by_the_traces() {
        let longest = "x".repeat(REQUEST_ID_BYTES_MAX);
        for usable in ["a", "7c9e6679-7425-40de-944b-e07fc1f90ae7", &longest] {
            assert_eq!(answered(&[usable]), usable);
        }
        let trace = TRACEPARENT.split('-').nth(1).unwrap();
        for unusable in
            [&[][..], &[""], &["a b"], &["a\tb"], &["ü"], &["a", "a"], &[&(longest + "x")]]
        {
            assert_eq!(answered(unusable), trace, "{unusable:?}");
        }
    }
}
