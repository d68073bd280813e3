//! Three replicas are restarted one after the other under load, behind the load balancer as it is
//! deployed: not one request fails.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use hyper::StatusCode;
use leasehold_stack::{Launch, Process, Replica, ReplicaConfig, Shop, free_port};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{
    skipped::skip,
    world::{LIMIT, World, until},
};

/// What must not be skipped: `required`.
const REQUIRED: &str = "LEASEHOLD_PROXY";

/// Clients that ask one request after the other.
const CLIENTS: usize = 6;

/// The proxy, with the configuration that is deployed, but for addresses.
struct Proxy {
    url: String,
    metrics: String,
    _process: Process,
}

impl Proxy {
    fn start(program: &Path, folder: &Path, servers: &[u16]) -> Self {
        let (port, metrics) = (free_port().unwrap(), free_port().unwrap());
        let deployed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/haproxy.cfg");
        let deployed = std::fs::read_to_string(deployed).unwrap();
        let mut config = String::new();
        for line in deployed.lines() {
            let changed = match line.trim() {
                "bind :8080" => format!("    bind 127.0.0.1:{port}"),
                "bind :8405" => format!("    bind 127.0.0.1:{metrics}"),
                // Here servers have fixed addresses instead of names.
                "default-server resolvers docker resolve-prefer ipv4 init-addr none" => continue,
                "server-template api- 10 api:8080" => (servers.iter().enumerate())
                    .map(|(at, port)| format!("    server api-{at} 127.0.0.1:{port}\n"))
                    .collect(),
                _ => line.to_owned(),
            };
            config.push_str(&changed);
            config.push('\n');
        }
        assert_eq!(config.matches("server api-").count(), servers.len(), "haproxy.cfg has changed");
        let file = folder.join("haproxy.cfg");
        std::fs::write(&file, config).unwrap();
        let launch =
            Launch::new("haproxy", program, folder.join("haproxy.log")).arg("-f").arg(file);
        let process = Process::spawn(&launch).unwrap();
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        Self { url: url(port), metrics: url(metrics) + "/metrics", _process: process }
    }

    /// Waits until the proxy has seen that a server is up, or that it is not.
    async fn sees(&self, shop: &Shop, server: usize, up: bool) {
        let wanted = format!(
            r#"haproxy_server_status{{proxy="api",server="api-{server}",state="UP"}} {}"#,
            u8::from(up)
        );
        let begun = Instant::now();
        loop {
            let answer = shop.get(&self.metrics).await;
            let text = answer.map(|answer| String::from_utf8_lossy(&answer.body).into_owned());
            if text.is_ok_and(|text| text.lines().any(|line| line.starts_with(&wanted))) {
                return;
            }
            assert!(begun.elapsed() < LIMIT, "the proxy never saw: {wanted}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

/// Buys until it is told to stop; returns every answer that was not a purchase.
async fn buy(
    shop: Shop,
    url: String,
    sale: Uuid,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
) -> Vec<String> {
    let mut failed = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let key = Uuid::new_v4().to_string();
        match shop.buy(&url, sale, &key, &key, 1).await {
            Ok(answer) if answer.status == StatusCode::CREATED => {
                let _before = count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) => failed.push(format!("{} {}", answer.status, answer.code())),
            Err(error) => failed.push(format!("no answer: {error:#}")),
        }
    }
    failed
}

async fn start(config: &ReplicaConfig, number: usize, port: u16) -> Replica {
    let mut config = config.clone();
    config.env.push(("LEASEHOLD_LISTEN".to_owned(), format!("127.0.0.1:{port}")));
    config.env.push(("LEASEHOLD_DRAIN_MS".to_owned(), "5000".to_owned()));
    config.start(&format!("replica-{}", number + 1)).await.unwrap()
}

/// How a replica is made to go.
#[derive(Clone, Copy, PartialEq)]
enum Going {
    Told,
    Killed,
}

/// Restarts three replicas one by one under load. Returns what failed, how many purchases clients
/// were told of, and how many there are; `None` when there is no proxy.
async fn restart_all(going: Going) -> Option<(Vec<String>, usize, usize)> {
    let Some(program) = haproxy() else {
        let required = std::env::var(REQUIRED).is_ok_and(|said| said == "required");
        skip(REQUIRED, required, "there is no haproxy");
        return None;
    };
    let mut world = World::start(0).await;
    let ports: Vec<u16> = (0..3).map(|_| free_port().unwrap()).collect();
    for (number, port) in ports.iter().enumerate() {
        world.replicas.push(start(&world.config, number, *port).await);
    }
    let sale = world.sale(1_000_000).await;
    let proxy = Proxy::start(&program, world.stack.folder(), &ports);
    for server in 0..3 {
        proxy.sees(&world.shop, server, true).await;
    }
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
        clients.spawn(buy(world.shop.clone(), proxy.url.clone(), sale, stop, count));
    }
    for (number, port) in ports.iter().enumerate() {
        let before = count.load(Ordering::Relaxed);
        match going {
            Going::Told => world.replicas[number].stop().await.unwrap(),
            Going::Killed => world.replicas[number].process().kill().await.unwrap(),
        }
        proxy.sees(&world.shop, number, false).await;
        world.replicas[number] = start(&world.config, number, *port).await;
        proxy.sees(&world.shop, number, true).await;
        // Without load nothing could fail.
        let stuck = format!("nothing was bought since replica {number} was restarted");
        until(&stuck, || count.load(Ordering::Relaxed) > before).await;
    }
    stop.store(true, Ordering::Relaxed);
    let failed = clients.join_all().await.concat();
    let sold = usize::try_from(world.books(sale).await.sold).unwrap();
    Some((failed, count.load(Ordering::Relaxed), sold))
}

#[tokio::test]
async fn three_replicas_are_restarted_one_by_one_and_no_request_fails() {
    let Some((failed, told, sold)) = restart_all(Going::Told).await else { return };
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(told, sold);
}

#[tokio::test]
async fn replicas_that_are_killed_instead_are_noticed() {
    let Some((failed, told, sold)) = restart_all(Going::Killed).await else { return };
    assert_ne!(failed, Vec::<String>::new(), "the test above could not fail");
    // Who was left without an answer may have bought: the key would tell.
    assert!((told..=told + failed.len()).contains(&sold), "{told} told, {sold} sold, {failed:?}");
}

fn haproxy() -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    folders.push("/usr/sbin".into());
    folders.into_iter().map(|folder| folder.join("haproxy")).find(|path| path.is_file())
}
