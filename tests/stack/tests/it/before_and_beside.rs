//! The load balancer before replicas, and the sidecar beside programs: killed, restarted, paused, resumed.

use std::{net::SocketAddr, time::Duration};

use hyper::StatusCode;
use leasehold_stack::{Keys, LoadBalancer, Means, Program, Shop, SidecarConfig};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{LIMIT, SILENCE, only_nodes, start};

/// A replica for a load balancer: it is ready, whatever it is asked.
async fn ready() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            tokio::spawn(async move {
                let mut asked = [0; 4096];
                if stream.read(&mut asked).await.is_ok() {
                    let yes = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
                    stream.write_all(yes.as_bytes()).await.ok();
                }
            });
        }
    });
    address
}

/// Whether an answer comes while one listens: `false` for silence, and for who hangs up.
async fn answers(shop: &Shop, url: &str) -> bool {
    let asked = tokio::time::timeout(SILENCE, shop.get(url)).await;
    asked.is_ok_and(|answer| answer.is_ok_and(|answer| answer.status == StatusCode::OK))
}

/// Asks until somebody answers.
async fn answered(shop: &Shop, url: &str) {
    let asking = async {
        while !shop.get(url).await.is_ok_and(|answer| answer.status == StatusCode::OK) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, asking).await.unwrap();
}

#[tokio::test]
async fn a_load_balancer_is_paused_killed_and_comes_back_where_it_was() {
    if !Means::LoadBalancer.are_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let servers = [ready().await, ([127, 0, 0, 1], 9).into()];
    let mut balancer = LoadBalancer::start(folder.path(), &servers).await.unwrap();
    balancer.sees(0, true, LIMIT).await.unwrap();
    balancer.sees(1, false, LIMIT).await.unwrap();
    let (shop, url) = (Shop::new(Keys::random()), format!("{}/v1/sales", balancer.url()));
    answered(&shop, &url).await;

    balancer.pause().unwrap();
    assert!(!answers(&shop, &url).await);
    balancer.resume().unwrap();
    answered(&shop, &url).await;

    balancer.kill().await.unwrap();
    balancer.kill().await.unwrap();
    assert!(!answers(&shop, &url).await);
    balancer.restart().await.unwrap();
    answered(&shop, &url).await;
    // Also from a pause, and without a kill before it.
    balancer.pause().unwrap();
    balancer.restart().await.unwrap();
    answered(&shop, &url).await;
}

#[tokio::test]
async fn a_sidecar_is_paused_killed_and_comes_back_where_it_was() {
    let stack = start(only_nodes(1)).await;
    let program =
        Program { path: env!("CARGO_BIN_EXE_stack").into(), args: vec!["sidecar".into()] };
    let mut sidecar = SidecarConfig::on(&stack, program).start("sidecar").await.unwrap();
    let (shop, at) = (Shop::new(Keys::random()), sidecar.url().to_owned());
    let url = format!("{at}/livez");
    answered(&shop, &url).await;

    sidecar.pause().unwrap();
    assert!(!answers(&shop, &url).await);
    sidecar.resume().unwrap();
    answered(&shop, &url).await;

    sidecar.kill().await.unwrap();
    sidecar.kill().await.unwrap();
    assert!(!answers(&shop, &url).await);
    for _ in 0..2 {
        sidecar.restart().await.unwrap();
        assert_eq!(sidecar.url(), at);
        answered(&shop, &url).await;
    }
    // Also from a pause, and without a kill before it.
    sidecar.pause().unwrap();
    sidecar.restart().await.unwrap();
    answered(&shop, &url).await;
    sidecar.stop().await.unwrap();
}
