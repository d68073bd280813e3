//! A program beside a sidecar: HTTP/1.1 written out, on a blocking socket of its own. A client library and its
//! runtime would take as long as the sidecar, and would be counted as its cost.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    time::Duration,
};

use anyhow::Context as _;

/// The longest answer: a scrape of metrics.
const ANSWER_MAX: usize = 1024 * 1024;

/// How much is read at once.
const PIECE: usize = 16 * 1024;

/// How long an answer may take: a lease is waited for until fresh nodes vote.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where a sidecar listens.
#[derive(Clone, Debug)]
pub(super) enum Door {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A socket of either kind.
trait Socket: Read + Write + Send {}
impl<S: Read + Write + Send> Socket for S {}

/// One connection, kept open.
pub(super) struct Client {
    socket: Box<dyn Socket>,
    request: Vec<u8>,
    answer: Vec<u8>,
    /// Where the body of the last answer begins.
    body: usize,
}

impl Door {
    /// From what a sidecar says when it listens.
    pub(super) fn at(url: &str) -> anyhow::Result<Self> {
        if let Some(path) = url.strip_prefix("unix:") {
            return Ok(Self::Unix(path.into()));
        }
        let address = url.strip_prefix("http://").context("neither http nor a socket")?;
        Ok(Self::Tcp(address.parse().context("not an address")?))
    }

    pub(super) fn connect(&self) -> anyhow::Result<Client> {
        let socket: Box<dyn Socket> = match self {
            Self::Tcp(address) => {
                let socket = TcpStream::connect(address).context("no connection")?;
                socket.set_nodelay(true)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                Box::new(socket)
            }
            Self::Unix(path) => {
                let socket = UnixStream::connect(path).context("no connection")?;
                socket.set_read_timeout(Some(PATIENCE))?;
                Box::new(socket)
            }
        };
        Ok(Client { socket, request: Vec::new(), answer: Vec::with_capacity(PIECE), body: 0 })
    }
}

impl Client {
    /// Asks, and waits for the whole answer; its status.
    pub(super) fn ask(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<u16> {
        self.request.clear();
        write!(self.request, "{method} {path} HTTP/1.1\r\nhost: localhost\r\n")?;
        if !body.is_empty() {
            let length = body.len();
            write!(self.request, "content-type: application/json\r\ncontent-length: {length}\r\n")?;
        }
        write!(self.request, "\r\n{body}")?;
        self.socket.write_all(&self.request)?;
        self.answer.clear();
        loop {
            self.read_more()?;
            if let Some(head) = Head::of(&self.answer)
                && self.answer.len() >= head.end + head.length
            {
                self.body = head.end;
                return Ok(head.status);
            }
        }
    }

    /// As [`ask`](Self::ask), and the answer must have this status.
    pub(super) fn expect(
        &mut self,
        status: u16,
        (method, path): (&str, &str),
        body: &str,
    ) -> anyhow::Result<()> {
        let told = self.ask(method, path, body)?;
        anyhow::ensure!(told == status, "{method} {path}: {told}, {}", self.text());
        Ok(())
    }

    /// Acquires, and gives the lease's name.
    pub(super) fn acquire(&mut self, body: &str) -> anyhow::Result<String> {
        self.expect(201, ("POST", "/v1/leases"), body)?;
        Ok(self.field("id")?.to_owned())
    }

    pub(super) fn release(&mut self, id: &str) -> anyhow::Result<()> {
        self.expect(200, ("DELETE", &format!("/v1/leases/{id}")), "")
    }

    /// Opens a link on this connection, which is good for nothing else from then on; its name.
    pub(super) fn link(&mut self) -> anyhow::Result<String> {
        write!(self.socket, "GET /v1/link HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
        self.answer.clear();
        // Its first event is a line with the name, and an empty line.
        while !self.answer.ends_with(b"\n\n\r\n") {
            self.read_more()?;
        }
        self.body = 0;
        Ok(self.field("link")?.to_owned())
    }

    /// A text of the last answer, which stands there as `"name":"text"`.
    fn field(&self, name: &str) -> anyhow::Result<&str> {
        let (text, start) = (self.text(), format!("\"{name}\":\""));
        let found = text.split_once(&start).and_then(|(_, rest)| rest.split_once('"'));
        found.map(|(value, _)| value).with_context(|| format!("no {name} in {text}"))
    }

    /// The body of the last answer.
    pub(super) fn text(&self) -> &str {
        self.answer.get(self.body..).and_then(|body| std::str::from_utf8(body).ok()).unwrap_or("")
    }

    fn read_more(&mut self) -> io::Result<()> {
        let had = self.answer.len();
        if had > ANSWER_MAX {
            return Err(io::Error::other("an answer that does not end"));
        }
        self.answer.resize(had + PIECE, 0);
        let read = self.socket.read(self.answer.get_mut(had..).unwrap_or_default());
        self.answer.truncate(had + *read.as_ref().unwrap_or(&0));
        match read? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// The head of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    end: usize,
    /// Of the body behind it.
    length: usize,
}

impl Head {
    /// Once all of it is there.
    fn of(answer: &[u8]) -> Option<Self> {
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(answer.get(..end)?).ok()?;
        let status = head.get(9..12)?.parse().ok()?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        Some(Self { status, end, length: length.unwrap_or(0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_how_much_follows() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nabc";
        assert_eq!(Head::of(answer), Some(Head { status: 201, end: 43, length: 5 }));
        assert_eq!(Head::of(&answer[..30]), None);
    }

    #[test]
    fn doors_are_as_sidecars_say_them() {
        assert!(matches!(Door::at("http://127.0.0.1:1"), Ok(Door::Tcp(_))));
        assert!(matches!(Door::at("unix:/a/b"), Ok(Door::Unix(path)) if path.ends_with("b")));
        assert!(Door::at("https://127.0.0.1:1").is_err());
    }
}
