//! A program that uses a sidecar, over a port or a socket.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, StatusCode, header::HeaderMap};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::{TcpStream, UnixStream},
};

use crate::world::LIMIT;

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

#[derive(Clone, Debug)]
pub(crate) struct Client {
    url: String,
    key: Option<String>,
}

/// An open stream of events. Dropping it closes the connection, as the end of its program would.
pub(crate) struct Stream {
    lines: BufReader<Box<dyn Wire>>,
}

impl Client {
    pub(crate) fn of(url: &str, key: Option<&str>) -> Self {
        Self { url: url.to_owned(), key: key.map(str::to_owned) }
    }

    async fn connect(&self) -> Box<dyn Wire> {
        match self.url.strip_prefix("unix:") {
            Some(path) => Box::new(UnixStream::connect(path).await.unwrap()),
            None => {
                let address = self.url.strip_prefix("http://").unwrap();
                Box::new(TcpStream::connect(address).await.unwrap())
            }
        }
    }

    fn host(&self) -> &str {
        self.url.strip_prefix("http://").unwrap_or("localhost")
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.send(Method::GET, path, "").await
    }

    pub(crate) async fn delete(&self, path: &str) -> (StatusCode, Value) {
        self.send(Method::DELETE, path, "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.send(Method::POST, path, body.to_string()).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes> + Send,
    ) -> (StatusCode, Value) {
        let (status, _, body) = self.send_with(method, path, body, &[]).await;
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// Sends a request on a connection of its own, with further headers; those win.
    pub(crate) async fn send_with(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes> + Send,
        headers: &[(&str, &str)],
    ) -> (StatusCode, HeaderMap, Bytes) {
        let mut request = Request::builder().method(method).uri(path);
        let has = |name: &str| headers.iter().any(|(other, _)| *other == name);
        if !has("host") {
            request = request.header("host", self.host());
        }
        if !has("content-type") {
            request = request.header("content-type", "application/json");
        }
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let whole = async {
            let io = TokioIo::new(self.connect().await);
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            let answer = async {
                let answer = sender.send_request(request).await.unwrap();
                let (head, body) = answer.into_parts();
                (head.status, head.headers, body.collect().await.unwrap().to_bytes())
            };
            tokio::select! {
                answer = answer => answer,
                error = connection => panic!("the connection ended: {error:?}"),
            }
        };
        tokio::time::timeout(LIMIT * 2, whole).await.expect("no answer in time")
    }

    /// Sends a request and leaves without its answer, once the sidecar has read it.
    pub(crate) async fn begin(&self, path: &str, body: &Value) -> impl Sized + use<> {
        let (mut wire, body) = (self.connect().await, body.to_string());
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.host(),
            body.len()
        );
        wire.write_all(head.as_bytes()).await.unwrap();
        wire.flush().await.unwrap();
        wire
    }

    /// Sends the head of a request and a part of its body, and then nothing more.
    pub(crate) async fn half_a_request(&self, path: &str) -> Stream {
        let mut wire = self.connect().await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{{",
            self.host()
        );
        wire.write_all(head.as_bytes()).await.unwrap();
        Stream { lines: BufReader::new(wire) }
    }

    /// Opens a stream of events.
    pub(crate) async fn stream(&self, path: &str) -> Stream {
        let mut wire = self.connect().await;
        let key = self.key.as_ref().map(|key| format!("authorization: Bearer {key}\r\n"));
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\n{}\r\n",
            self.host(),
            key.unwrap_or_default()
        );
        wire.write_all(head.as_bytes()).await.unwrap();
        let mut stream = Stream { lines: BufReader::new(wire) };
        assert_eq!(stream.status().await, "HTTP/1.1 200 OK");
        stream
    }

    /// Opens a link, and says how it is called.
    pub(crate) async fn link(&self) -> (Stream, String) {
        let mut stream = self.stream("/v1/link").await;
        let (name, said) = stream.event().await;
        assert_eq!(name, "link");
        (stream, said["link"].as_str().unwrap().to_owned())
    }
}

impl Stream {
    /// The first line of the answer.
    pub(crate) async fn status(&mut self) -> String {
        self.line().await.expect("the connection ended")
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line);
        let read = tokio::time::timeout(LIMIT, read).await.expect("nothing comes").unwrap();
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event: its name, and what it says.
    pub(crate) async fn event(&mut self) -> (String, Value) {
        self.next().await.expect("the stream ended")
    }

    /// The next event; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<(String, Value)> {
        let mut name = String::new();
        loop {
            let line = self.line().await?;
            if let Some(event) = line.strip_prefix("event: ") {
                event.clone_into(&mut name);
            } else if let Some(data) = line.strip_prefix("data: ") {
                return Some((name, serde_json::from_str(data).unwrap()));
            } else if line == "0" {
                // The last chunk.
                return None;
            }
        }
    }
}

/// How often a test looks whether something has become true.
pub(super) const LOOK: Duration = Duration::from_millis(5);
