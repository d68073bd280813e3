//! A receiver of webhooks in this process: takes deliveries, or fails in the way it is told.

use std::{
    collections::VecDeque,
    future::pending,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sha2::Sha256;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use crate::world::until;

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    Take,
    /// Takes it, but says so only once it is told to do something else.
    TakeLate,
    /// Answers with this status, and a way to go on that nobody should go.
    Answer(u16),
    /// Never answers.
    Hang,
    /// Ends the connection.
    Close,
}

/// A delivery as it came.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) id: String,
    timestamp: String,
    signature: String,
    pub(crate) body: Bytes,
    pub(crate) path: String,
    pub(crate) done: Does,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The numbers of its events.
    pub(crate) fn seqs(&self) -> Vec<i64> {
        let json = self.json();
        let events = json["events"].as_array().unwrap().iter();
        events.map(|event| event["seq"].as_i64().unwrap()).collect()
    }

    /// Checks the signature as a receiver does.
    pub(crate) fn verify(&self, secret: &str) {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        assert_eq!(key.len(), 32);
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{}.{}.", self.id, self.timestamp).as_bytes());
        mac.update(&self.body);
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        assert_eq!(self.signature, expected);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        assert!(now.abs_diff(self.timestamp.parse().unwrap()) < 300, "{}", self.timestamp);
    }
}

#[derive(Debug)]
struct Script {
    next: VecDeque<Does>,
    then: Does,
    got: Vec<Got>,
}

/// Listens until it is dropped.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) port: u16,
    script: Arc<Mutex<Script>>,
    scheme: &'static str,
    _serving: JoinSet<()>,
}

impl Receiver {
    /// Does this with the first deliveries, then that with every further one.
    pub(crate) async fn start(first: &[Does], then: Does) -> Self {
        Self::start_as(first, then, None).await
    }

    /// Takes everything, over TLS.
    pub(crate) async fn start_tls(tls: TlsAcceptor) -> Self {
        Self::start_as(&[], Does::Take, Some(tls)).await
    }

    async fn start_as(first: &[Does], then: Does, tls: Option<TlsAcceptor>) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = Script { next: first.iter().copied().collect(), then, got: Vec::new() };
        let script = Arc::new(Mutex::new(script));
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, tls, Arc::clone(&script)));
        Self { port, script, scheme, _serving: serving }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        // Over TLS by name: the name is what a certificate is for.
        let host = if self.scheme == "https" { "localhost" } else { "127.0.0.1" };
        format!("{}://{host}:{}{path}", self.scheme, self.port)
    }

    /// What it does from now on.
    pub(crate) fn turn_to(&self, then: Does) {
        let mut script = self.script.lock().unwrap();
        script.next.clear();
        script.then = then;
    }

    /// Everything that came, in order.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.script.lock().unwrap().got.clone()
    }

    /// The numbers of the events that it took, in order.
    pub(crate) fn taken(&self) -> Vec<i64> {
        let got = self.got();
        let taken = got.iter().filter(|got| matches!(got.done, Does::Take | Does::TakeLate));
        taken.flat_map(Got::seqs).collect()
    }

    /// Waits until it has taken exactly these events.
    pub(crate) async fn has_taken(&self, seqs: &[i64]) {
        until(&format!("{seqs:?} did not arrive"), || self.taken() == seqs).await;
    }
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, script: Arc<Mutex<Script>>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (tls, script) = (tls.clone(), Arc::clone(&script));
        connections.spawn(async move {
            match tls {
                None => speak(stream, script).await,
                // Whoever does not trust the certificate ends the handshake.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        speak(stream, script).await;
                    }
                }
            }
        });
    }
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin, script: Arc<Mutex<Script>>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&script)));
    let http = hyper::server::conn::http1::Builder::new();
    // It ends with an error when it is told to close.
    drop(http.serve_connection(TokioIo::new(stream), service).await);
}

async fn answer(
    request: Request<Incoming>,
    script: Arc<Mutex<Script>>,
) -> Result<Response<Full<Bytes>>, Closed> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Closed)?.to_bytes();
    let header = |name: &str| head.headers[name].to_str().unwrap().to_owned();
    let done = {
        let mut script = script.lock().unwrap();
        let done = script.next.pop_front().unwrap_or(script.then);
        script.got.push(Got {
            id: header("webhook-id"),
            timestamp: header("webhook-timestamp"),
            signature: header("webhook-signature"),
            path: head.uri.path().to_owned(),
            body,
            done,
        });
        done
    };
    match done {
        Does::Take => Ok(Response::new(Full::default())),
        Does::TakeLate => {
            until("nobody told it to answer", || script.lock().unwrap().then != Does::TakeLate)
                .await;
            Ok(Response::new(Full::default()))
        }
        Does::Answer(status) => {
            let answer = Response::builder().status(status).header("location", "/elsewhere");
            Ok(answer.body(Full::default()).unwrap())
        }
        Does::Hang => pending().await,
        Does::Close => Err(Closed),
    }
}

/// Ends a connection without an answer.
#[derive(Debug)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed")
    }
}

impl std::error::Error for Closed {}
