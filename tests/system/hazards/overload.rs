//! More comes than a replica is to take.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use leasehold_stack::Replica;
use sqlx::Connection as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::world::{LIMIT, World};

/// A connection to a replica on which this was said.
async fn said(replica: &Replica, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(replica.url().trim_start_matches("http://")).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// What is answered until the other end closes the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn one_request_too_many_is_told_to_come_back_and_is_then_served() {
    let world = World::start_with(1, &[("LEASEHOLD_REQUESTS_MAX", "1")]).await;
    let (replica, shop) = (&world.replicas[0], &world.shop);
    let sale = world.sale(1).await;
    let read = format!("{}/v1/sales/{sale}", replica.url());
    // A buyer who does not say what to buy: the service asks to go on once it works on the request.
    let half = format!(
        "POST /v1/sales/{sale}/purchases HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {}\r\n\
         idempotency-key: k\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\
         expect: 100-continue\r\n\r\n",
        shop.keys().buyer
    );
    let mut slow = said(replica, &half).await;
    let mut go_on = [0; 12];
    slow.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100");
    let refused = shop.get(&read).await.unwrap();
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "overloaded"));
    assert_eq!(refused.retry_after, Some(1));
    assert_eq!(shop.get(&format!("{}/readyz", replica.url())).await.unwrap().status, 200);
    drop(slow);
    let begun = Instant::now();
    while shop.get(&read).await.unwrap().status != 200 {
        assert!(begun.elapsed() < LIMIT, "never served again");
    }
}

#[tokio::test]
async fn half_a_head_is_cut_off_and_a_head_without_a_host_refused() {
    let world = World::start_with(1, &[("LEASEHOLD_HEADER_TIMEOUT_MS", "200")]).await;
    let half = rest(said(&world.replicas[0], "GET /livez HTTP/1.1\r\nho").await).await;
    assert!(!half.contains("200 OK"), "{half}");
    for (head, expected) in [
        ("GET /livez HTTP/1.1\r\n\r\n", "400 Bad Request"),
        ("GET /livez HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", "400 Bad Request"),
        ("GET /livez HTTP/1.1\r\nhost: a\r\n\r\n", "200 OK"),
        ("GET /livez HTTP/1.0\r\n\r\n", "200 OK"),
    ] {
        let answer = rest(said(&world.replicas[0], head).await).await;
        assert!(answer.contains(expected), "{head:?}: {answer}");
        let is_problem = answer.contains(r#""code":"invalid_request""#);
        assert_eq!(is_problem, expected != "200 OK", "{head:?}: {answer}");
    }
}

#[tokio::test]
async fn a_key_that_asks_too_often_is_told_when_to_come_back_and_others_are_served() {
    let world = World::start_with(1, &[("LEASEHOLD_KEY_RATE", "5")]).await;
    let (url, shop) = (world.replicas[0].url(), &world.shop);
    let sale = world.sale(1).await;
    let read = format!("{url}/v1/sales/{sale}");
    let begun = Instant::now();
    let refused = loop {
        let answer = shop.get(&read).await.unwrap();
        if answer.status != 200 {
            break answer;
        }
        assert!(begun.elapsed() < LIMIT, "never refused");
    };
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (429, "rate_limited"));
    assert_eq!(refused.retry_after, Some(1));
    // Another key, and who has none, have limits of their own; load balancers have none.
    assert_eq!(shop.get_as(&read, &shop.keys().admin).await.unwrap().status, 200);
    assert_eq!(shop.get_as(&read, "unknown").await.unwrap().status, 200);
    for _ in 0..20 {
        assert_eq!(shop.get(&format!("{url}/livez")).await.unwrap().status, 200);
    }
    let metrics = shop.get_as(&format!("{url}/metrics"), &shop.keys().admin).await.unwrap();
    let counted = String::from_utf8_lossy(&metrics.body).into_owned();
    assert!(counted.contains("leasehold_rate_limited_total{key=\"shop\"}"), "{counted}");
}

/// Load balancers would else take replicas away that could sell: anybody may read sales.
#[tokio::test]
async fn a_replica_that_readers_crowd_is_ready_all_the_same() {
    let world = World::start_with(1, &[("LEASEHOLD_STATEMENT_TIMEOUT_MS", "4000")]).await;
    let url = world.replicas[0].url();
    let mut admin = sqlx::PgConnection::connect(&world.stack.database_url()).await.unwrap();
    let mut tx = admin.begin().await.unwrap();
    // Each reader keeps its connection until its time is over.
    let lock = "lock table claims in access exclusive mode";
    let _locked = sqlx::query(lock).execute(&mut *tx).await.unwrap();
    let crowd = join_all((0..60).map(|_| async {
        loop {
            let _failed = world.shop.get(&format!("{url}/v1/sales")).await.unwrap();
        }
    }));
    let asking = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        for _ in 0..5 {
            let begun = Instant::now();
            let ready = world.shop.get(&format!("{url}/readyz")).await.unwrap();
            assert_eq!(ready.status, 200, "{ready:?}");
            // As long as a load balancer waits.
            assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    tokio::select! {
        _never = crowd => {}
        () = asking => {}
    }
}
