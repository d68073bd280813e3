//! Clients that are slow, or say nothing.

use std::time::Duration;

use leasehold_kit::serve::{Limits, Stopped};

use crate::server::{NEVER, Server, get_once, told};

fn limits() -> Limits {
    Limits { stop_timeout: NEVER, ..Limits::default() }
}

#[tokio::test]
async fn half_a_head_is_cut_off_while_others_are_served() {
    let header_timeout = Duration::from_millis(200);
    let server = Server::start(None, Limits { header_timeout, ..limits() }).await;
    let (silent, slow) = (server.connect().await, server.connect().await);
    let (silent, slow, served) = tokio::join!(
        told(silent, ""),
        told(slow, "GET / HTTP/1.1\r\nhost: te"),
        told(server.connect().await, get_once("/")),
    );
    assert!(served.ends_with("\r\n\r\nhere"), "{served}");
    for cut_off in [silent, slow] {
        assert!(!cut_off.contains("200 OK"), "{cut_off}");
    }
    assert_eq!(server.stop().await, Stopped::Clean);
}

#[tokio::test]
async fn a_request_under_way_is_answered_after_the_stop_and_an_idle_connection_closed() {
    let server = Server::start(None, Limits { header_timeout: NEVER, ..limits() }).await;
    let idle = tokio::spawn(told(server.connect().await, ""));
    let slow = tokio::spawn(told(server.connect().await, get_once("/slow")));
    // Both are there by then, and the slow one takes longer.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (stopped, slow, idle) = tokio::join!(server.stop(), slow, idle);
    assert!(slow.unwrap().ends_with("late"));
    assert_eq!((stopped, idle.unwrap().as_str()), (Stopped::Clean, ""));
}
