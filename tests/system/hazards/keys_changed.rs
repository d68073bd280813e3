//! API keys are changed while a replica runs.

use std::fs;

use leasehold_stack::{Keys, Shop};

use crate::world::{LIMIT, World};

/// The status that a key is answered with where sellers may look, and administrators.
async fn told(world: &World, api_key: &str) -> [u16; 2] {
    let url = world.replicas[0].url();
    let purchase = format!("{url}/v1/purchases/{}", uuid::Uuid::nil());
    let metrics = format!("{url}/metrics");
    let [sold, seen] =
        [world.shop.get_as(&purchase, api_key), world.shop.get_as(&metrics, api_key)];
    [sold.await.unwrap().status.as_u16(), seen.await.unwrap().status.as_u16()]
}

async fn until_told(world: &World, api_key: &str, expected: [u16; 2]) {
    let begun = std::time::Instant::now();
    while told(world, api_key).await != expected {
        assert!(begun.elapsed() < LIMIT, "not {expected:?}\n{}", world.replicas[0].log_tail(10));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// A shop that changes its API key between a request and its repetition buys once.
async fn a_repeated_request_is_the_same_under_either(world: &World, new: &Keys) {
    let (url, changed) = (world.replicas[0].url(), Shop::new(new.clone()));
    let sale = world.sale(9).await;
    let first = world.buy(0, sale, "ada").await.unwrap();
    let again = changed.buy(url, sale, "ada", "ada", 1).await.unwrap();
    assert_eq!((again.status.as_u16(), again.replayed), (201, true));
    assert_eq!(again.body, first.body);
    let other = changed.buy(url, sale, "ada", "bob", 1).await.unwrap();
    assert_eq!((other.status.as_u16(), other.code().as_str()), (422, "idempotency_key_reused"));
}

const KNOWN: [u16; 2] = [404, 403];
const UNKNOWN: [u16; 2] = [401, 401];

#[tokio::test]
async fn new_keys_are_known_without_a_restart_and_a_broken_file_changes_nothing() {
    let mut world = World::start(0).await;
    let file = world.stack.folder().join("keys");
    let put = |text: &str| {
        fs::write(file.with_extension("new"), text).unwrap();
        fs::rename(file.with_extension("new"), &file).unwrap();
    };
    let (old, new) = (world.shop.keys().clone(), Keys::random());
    let separate = |list: String, name: &str| {
        list.replace("shop:", &format!("shop-{name}:"))
            .replace("office:", &format!("office-{name}:"))
    };
    put(&separate(old.list(), "old"));
    let file_at = ("LEASEHOLD_KEYS_FILE".to_owned(), file.display().to_string());
    world.config.env.push(file_at);
    world.replicas.push(world.config.start("replica-1").await.unwrap());
    assert_eq!([told(&world, &old.buyer).await, told(&world, &new.buyer).await], [KNOWN, UNKNOWN]);

    // Both at once, while programs change over.
    put(&format!("{}\n{}", separate(old.list(), "old"), separate(new.list(), "new")));
    until_told(&world, &new.buyer, KNOWN).await;
    assert_eq!(told(&world, &old.buyer).await, KNOWN);
    a_repeated_request_is_the_same_under_either(&world, &new).await;

    put("shop-new:buyer");
    crate::world::until("the broken file is not noticed", || {
        world.replicas[0].log_tail(50).contains("not taken over")
    })
    .await;
    assert_eq!([told(&world, &old.buyer).await, told(&world, &new.buyer).await], [KNOWN, KNOWN]);

    put(&separate(new.list(), "new"));
    until_told(&world, &old.buyer, UNKNOWN).await;
    assert_eq!(told(&world, &new.buyer).await, KNOWN);
    assert_eq!(told(&world, &new.admin).await, [404, 200]);
    let log = fs::read_to_string(world.replicas[0].log_path()).unwrap();
    for line in new.list().split(',') {
        let digest = line.rsplit(':').next().unwrap();
        assert!(!log.contains(&digest[..16]) && !log.contains(&new.admin), "the log has a secret");
    }
    let seller = Shop::new(new);
    seller.create_sale(world.replicas[0].url(), "test", 1).await.unwrap();
}
