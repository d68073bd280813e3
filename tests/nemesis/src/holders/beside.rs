//! One who takes leases through a sidecar, over HTTP, as a program in any language does: with a link that it keeps
//! open. It counts on a lease for as long as the sidecar said, from when it asked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use hyper::StatusCode;
use leasehold::{Resource, Stamp};
use leasehold_stack::{Answer, Keys, Shop};
use rand::RngExt as _;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep_until, timeout},
};

use super::{TTL, WAIT, writer::Writer};
use crate::history::Hold;

/// How long a sidecar that was asked to wait may take beyond that, and for anything else.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// In how many bytes its link must have said its name.
const GREETING_MAX: usize = 4096;

pub(super) struct Beside {
    writer: Writer,
    /// `http://`, host and port.
    url: String,
    asking: Shop,
    link: Option<Link>,
}

/// An open stream. The sidecar gives all leases back that are bound to it when it is dropped.
struct Link {
    name: String,
    _stream: TcpStream,
}

/// A lease, and until when it surely is one: counted from before the sidecar was asked.
struct Held {
    path: String,
    stamp: Stamp,
    surely: Instant,
}

impl Beside {
    pub(super) fn new(writer: Writer, url: &str) -> Self {
        Self { writer, url: url.to_owned(), asking: Shop::new(Keys::random()), link: None }
    }

    pub(super) async fn run(mut self, stop: Arc<AtomicBool>) {
        while !stop.load(Ordering::Relaxed) {
            let Some(resource) = self.writer.any_resource() else { return };
            self.under_lease(&resource).await;
            self.writer.pause().await;
        }
    }

    async fn under_lease(&mut self, resource: &Resource) {
        let Some(mut held) = self.acquire(resource).await else { return };
        let mut hold = self.writer.hold(&held.stamp, Instant::now());
        match self.writer.random.random_range(0..12) {
            0 => return self.too_late(held, hold).await,
            // Says nothing more to the sidecar, and counts on what it said to the last moment.
            1 | 2 => {
                self.writer.count(&held.stamp).await;
                sleep_until(held.surely.into()).await;
                hold.until = self.writer.since(held.surely).max(hold.from);
            }
            _ => {
                for _ in 0..self.writer.random.random_range(1..4) {
                    self.writer.count(&held.stamp).await;
                    let now = Instant::now();
                    if now >= held.surely && !self.look(&mut held).await {
                        hold.lost = true;
                        break;
                    }
                    hold.until = self.writer.since(now.min(held.surely)).max(hold.until);
                }
            }
        }
        self.writer.note(hold);
        self.release(held).await;
    }

    /// Lets go of its link, as if it had ended, and writes all the same.
    async fn too_late(&mut self, held: Held, mut hold: Hold) {
        hold.until = self.writer.since(Instant::now().min(held.surely)).max(hold.from);
        hold.lost = true;
        self.link = None;
        self.writer.note(hold);
        // So that the next one has mostly written by then.
        tokio::time::sleep(TTL.mul_f64(self.writer.random.random::<f64>())).await;
        self.writer.count(&held.stamp).await;
    }

    /// `None` when there is no lease for certain: whoever does not know lets go of its link.
    async fn acquire(&mut self, resource: &Resource) -> Option<Held> {
        let link = match self.link.take() {
            Some(link) => link,
            None => timeout(ANSWER_LIMIT, Link::open(&self.url)).await.ok()?.ok()?,
        };
        let body = json!({
            "resource": resource.as_str(), "link": link.name, "wait_ms": u64::try_from(WAIT.as_millis()).ok()?,
        });
        let (asked, url) = (Instant::now(), format!("{}/v1/leases", self.url));
        let answer = timeout(WAIT + ANSWER_LIMIT, self.asking.post(&url, "", "", &body)).await;
        let answer = answer.ok()?.ok()?;
        let is_refused = matches!(
            answer.status,
            StatusCode::CONFLICT | StatusCode::GATEWAY_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE
        );
        if is_refused {
            self.link = Some(link);
            return None;
        }
        let mut held = Held::of(&answer, StatusCode::CREATED, asked)?;
        self.link = Some(link);
        // It may have waited for long since it was asked.
        self.look(&mut held).await.then_some(held)
    }

    /// Asks how long it is valid; whether it still is.
    async fn look(&mut self, held: &mut Held) -> bool {
        let (asked, url) = (Instant::now(), format!("{}{}", self.url, held.path));
        let answer = timeout(ANSWER_LIMIT, self.asking.get(&url)).await;
        let seen = answer.ok().and_then(Result::ok);
        let seen = seen.and_then(|answer| Held::of(&answer, StatusCode::OK, asked));
        let is_valid = seen.as_ref().is_some_and(|seen| seen.surely > Instant::now());
        match seen {
            Some(seen) => *held = seen,
            // It would be kept for as long as the link.
            None => self.link = None,
        }
        is_valid
    }

    async fn release(&mut self, held: Held) {
        let url = format!("{}{}", self.url, held.path);
        let released = timeout(ANSWER_LIMIT, self.asking.delete(&url)).await;
        if !released.is_ok_and(|answer| answer.is_ok()) {
            self.link = None;
        }
    }
}

impl Held {
    fn of(answer: &Answer, status: StatusCode, asked: Instant) -> Option<Self> {
        if answer.status != status {
            return None;
        }
        let lease = answer.json();
        let text = |name: &str| lease[name].as_str();
        let token: i64 = text("token")?.parse().ok()?;
        let stamp = Stamp {
            resource: Resource::new(text("resource")?).ok()?,
            token: token.try_into().ok()?,
            holder: text("holder")?.parse().ok()?,
        };
        let valid = Duration::from_millis(lease["valid_for_ms"].as_u64()?);
        Some(Self { path: format!("/v1/leases/{}", text("id")?), stamp, surely: asked + valid })
    }
}

impl Link {
    /// Opens one, and learns how it is called.
    async fn open(url: &str) -> anyhow::Result<Self> {
        let at = url.strip_prefix("http://").context("a sidecar at a port")?;
        let mut stream = TcpStream::connect(at).await?;
        let head = format!("GET /v1/link HTTP/1.1\r\nhost: {at}\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut said = Vec::new();
        loop {
            let read = stream.read_buf(&mut said).await?;
            anyhow::ensure!(read > 0 && said.len() < GREETING_MAX, "the sidecar opens no link");
            if let Some(name) = name_of(&String::from_utf8_lossy(&said)) {
                return Ok(Self { name, _stream: stream });
            }
        }
    }
}

/// What the first event of a link says, once all of it is there.
fn name_of(said: &str) -> Option<String> {
    let (_, data) = said.split_once("data: ")?;
    let (line, _) = data.split_once('\n')?;
    let event: Value = serde_json::from_str(line.trim()).ok()?;
    event["link"].as_str().map(str::to_owned)
}
