//! A buyer's connection: HTTP/1.1 written out. A client library would take more of the two cores than the
//! service that is measured.

use std::{io, net::SocketAddr};

use anyhow::Context as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use uuid::Uuid;

/// The longest answer: a status and a few hundred bytes.
const ANSWER_MAX: usize = 16 * 1024;

/// The code of the one final no.
const SOLD_OUT: &[u8] = b"\"sold_out\"";

/// Stands where the key of each request goes.
const KEY: &str = "00000000-0000-0000-0000-000000000000";

pub(crate) struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    key_at: usize,
    answer: Vec<u8>,
}

/// What a buyer was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Bought.
    Granted,
    /// Sold out.
    Refused,
    /// Not now; nothing happened.
    TurnedAway,
    /// It may have happened.
    Unknown,
}

impl Told {
    fn from(status: u16, answer: &[u8]) -> Self {
        let is_sold_out = || answer.windows(SOLD_OUT.len()).any(|bytes| bytes == SOLD_OUT);
        match status {
            201 => Self::Granted,
            409 if is_sold_out() => Self::Refused,
            500 | 504 => Self::Unknown,
            _ => Self::TurnedAway,
        }
    }
}

/// What is asked for, again and again.
#[derive(Clone, Debug)]
pub(crate) struct Asked<'a> {
    /// `http://address`, without a path.
    pub(crate) url: &'a str,
    pub(crate) path: &'a str,
    pub(crate) api_key: &'a str,
    pub(crate) buyer: &'a str,
}

impl Connection {
    pub(crate) async fn open(asked: &Asked<'_>) -> anyhow::Result<Self> {
        let address = asked.url.strip_prefix("http://").context("not http")?;
        let address: SocketAddr = address.parse().context("not an address")?;
        let stream = TcpStream::connect(address).await.context("no connection")?;
        stream.set_nodelay(true)?;
        let body = format!("{{\"buyer\":\"{}\",\"quantity\":1}}", asked.buyer);
        let request = format!(
            "POST {} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\nidempotency-key: {KEY}\r\ncontent-length: {}\r\n\r\n{body}",
            asked.path,
            asked.api_key,
            body.len(),
        );
        let key_at = request.find(KEY).context("a request has a key")?;
        Ok(Self { stream, request: request.into_bytes(), key_at, answer: Vec::new() })
    }

    /// Asks for something new.
    pub(crate) async fn ask(&mut self) -> io::Result<Told> {
        let key = Uuid::new_v4().hyphenated().to_string();
        if let Some(place) = self.request.get_mut(self.key_at..self.key_at + key.len()) {
            place.copy_from_slice(key.as_bytes());
        }
        self.ask_again().await
    }

    /// Asks for the same.
    pub(crate) async fn ask_again(&mut self) -> io::Result<Told> {
        self.stream.write_all(&self.request).await?;
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some((status, length)) = read(&self.answer)
                && self.answer.len() >= length
            {
                return Ok(Told::from(status, &self.answer));
            }
            if self.answer.len() > ANSWER_MAX {
                return Err(io::Error::other("an answer that does not end"));
            }
        }
    }
}

/// Status and length of an answer, once its head is there.
fn read(answer: &[u8]) -> Option<(u16, usize)> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(answer.get(..end)?).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    Some((status, end + length.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::{Told, read};

    #[test]
    fn an_answer_is_whole_when_its_body_is_there() {
        let answer = b"HTTP/1.1 409 Conflict\r\nContent-Length: 5\r\n\r\nabc";
        assert_eq!(read(answer), Some((409, answer.len() + 2)));
        assert_eq!(read(&answer[..30]), None);
        let empty = b"HTTP/1.1 201 Created\r\n\r\n";
        assert_eq!(read(empty), Some((201, empty.len())));
    }

    #[test]
    fn a_conflict_is_a_refusal_only_when_it_is_sold_out() {
        assert_eq!(Told::from(409, br#"{"code":"sold_out"}"#), Told::Refused);
        assert_eq!(Told::from(409, br#"{"code":"key_reused"}"#), Told::TurnedAway);
        assert_eq!(Told::from(504, b""), Told::Unknown);
    }
}
