//! Many buyers, few tickets, three replicas.

use std::time::Duration;

use leasehold_stack::{Arrivals, Buyers, Told, audit};

use crate::world::World;

#[tokio::test]
async fn three_replicas_sell_exactly_what_there_is() {
    let world = World::start(3).await;
    for (seed, (buyers, tickets)) in (1..).zip([(600, 60), (60, 100), (300, 1), (500, 499)]) {
        let sale = world.sale(tickets).await;
        let arrivals = if seed % 2 == 0 {
            Arrivals::AtOnce
        } else {
            Arrivals::Over(Duration::from_millis(700))
        };
        let crowd = Buyers { count: buyers, arrivals, sale, replicas: world.urls(), seed };
        let told = crowd.run(&world.shop, |_| ()).await;
        let books = world.books(sale).await;
        assert_eq!(audit::violations(&books, &told), Vec::<String>::new(), "seed {seed}");
        let yes = told.iter().filter(|answered| matches!(answered.told, Told::Yes(_))).count();
        let wanted = buyers.min(tickets as usize);
        assert_eq!((yes, books.sold), (wanted, i32::try_from(wanted).unwrap()), "seed {seed}");
        assert!(told.iter().all(|answered| answered.told != Told::Unknown), "seed {seed}");
    }
}

#[tokio::test]
async fn a_replica_killed_at_random_loses_and_oversells_nothing() {
    let mut world = World::start(3).await;
    for seed in 1..=3_u64 {
        let sale = world.sale(150).await;
        let arrivals = Arrivals::Over(Duration::from_millis(1500));
        let crowd = Buyers { count: 600, arrivals, sale, replicas: world.urls(), seed };
        let victim = fastrand::Rng::with_seed(seed).usize(0..3);
        let killing = async {
            tokio::time::sleep(Duration::from_millis(100 + seed * 40)).await;
            world.replicas[victim].process().kill().await.unwrap();
        };
        let (told, ()) = tokio::join!(crowd.run(&world.shop, |_| ()), killing);
        let books = world.books(sale).await;
        assert_eq!(audit::violations(&books, &told), Vec::<String>::new(), "seed {seed}");
        assert_eq!(books.sold, 150, "seed {seed}");
        assert!(told.iter().all(|answered| answered.told != Told::Unknown), "seed {seed}");
        let name = format!("replica-{}-again-{seed}", victim + 1);
        world.replicas[victim] = world.config.start(&name).await.unwrap();
    }
}
