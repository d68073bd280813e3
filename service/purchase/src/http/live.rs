//! `/v1/live`: server-sent events for the live page.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderName, HeaderValue, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;
use leasehold_kit::problem::Problem;

use super::{App, code};

/// How often a quiet stream shows that it still stands.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `GET /v1/live`: how replicas and sales do, about twice a second. Ends when the replica is about to
/// stop.
pub(super) async fn follow(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let Some(watching) = app.hub.watch() else {
        let detail = "too many watch this replica already, or it is about to stop";
        return Err(code::BUSY.says(detail).retry_after(Duration::from_secs(2)));
    };
    let events = stream::unfold(watching, |mut watching| async {
        let text = watching.next().await?;
        Some((Ok::<_, Infallible>(Event::default().event("snapshot").data(&*text)), watching))
    });
    let stream = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // A proxy that gathers small answers would gather these for ever.
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    let fresh = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(([unbuffered, fresh], stream).into_response())
}
