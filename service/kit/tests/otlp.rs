//! Traces reach a collector. A test binary of its own, since a process sets its logs up once.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, header::CONTENT_TYPE},
    routing::{get, post},
};
use leasehold_kit::{
    front::{Entry, Front, Rules},
    telemetry::{LogFormat, logs_and_traces, otlp::Traces},
};
use tokio::{net::TcpListener, sync::mpsc};
use tower::ServiceExt as _;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// What came to the collector.
type Export = (HeaderMap, Bytes);

/// A collector: its address, and what it gets.
async fn collector() -> (String, mpsc::UnboundedReceiver<Export>) {
    let (sender, exports) = mpsc::unbounded_channel();
    let take = move |headers: HeaderMap, body: Bytes| async move {
        sender.send((headers, body)).unwrap();
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().route("/v1/traces", post(take));
    drop(tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }));
    (address, exports)
}

fn has(body: &[u8], what: &[u8]) -> bool {
    body.windows(what.len()).any(|window| window == what)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_requests_span_reaches_the_collector_in_its_callers_trace() {
    let (address, mut exports) = collector().await;
    let traces = Traces::to(&format!("{address}/"), "shop").unwrap();
    // Not even a warning is logged: traces have a filter of their own.
    logs_and_traces("off", LogFormat::Json, &traces).unwrap();
    let rules = Rules { door: None, entry: |_| Entry::Free, requests_max: 1, adapt: |_| {} };
    let app = Front::new(Router::new().route("/here", get(|| async {})), rules);
    let ask = |parent: Option<String>| {
        let mut request = Request::builder().uri("/here").header("host", "here");
        if let Some(parent) = parent {
            request = request.header("traceparent", parent);
        }
        app.clone().oneshot(request.body(Body::empty()).unwrap())
    };
    let joined = ask(Some(format!("00-{TRACE}-00f067aa0ba902b7-01"))).await.unwrap();
    assert_eq!(joined.headers()["x-request-id"], TRACE);
    let begun = ask(None).await.unwrap();
    let begun = begun.headers()["x-request-id"].to_str().unwrap().to_owned();
    tokio::task::spawn_blocking(|| traces.end()).await.unwrap();
    let (headers, body) =
        tokio::time::timeout(Duration::from_secs(30), exports.recv()).await.unwrap().unwrap();
    assert_eq!(headers[CONTENT_TYPE], "application/x-protobuf");
    for what in ["shop", "request", "/here", "trace.id"] {
        assert!(has(&body, what.as_bytes()), "{what} is missing");
    }
    for trace in [TRACE, &begun] {
        assert!(has(&body, &hex::decode(trace).unwrap()), "{trace} is missing");
    }
}
