//! What every request passes before its route: a name, a trace and a span; one `Host`; its API key, and how
//! often that may ask; a place among those under way. A panic ends here too.
//!
//! One service around all routes, and no layer of each: for every request axum clones what a layer is
//! around, on the heap, once for each layer outside of it, and so on inwards.

use std::{
    convert::Infallible,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    BoxError, Router,
    body::{Body, Bytes, HttpBody},
    extract::{DefaultBodyLimit, Request},
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};
use futures_util::FutureExt as _;
use tokio::sync::Semaphore;
use tower::{Layer as _, Service};
use tracing::Instrument as _;

use crate::{
    body::BODY_BYTES_MAX,
    caller::{Door, count},
    error::{panicked, turned_away},
    host,
    problem::Problem,
    request,
};

/// How a request is let in, by its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Always: load balancers ask, and a crowd must not make a replica seem ill.
    Free,
    /// Counted for its API key, as is whoever has none that is known.
    Counted,
    /// Counted, and turned away while too many are under way.
    Limited,
}

/// Who is let in, and how many.
#[derive(Debug)]
pub struct Rules {
    /// Who may do what, and how often; `None` where everybody may.
    pub door: Option<Door>,
    /// How a request with this path is let in.
    pub entry: fn(&str) -> Entry,
    /// Requests with a limited entry that are under way at most; one is, until its answer begins. Should be
    /// less than the connections that may be open, or nobody can be told.
    pub requests_max: usize,
    /// What is done to headers before anything reads them.
    pub adapt: fn(&mut HeaderMap),
}

/// A service: routes, and what stands before them. Cloning is cheap and shares it.
#[derive(Clone, Debug)]
pub struct Front {
    rules: Arc<Rules>,
    under_way: Arc<Semaphore>,
    routes: <DefaultBodyLimit as tower::Layer<Router>>::Service,
}

impl Front {
    /// Stands before these routes.
    ///
    /// # Errors
    ///
    /// Clients get problems with the codes `invalid_request` (no `Host`, or several), `rate_limited`,
    /// `overloaded` and `internal` (a handler panicked).
    #[must_use]
    pub fn new(routes: Router, rules: Rules) -> Self {
        let under_way = Arc::new(Semaphore::new(rules.requests_max.min(Semaphore::MAX_PERMITS)));
        let routes = DefaultBodyLimit::max(BODY_BYTES_MAX).layer(routes);
        Self { rules: Arc::new(rules), under_way, routes }
    }

    async fn answer(self, mut request: Request) -> Response {
        (self.rules.adapt)(request.headers_mut());
        let entry = (self.rules.entry)(request.uri().path());
        let door = self.rules.door.as_ref().filter(|_| entry != Entry::Free);
        let asked = door.map(|door| door.asked(request.headers()));
        let name = asked.as_ref().map(|asked| asked.name());
        let (span, id) = request::begin(&request, name.as_deref());
        let response = async {
            let passed = AssertUnwindSafe(async {
                host::check(&request)?;
                if let Some((door, name)) = door.zip(name) {
                    count(door, &name)?;
                }
                if let Some(asked) = asked {
                    let _before = request.extensions_mut().insert(asked);
                }
                let _place = match entry {
                    Entry::Limited => {
                        Some(self.under_way.try_acquire().map_err(|_| turned_away())?)
                    }
                    Entry::Free | Entry::Counted => None,
                };
                let mut routes = self.routes;
                let Ok(response) = routes.call(request).await;
                Ok::<_, Problem>(response)
            });
            match passed.catch_unwind().await {
                Ok(passed) => passed.unwrap_or_else(Problem::into_response),
                Err(panic) => panicked(panic),
            }
        };
        request::end(response.instrument(span.clone()).await, &span, id)
    }
}

impl<B> Service<Request<B>> for Front
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Box::pin(self.clone().answer(request.map(Body::new)).map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use axum::{
        http::{StatusCode, header::HOST},
        routing::get,
    };
    use tokio::sync::Notify;
    use tower::ServiceExt as _;

    use super::*;

    fn front(routes: Router) -> Front {
        let entry = |path: &str| if path == "/free" { Entry::Free } else { Entry::Limited };
        Front::new(routes, Rules { door: None, entry, requests_max: 1, adapt: |_| {} })
    }

    async fn ask(front: &Front, path: &str, hosts: &[&str]) -> (StatusCode, String) {
        let mut request = Request::builder().uri(path);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let answer = front.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert!(answer.headers().contains_key(request::REQUEST_ID));
        let (head, body) = answer.into_parts();
        let body = axum::body::to_bytes(body, 10_000).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        (head.status, body["code"].as_str().unwrap_or_default().to_owned())
    }

    #[tokio::test]
    async fn a_panic_is_a_fault_of_ours_and_gives_its_place_back() {
        let panics = async || -> () { unreachable!("on purpose") };
        let front = front(Router::new().route("/", get(panics)));
        for _ in 0..3 {
            let expected = (StatusCode::INTERNAL_SERVER_ERROR, "internal".to_owned());
            assert_eq!(ask(&front, "/", &["here"]).await, expected);
        }
    }

    #[tokio::test]
    async fn one_too_many_is_turned_away_and_who_looks_after_us_is_not() {
        let (begun, ends) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let slow = {
            let (begun, ends) = (Arc::clone(&begun), Arc::clone(&ends));
            async move || {
                begun.notify_one();
                ends.notified().await;
            }
        };
        let routes = Router::new().route("/", get(slow)).route("/free", get(async || {}));
        let front = front(routes);
        let first = tokio::spawn({
            let front = front.clone();
            async move { ask(&front, "/", &["here"]).await }
        });
        begun.notified().await;
        let overloaded = (StatusCode::SERVICE_UNAVAILABLE, "overloaded".to_owned());
        assert_eq!(ask(&front, "/", &["here"]).await, overloaded);
        assert_eq!(ask(&front, "/free", &["here"]).await.0, StatusCode::OK);
        ends.notify_one();
        assert_eq!(first.await.unwrap().0, StatusCode::OK);
        assert_eq!(ask(&front, "/other", &["here"]).await.0, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn there_is_one_host() {
        let front = front(Router::new().route("/", get(async || {})));
        let refused = (StatusCode::BAD_REQUEST, "invalid_request".to_owned());
        assert_eq!(ask(&front, "/", &[]).await, refused);
        assert_eq!(ask(&front, "/", &["one", "two"]).await, refused);
        assert_eq!(ask(&front, "/", &["one"]).await.0, StatusCode::OK);
    }
}
