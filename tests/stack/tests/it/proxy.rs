//! Each link of a proxy does what it says, against a server that echoes.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use leasehold_stack::{Link, Proxy};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::echo::Echo;
use crate::{LIMIT, SILENCE};

async fn through(link: Link) -> (Echo, Proxy) {
    let echo = Echo::start().await;
    let proxy = Proxy::start(echo.address).await.unwrap();
    assert_eq!(proxy.link(), Link::Open);
    proxy.set(link);
    assert_eq!(proxy.link(), link);
    (echo, proxy)
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

async fn say(client: &mut TcpStream, what: &str) {
    client.write_all(what.as_bytes()).await.unwrap();
}

async fn hear(client: &mut TcpStream, wanted: &str) {
    let mut heard = vec![0; wanted.len()];
    let reading = client.read_exact(&mut heard);
    let _whole = tokio::time::timeout(LIMIT, reading).await.unwrap().unwrap();
    assert_eq!(String::from_utf8(heard).unwrap(), wanted);
}

async fn ask(client: &mut TcpStream, what: &str) {
    say(client, what).await;
    hear(client, what).await;
}

async fn is_silent(client: &mut TcpStream) {
    let mut byte = [0];
    let read = tokio::time::timeout(SILENCE, client.read(&mut byte)).await;
    assert!(read.is_err(), "{read:?}");
}

async fn is_reset(client: &mut TcpStream) {
    let mut byte = [0];
    let read = tokio::time::timeout(LIMIT, client.read(&mut byte)).await.unwrap();
    assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

async fn is_closed(client: &mut TcpStream) {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(LIMIT, client.read_to_end(&mut rest)).await.unwrap();
    assert_eq!((read.unwrap(), rest), (0, Vec::new()));
}

#[tokio::test]
async fn an_open_link_carries_both_ways_and_each_end_by_itself() {
    let (echo, proxy) = through(Link::Open).await;
    let mut client = connect(&proxy).await;
    ask(&mut client, "hello").await;
    let large = "x".repeat(3 << 20);
    let (mut reads, mut writes) = client.split();
    let writing = async {
        writes.write_all(large.as_bytes()).await.unwrap();
        // The server still answers one that says nothing more.
        writes.shutdown().await.unwrap();
    };
    let mut heard = Vec::new();
    let (_, read) = tokio::join!(writing, reads.read_to_end(&mut heard));
    assert_eq!((read.unwrap(), heard == large.as_bytes()), (3 << 20, true));
    assert_eq!(echo.heard(0).len(), 5 + (3 << 20));
}

#[tokio::test]
async fn a_server_that_is_not_there_resets_and_one_that_ends_closes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
    let mut client = connect(&proxy).await;
    drop(listener.accept().await.unwrap());
    is_closed(&mut client).await;
    drop(listener);
    is_reset(&mut connect(&proxy).await).await;
}

#[tokio::test]
async fn a_cut_link_resets_what_is_open_and_what_comes_and_forgets_what_was_held() {
    let (echo, proxy) = through(Link::Open).await;
    let mut client = connect(&proxy).await;
    ask(&mut client, "one").await;
    proxy.set(Link::Silent);
    say(&mut client, "two").await;
    is_silent(&mut client).await;
    proxy.set(Link::Cut);
    is_reset(&mut client).await;
    is_reset(&mut connect(&proxy).await).await;
    proxy.set(Link::Open);
    ask(&mut connect(&proxy).await, "three").await;
    assert_eq!((echo.heard(0).as_str(), echo.heard(1).as_str()), ("one", "three"));
}

#[tokio::test]
async fn breaking_misses_no_connection_and_leaves_the_link_as_it_is() {
    let (_echo, proxy) = through(Link::Silent).await;
    let mut seen = connect(&proxy).await;
    is_silent(&mut seen).await;
    // No time for the proxy to see this one.
    let mut unseen = std::net::TcpStream::connect(proxy.address()).unwrap();
    proxy.break_connections();
    let read = std::io::Read::read(&mut unseen, &mut [0]);
    assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
    is_reset(&mut seen).await;
    let mut next = connect(&proxy).await;
    say(&mut next, "next").await;
    is_silent(&mut next).await;
    // A cut that is over before anybody looks is a cut.
    proxy.set(Link::Cut);
    proxy.set(Link::Open);
    is_reset(&mut next).await;
    ask(&mut connect(&proxy).await, "again").await;
}

#[tokio::test]
async fn a_silent_link_delivers_late_what_was_sent_by_whoever_has_gone() {
    let (echo, proxy) = through(Link::Open).await;
    let mut old = connect(&proxy).await;
    ask(&mut old, "hello ").await;
    proxy.set(Link::Silent);
    say(&mut old, "late").await;
    is_silent(&mut old).await;
    let mut gone = connect(&proxy).await;
    say(&mut gone, "too late").await;
    is_silent(&mut gone).await;
    drop(gone);
    tokio::time::sleep(SILENCE).await;
    assert_eq!((echo.heard(0).as_str(), echo.heard(1).as_str()), ("hello ", ""));
    proxy.set(Link::Open);
    hear(&mut old, "late").await;
    echo.hears(1, "too late").await;
}

#[tokio::test]
async fn what_is_held_has_a_limit_and_nothing_of_it_is_lost() {
    let (echo, proxy) = through(Link::Silent).await;
    let mut client = connect(&proxy).await;
    let piece = "y".repeat(1 << 20);
    let mut sent = 0;
    // The buffers of two sockets beside the proxy's own: a few MiB.
    while let Ok(written) =
        tokio::time::timeout(SILENCE, client.write(&piece.as_bytes()[..1 << 16])).await
    {
        sent += written.unwrap();
        assert!(sent < 64 << 20, "it reads without limit");
    }
    proxy.set(Link::Open);
    hear(&mut client, &"y".repeat(sent)).await;
    assert_eq!(echo.heard(0).len(), sent);
}

#[tokio::test]
async fn without_replies_requests_arrive_and_the_other_way_round() {
    let (echo, proxy) = through(Link::Open).await;
    let mut client = connect(&proxy).await;
    ask(&mut client, "a").await;
    proxy.set(Link::NoReplies);
    say(&mut client, "b").await;
    echo.hears(0, "ab").await;
    is_silent(&mut client).await;
    proxy.set(Link::NoRequests);
    hear(&mut client, "b").await;
    say(&mut client, "c").await;
    is_silent(&mut client).await;
    assert_eq!(echo.heard(0), "ab");
    proxy.set(Link::Open);
    hear(&mut client, "c").await;
}

#[tokio::test]
async fn delays_keep_the_order_of_a_connection_and_end_with_the_link() {
    let from = Duration::from_millis(60);
    let (echo, proxy) = through(Link::Delayed { from, to: 2 * from }).await;
    let mut client = connect(&proxy).await;
    let begun = Instant::now();
    ask(&mut client, "first").await;
    // There and back.
    assert!(begun.elapsed() >= 2 * from, "{:?}", begun.elapsed());
    let mut all = String::new();
    for number in 0..20 {
        let part = format!("{number} ");
        say(&mut client, &part).await;
        all.push_str(&part);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    hear(&mut client, &all).await;
    assert_eq!(echo.heard(0), format!("first{all}"));

    proxy.set(Link::Delayed { from: LIMIT * 60, to: LIMIT * 60 });
    say(&mut client, "for ever").await;
    is_silent(&mut client).await;
    proxy.set(Link::Open);
    hear(&mut client, "for ever").await;
}

#[tokio::test]
async fn connections_overtake_each_other_where_a_link_reorders() {
    let (echo, proxy) = through(Link::reordered(Duration::from_millis(200))).await;
    let begun = Instant::now();
    // By chance they arrive in order, too: one try in a million, or on a machine that stands.
    loop {
        let asking = (0..10).map(async |number: usize| {
            let mut client = connect(&proxy).await;
            ask(&mut client, "?").await;
            number
        });
        let answered: Vec<usize> = FuturesUnordered::from_iter(asking).collect().await;
        if !answered.is_sorted() {
            break;
        }
        assert!(begun.elapsed() < LIMIT, "nobody overtakes");
    }
    // Within a connection nothing does.
    let mut client = connect(&proxy).await;
    let all: String = (0..20).map(|number| format!("{number} ")).collect();
    for part in all.split_inclusive(' ') {
        say(&mut client, part).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    hear(&mut client, &all).await;
    drop(echo);
}

#[tokio::test]
async fn a_slow_link_takes_its_time() {
    let (_echo, proxy) = through(Link::Slow { bytes_per_second: 4000 }).await;
    let mut client = connect(&proxy).await;
    let begun = Instant::now();
    ask(&mut client, &"z".repeat(1000)).await;
    assert!(begun.elapsed() >= Duration::from_millis(250), "{:?}", begun.elapsed());
    say(&mut client, &"w".repeat(1 << 20)).await;
    proxy.set(Link::Open);
    hear(&mut client, &"w".repeat(1 << 20)).await;
}

#[tokio::test]
async fn what_is_sent_twice_comes_later_on_a_connection_of_its_own() {
    let (echo, proxy) = through(Link::Open).await;
    let mut client = connect(&proxy).await;
    ask(&mut client, "once ").await;
    proxy.set(Link::Twice { after: SILENCE });
    let begun = Instant::now();
    ask(&mut client, "one ").await;
    assert_eq!(echo.heard(0), "once one ");
    ask(&mut client, "two ").await;
    // Who has gone by then has sent it all the same.
    drop(client);
    echo.hears(1, "one two ").await;
    assert!(begun.elapsed() >= SILENCE);
    assert_eq!(echo.heard(0), "once one two ");
}

#[tokio::test]
async fn what_waits_to_be_sent_again_is_held_by_the_link_and_lost_with_the_connection() {
    // Time enough to change the link before it is over, on any machine.
    let after = Duration::from_secs(1);
    let (echo, proxy) = through(Link::Twice { after: Duration::ZERO }).await;
    let mut client = connect(&proxy).await;
    ask(&mut client, "heard").await;
    echo.hears(1, "heard").await;
    proxy.set(Link::Twice { after });
    ask(&mut client, ", held").await;
    proxy.set(Link::Silent);
    tokio::time::sleep(after + SILENCE).await;
    assert_eq!(echo.heard(1), "heard");
    proxy.set(Link::Open);
    echo.hears(1, "heard, held").await;
    proxy.set(Link::Twice { after });
    ask(&mut client, ", lost").await;
    proxy.break_connections();
    tokio::time::sleep(after + SILENCE).await;
    assert_eq!(echo.heard(1), "heard, held");
}

#[tokio::test]
async fn dropping_ends_everything() {
    let (_echo, proxy) = through(Link::Open).await;
    let mut client = connect(&proxy).await;
    ask(&mut client, "hello").await;
    proxy.set(Link::Silent);
    let mut waiting = connect(&proxy).await;
    is_silent(&mut waiting).await;
    let address = proxy.address();
    drop(proxy);
    is_closed(&mut client).await;
    is_closed(&mut waiting).await;
    assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}
