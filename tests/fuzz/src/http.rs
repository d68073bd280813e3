//! Requests, and the answers to those that cannot be.

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// Longest refusal, in bytes: it may repeat some of what was sent, and not all of it.
const REFUSAL_BYTES_MAX: usize = 2048;

thread_local! {
    static RUNTIME: Runtime =
        Builder::new_current_thread().enable_all().build().expect("a runtime takes no input");
}

/// Runs something to its end.
pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(work))
}

/// A request with this body.
pub(crate) fn post(body: &[u8]) -> Request {
    let mut request = Request::new(Body::from(body.to_vec()));
    let json = header::HeaderValue::from_static("application/json");
    let _none = request.headers_mut().insert(header::CONTENT_TYPE, json);
    request
}

/// Whoever is refused is told why, in words and with a code, and that it is their fault.
pub(crate) fn assert_refusal(refusal: impl IntoResponse) {
    let (head, body) = read(refusal.into_response());
    assert!(head.is_client_error(), "{head}: {body}");
    let read: Value = serde_json::from_str(&body).expect("a refusal is JSON");
    assert!(read["code"].is_string() && read["detail"].is_string(), "{body}");
    assert!(body.len() <= REFUSAL_BYTES_MAX, "{body}");
}

fn read(response: Response) -> (axum::http::StatusCode, String) {
    let (head, body) = response.into_parts();
    let body = run(to_bytes(body, usize::MAX)).expect("it is there already");
    (head.status, String::from_utf8(body.into()).expect("an answer is UTF-8"))
}

/// Whether a body is JSON, an object, and no name in its first level is given twice.
pub(crate) fn is_object(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|value| value.is_object())
}
