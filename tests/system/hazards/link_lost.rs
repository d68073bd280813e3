//! The network between one replica and the servers fails: cut, half-open, or only the replies are lost.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use leasehold_stack::Link;
use sqlx::{Connection as _, PgConnection};

use crate::{
    pair::{APART, DIRECT, Pair, comes},
    world::LIMIT,
};

/// What fails is told to the buyer while the test looks on.
const QUICK: &[(&str, &str)] =
    &[("LEASEHOLD_OUTAGE_PATIENCE_MS", "500"), ("LEASEHOLD_STATEMENT_TIMEOUT_MS", "4000")];

/// What a buyer is told in an outage. Not known: when the turn of the buyer before still went on, and this one's
/// write was the first thing that failed.
const OUTAGE: [&str; 2] = ["unavailable", "outcome_unknown"];

#[tokio::test]
async fn a_holder_cut_off_from_the_nodes_is_replaced_refused_and_sells_again() {
    let (pair, links) = Pair::linked(&[]).await;
    let (early, late) = pair
        .held("early", async || {
            links.set_nodes(Link::Cut);
            let late = pair.buys(DIRECT, "late").await;
            pair.lift();
            // Postgres is within its reach all the time: it is the token that is too old.
            pair.is_refused().await;
            links.heal();
            late
        })
        .await;
    assert_eq!(early.status, StatusCode::CREATED, "{early:?}");
    let again = pair.buys(APART, "again").await;
    pair.is_sound(&[("early", &early), ("late", &late), ("again", &again)]).await;
}

#[tokio::test]
async fn who_is_cut_off_from_everything_says_so_while_others_sell() {
    let (pair, links) = Pair::linked(QUICK).await;
    links.cut_off();
    let told = pair.world.buy(APART, pair.sale, "ada").await.unwrap();
    assert!(OUTAGE.contains(&told.code().as_str()), "{told:?}");
    let bob = pair.buys(DIRECT, "bob").await;
    links.heal();
    let mut ada = pair.world.buy(APART, pair.sale, "ada").await.unwrap();
    comes("the replica does not come back", async || {
        let is_back = ada.status == StatusCode::CREATED;
        if !is_back {
            assert!(OUTAGE.contains(&ada.code().as_str()), "{ada:?}");
            ada = pair.world.buy(APART, pair.sale, "ada").await.unwrap();
        }
        is_back
    })
    .await;
    assert!(!ada.replayed, "nothing could happen");
    pair.is_sound(&[("ada", &ada), ("bob", &bob)]).await;
}

#[tokio::test]
async fn a_lease_that_is_granted_and_never_heard_of_blocks_nobody_for_long() {
    let (pair, links) = Pair::linked(QUICK).await;
    let name = format!("sale/{}", pair.sale);
    comes("the first lease is not given back", async || !is_held(&pair, &name).await).await;
    links.set_nodes(Link::NoReplies);
    let (refused, ()) = tokio::join!(pair.world.buy(APART, pair.sale, "ada"), async {
        comes("no node grants", async || is_held(&pair, &name).await).await;
    });
    assert_eq!(refused.unwrap().code(), "unavailable");
    let bob = pair.buys(DIRECT, "bob").await;
    // Every grant of before is heard of now.
    links.heal();
    let ada = pair.buys(APART, "ada").await;
    assert!(!ada.replayed);
    pair.is_sound(&[("ada", &ada), ("bob", &bob)]).await;
}

async fn is_held(pair: &Pair, name: &str) -> bool {
    let mut redis = pair.world.stack.nodes[0].connection().await.unwrap();
    redis::cmd("EXISTS").arg(name).query_async(&mut redis).await.unwrap()
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_unknown_and_its_key_tells() {
    let (pair, links) = Pair::linked(QUICK).await;
    let mut database = pair.database().await;
    // Reads pass, and what is written waits until all of it has come.
    let mut blocking = database.begin().await.unwrap();
    let _locked = sqlx::query("lock table batches in share mode").execute(&mut *blocking).await;
    let mut watching = pair.database().await;
    let (unknown, ()) = tokio::join!(pair.world.buy(APART, pair.sale, "ada"), async {
        comes("nothing is written", async || is_waiting(&mut watching).await).await;
        links.postgres.set(Link::NoReplies);
        blocking.commit().await.unwrap();
        comes("it is not written", async || pair.sold().await == 2).await;
    });
    assert_eq!(unknown.unwrap().code(), "outcome_unknown");
    let ada = pair.buys(DIRECT, "ada").await;
    assert!(ada.replayed, "{ada:?}");
    links.heal();
    let again = pair.buys(APART, "ada").await;
    assert!(again.replayed && again.body == ada.body, "{again:?}");
    pair.is_sound(&[("ada", &ada)]).await;
}

async fn is_waiting(database: &mut PgConnection) -> bool {
    let waits =
        "select exists (select from pg_locks where relation = 'batches'::regclass and not granted)";
    sqlx::query_scalar(waits).fetch_one(database).await.unwrap()
}

#[tokio::test]
async fn a_write_that_comes_late_through_a_half_open_connection_is_refused() {
    let (pair, links) = Pair::linked(QUICK).await;
    let begun = Instant::now();
    for number in 0.. {
        assert!(begun.elapsed() < LIMIT, "no write is sent in time");
        let buyer = format!("buyer-{number}");
        let (told, ()) = pair
            .held(&buyer, async || {
                links.postgres.set(Link::Silent);
                pair.lift();
            })
            .await;
        if told.code() == "unavailable" {
            // It stood so long that the connection was asked first whether it lives, and nothing was sent.
            links.heal();
            comes("the replica does not come back", async || is_ready(&pair).await).await;
            continue;
        }
        assert_eq!(told.code(), "outcome_unknown", "{told:?}");
        let again = pair.buys(DIRECT, &buyer).await;
        assert!(!again.replayed, "the write is still on its way");
        links.heal();
        let refused = format!("for resource sale/{}", pair.sale);
        let log = pair.world.stack.folder().join("postgres.log");
        comes("the late write does not come", async || {
            let log = std::fs::read_to_string(&log).unwrap();
            log.lines().any(|line| line.contains("stale fencing token") && line.contains(&refused))
        })
        .await;
        comes("the replica does not come back", async || is_ready(&pair).await).await;
        let next = pair.buys(APART, "next").await;
        pair.is_sound(&[(&buyer, &again), ("next", &next)]).await;
        return;
    }
}

async fn is_ready(pair: &Pair) -> bool {
    let url = format!("{}/readyz", pair.world.replicas[APART].url());
    pair.world.shop.get(&url).await.unwrap().status == StatusCode::OK
}

#[tokio::test]
async fn while_postgres_is_half_open_buyers_are_answered_and_nothing_is_lost() {
    let (pair, links) = Pair::linked(QUICK).await;
    links.postgres.set(Link::Silent);
    let asked = Instant::now();
    let told = pair.world.buy(APART, pair.sale, "ada").await.unwrap();
    assert!(OUTAGE.contains(&told.code().as_str()), "{told:?}");
    // Not the minute that buyers have in these tests.
    assert!(asked.elapsed() < LIMIT - Duration::from_secs(10), "{:?}", asked.elapsed());
    assert!(!is_ready(&pair).await);
    let bob = pair.buys(DIRECT, "bob").await;
    links.heal();
    comes("the replica does not come back", async || is_ready(&pair).await).await;
    let ada = pair.buys(APART, "ada").await;
    assert!(!ada.replayed, "what was sent meanwhile came after the fence was claimed for bob");
    pair.is_sound(&[("ada", &ada), ("bob", &bob)]).await;
}
