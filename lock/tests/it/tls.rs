//! What a program meets that brings nothing for TLS but this crate.

use std::time::Duration;

use leasehold::{
    NodeErrorKind, NodeStep,
    node::{Node as _, RedisNode},
};

/// Nobody listens there.
const NOBODY: &str = "127.0.0.1:1";

/// rustls would panic: nobody has told it which cryptography to use, and it may not choose here.
#[tokio::test]
async fn a_node_that_is_not_there_is_an_error() {
    let node = RedisNode::new(&format!("rediss://{NOBODY}"), Duration::from_secs(10)).unwrap();
    let error = node.ping().await.unwrap_err();
    assert_eq!((&*error.address, error.step), (NOBODY, NodeStep::Connect));
    assert!(matches!(error.kind, NodeErrorKind::Broken(_)), "{error}");
}
