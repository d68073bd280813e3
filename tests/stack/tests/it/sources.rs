//! Where servers come from: given addresses, fetched packages.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Mutex;

use leasehold_stack::{Policy, Progress, Silent, Sources, Stack, StackConfig};
use sqlx::{Connection as _, PgConnection};

use crate::{get, only_nodes, own_servers, set, small, start};

#[tokio::test]
async fn given_servers_are_used_as_they_are_and_cannot_be_broken() {
    let owner = start(small()).await;
    let sources = Sources {
        redis_urls: owner.redis_urls(),
        database_url: Some(owner.database_url()),
        ..own_servers()
    };
    let config = StackConfig { lease_nodes: 2, ..small() };
    let mut guest = Stack::start_from(config, &sources, &Silent).await.unwrap();
    assert_eq!(guest.redis_urls(), owner.redis_urls()[..2]);
    assert_eq!(guest.database_url(), owner.database_url());
    assert_eq!(guest.nodes[0].pid(), None);
    set(&guest, 0, "key").await;
    let error = guest.nodes[0].flush_all().await.unwrap_err().to_string();
    assert!(error.contains("LEASEHOLD_REDIS_URLS"), "{error}");
    assert!(guest.nodes[0].pause().is_err() && guest.nodes[0].kill().await.is_err());
    let database = guest.postgres.as_mut().unwrap();
    assert!(database.pause().is_err() && database.restart().await.is_err());
    let url = database.create_database("guest").await.unwrap();
    PgConnection::connect(&url).await.unwrap();
    drop(guest);
    assert!(PgConnection::connect(&url).await.is_err(), "what it made goes with it");
    assert_eq!(get(&owner, 0, "key").await.as_deref(), Some("kept"));

    let config = StackConfig { lease_nodes: 5, postgres: false, ..small() };
    let error = Stack::start_from(config, &sources, &Silent).await.unwrap_err().to_string();
    assert!(error.contains("5 lease nodes wanted"), "{error}");
}

/// Remembers the steps.
#[derive(Default)]
struct Steps(Mutex<Vec<String>>);

impl Progress for Steps {
    fn step(&self, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
}

impl Steps {
    fn said(&self, words: &str) -> bool {
        self.0.lock().unwrap().iter().any(|step| step.contains(words))
    }
}

/// `None` where fetching is forbidden, such as without a network.
fn fetching() -> Option<Sources> {
    let sources = own_servers();
    (sources.policy != Policy::System).then_some(Sources { policy: Policy::Fetch, ..sources })
}

#[tokio::test]
async fn servers_are_fetched_once_by_two_at_the_same_time_and_work() {
    let home = tempfile::tempdir().unwrap();
    // As below a home that is closed to others: when we are root, the servers' user needs a copy.
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let cache = home.path().join("cache");
    let Some(sources) = fetching() else { return };
    let sources = Sources { cache: cache.clone(), ..sources };
    let steps = Steps::default();
    let starting = || Stack::start_from(only_nodes(1), &sources, &steps);
    let (first, second) = tokio::join!(starting(), starting());
    let (first, second) = (first.unwrap(), second.unwrap());
    set(&first, 0, "key").await;
    assert_eq!(get(&second, 0, "key").await, None);
    let fetched = steps.0.lock().unwrap().iter().filter(|step| step.contains("once")).count();
    assert_eq!(fetched, 1, "{:?}", steps.0);
    assert_eq!(steps.said("cannot reach"), nix::unistd::geteuid().is_root(), "{:?}", steps.0);
    let left = fs::read_dir(&cache).unwrap().flatten();
    let partial = left.filter(|entry| entry.file_name().to_string_lossy().starts_with('.'));
    assert_eq!(partial.count(), 0);
}

#[tokio::test]
async fn a_fetched_postgres_works_too() {
    let steps = Steps::default();
    let Some(sources) = fetching() else { return };
    let stack = Stack::start_from(small(), &sources, &steps).await.unwrap();
    assert!(steps.said("found Valkey") && steps.said("found Postgres 18"), "{:?}", steps.0);
    let url = stack.postgres.as_ref().unwrap().create_database("fetched").await.unwrap();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    // What the purchase service needs beyond plain SQL.
    sqlx::raw_sql("DO $$ BEGIN PERFORM gen_random_uuid(); END $$")
        .execute(&mut connection)
        .await
        .unwrap();
}
