//! Streams: links, and candidates for an office.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::HttpBody as _,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, StreamExt as _, stream};
use leasehold::{Event as Office, Loss};
use leasehold_kit::{body::InPath, problem::Problem};
use serde::Serialize;
use serde_json::json;

use super::{App, caller::AsHolder, code, error, leases::resource};
use crate::holding::{Linked, Notice, Standing};

/// How often a quiet stream shows that it still stands.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `GET /v1/link`: an open link. Its first event names it; while it is open, leases that are bound to it are
/// renewed, and when it breaks they are given back.
pub(super) async fn link(
    State(app): State<Arc<App>>,
    who: AsHolder,
    request: Request,
) -> Result<Response, Problem> {
    refuse_body(&request)?;
    let linked = app.holdings.link(&who.client).map_err(|error| error::problem(&error))?;
    let first = event("link", &json!({ "link": linked.id().to_string() }));
    let until = who.turned_away(&app);
    let rest = stream::unfold(linked, |mut linked: Linked| async {
        let Notice { lease, resource, token, why } = linked.next().await?;
        let said = json!({
            "id": lease.to_string(),
            "resource": resource.as_str(),
            "token": token.to_string(),
            "why": why.as_str(),
            "detail": why.to_string(),
        });
        Some((event("lost", &said), linked))
    });
    Ok(open(first, rest, until))
}

/// `GET /v1/elections/{office}`: stands for an office for as long as the stream is open.
pub(super) async fn stand(
    State(app): State<Arc<App>>,
    who: AsHolder,
    InPath(office): InPath<String>,
    request: Request,
) -> Result<Response, Problem> {
    refuse_body(&request)?;
    let office = resource("office", office)?;
    who.may_hold(std::slice::from_ref(&office))?;
    let first = event("standing", &json!({ "resource": office.as_str() }));
    let until = who.turned_away(&app);
    let standing = app.holdings.stand(office).map_err(|error| error::problem(&error))?;
    let rest = stream::unfold(Some(standing), |standing| async {
        let mut standing: Standing = standing?;
        let next = tokio::select! {
            biased;
            () = standing.stopping.cancelled() => return None,
            next = standing.candidate.next() => next,
        };
        Some(match next {
            Ok(Office::Elected(stamp)) => {
                let said = json!({
                    "resource": stamp.resource.as_str(),
                    "token": stamp.token.to_string(),
                    "holder": stamp.holder.to_string(),
                });
                (event("elected", &said), Some(standing))
            }
            Ok(Office::Lost(lost)) => (event("lost", &left(lost.token, lost.loss)), Some(standing)),
            // However long it waits, it cannot be elected.
            Err(error) => (event("failed", &error::not_acquired(&error).document()), None),
        })
    });
    Ok(open(first, rest, until))
}

/// While a body is awaited the end of the connection is not seen, and that is what ends a stream.
fn refuse_body(request: &Request) -> Result<(), Problem> {
    if request.body().is_end_stream() {
        return Ok(());
    }
    Err(code::INVALID_REQUEST.says("a stream is asked for without a body"))
}

fn left(token: leasehold::FencingToken, loss: Loss) -> serde_json::Value {
    json!({ "token": token.to_string(), "why": loss.as_str(), "detail": loss.to_string() })
}

fn event(name: &str, data: &impl Serialize) -> Event {
    // Plain values always serialise, and have no line breaks of their own.
    Event::default().event(name).data(serde_json::to_string(data).unwrap_or_default())
}

/// A stream that ends when its key is not known any more: what it kept is given back.
fn open<R, U>(first: Event, rest: R, until: U) -> Response
where
    R: Stream<Item = Event> + Send + 'static,
    U: Future<Output = ()> + Send + 'static,
{
    let stream = stream::iter([first]).chain(rest).take_until(until).map(Ok::<_, Infallible>);
    let stream = Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // A proxy that gathers small answers would gather these for ever.
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    let fresh = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    ([unbuffered, fresh], stream).into_response()
}
