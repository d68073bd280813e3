//! The kernel loses packets between one replica and the servers: nobody is told, connections stay as they were.
//!
//! It takes root, `ip` and `nft`. `link_lost.rs` and `link_doubled.rs` are the same without.

use hyper::StatusCode;
use leasehold_stack::{Answer, Links, Namespace, Proxy};

use crate::{
    pair::{APART, DIRECT, Pair, comes},
    skipped,
};

const VARIABLE: &str = "LEASEHOLD_NETNS";

/// What fails is told to the buyer while the test looks on.
const QUICK: &[(&str, &str)] =
    &[("LEASEHOLD_OUTAGE_PATIENCE_MS", "500"), ("LEASEHOLD_STATEMENT_TIMEOUT_MS", "4000")];

/// `None` where that cannot be.
fn network() -> Option<Namespace> {
    match Namespace::create() {
        Ok(namespace) => Some(namespace),
        Err(error) => {
            let is_forbidden = std::env::var(VARIABLE).is_ok_and(|said| said == "required");
            skipped::skip(VARIABLE, is_forbidden, &format!("{error:#}"));
            None
        }
    }
}

/// The second replica lives in a network of its own.
async fn apart(env: &[(&str, &str)]) -> Option<(Pair, Links, Namespace)> {
    let namespace = network()?;
    let mut links = None;
    let pair = Pair::start(env, async |config, world| {
        let links = links.insert(namespace.links(&world.stack).await.unwrap());
        config.inside(&namespace, links).start("replica-2").await.unwrap()
    })
    .await;
    Some((pair, links.unwrap(), namespace))
}

fn all(links: &Links) -> impl Iterator<Item = &Proxy> {
    links.nodes.iter().chain([&links.postgres])
}

/// Asks until it is sold: a replica that comes back finds its connections one by one.
async fn buys_in_the_end(pair: &Pair, buyer: &str) -> Answer {
    let mut answer = pair.world.buy(APART, pair.sale, buyer).await.unwrap();
    comes(&format!("{buyer} gets nothing"), async || {
        let is_sold = answer.status == StatusCode::CREATED;
        if !is_sold {
            assert!(
                ["unavailable", "outcome_unknown"].contains(&answer.code().as_str()),
                "{answer:?}"
            );
            answer = pair.world.buy(APART, pair.sale, buyer).await.unwrap();
        }
        is_sold
    })
    .await;
    answer
}

#[tokio::test]
async fn a_holder_parted_from_the_nodes_is_replaced_refused_and_sells_again() {
    let Some((pair, links, namespace)) = apart(&[]).await else { return };
    let (early, late) = pair
        .held("early", async || {
            namespace.before(&links.nodes).cut().unwrap();
            let late = pair.buys(DIRECT, "late").await;
            pair.lift();
            // Postgres is within its reach all the time: it is the token that is too old.
            pair.is_refused().await;
            namespace.heal().unwrap();
            late
        })
        .await;
    assert_eq!(early.status, StatusCode::CREATED, "{early:?}");
    let again = pair.buys(APART, "again").await;
    pair.is_sound(&[("early", &early), ("late", &late), ("again", &again)]).await;
}

#[tokio::test]
async fn a_holder_parted_from_everything_is_replaced_and_sells_again() {
    let Some((pair, links, namespace)) = apart(QUICK).await else { return };
    let (told, late) = pair
        .held("early", async || {
            namespace.before(all(&links)).cut().unwrap();
            let late = pair.buys(DIRECT, "late").await;
            pair.lift();
            late
        })
        .await;
    assert!(["unavailable", "outcome_unknown"].contains(&told.code().as_str()), "{told:?}");
    namespace.heal().unwrap();
    // If its first write comes now, its token is too old.
    let early = buys_in_the_end(&pair, "early").await;
    assert!(!early.replayed, "{early:?}");
    pair.is_sound(&[("early", &early), ("late", &late)]).await;
}

#[tokio::test]
async fn a_holder_parted_from_postgres_stands_in_nobodys_way() {
    let Some((pair, links, namespace)) = apart(QUICK).await else { return };
    let (told, late) = pair
        .held("early", async || {
            namespace.before([&links.postgres]).cut().unwrap();
            pair.lift();
            // The nodes are within its reach: it gives the lease back, or lets it end.
            pair.buys(DIRECT, "late").await
        })
        .await;
    assert!(["unavailable", "outcome_unknown"].contains(&told.code().as_str()), "{told:?}");
    namespace.heal().unwrap();
    let early = buys_in_the_end(&pair, "early").await;
    assert!(!early.replayed, "{early:?}");
    pair.is_sound(&[("early", &early), ("late", &late)]).await;
}

#[tokio::test]
async fn who_hears_no_reply_and_who_is_rejected_says_so_and_stands_in_nobodys_way() {
    let Some((pair, links, namespace)) = apart(QUICK).await else { return };
    namespace.before(&links.nodes).one_way().unwrap();
    let told = pair.world.buy(APART, pair.sale, "ada").await.unwrap();
    // Its lease of before may have lasted.
    assert!(told.status == StatusCode::CREATED || told.code() == "unavailable", "{told:?}");
    let bob = pair.buys(DIRECT, "bob").await;
    namespace.before(&links.nodes).reject().unwrap();
    let told = pair.world.buy(APART, pair.sale, "cyd").await.unwrap();
    assert_eq!(told.code(), "unavailable", "{told:?}");
    let dan = pair.buys(DIRECT, "dan").await;
    namespace.heal().unwrap();
    let ada = buys_in_the_end(&pair, "ada").await;
    let cyd = buys_in_the_end(&pair, "cyd").await;
    pair.is_sound(&[("ada", &ada), ("bob", &bob), ("cyd", &cyd), ("dan", &dan)]).await;
}

#[tokio::test]
async fn a_wire_that_loses_packets_sells_rightly() {
    let Some((pair, links, namespace)) = apart(&[]).await else { return };
    namespace.before(all(&links)).loss(15).unwrap();
    pair.sells_rightly().await;
    let ada = buys_in_the_end(&pair, "ada").await;
    pair.is_sound(&[("ada", &ada)]).await;
}

#[test]
fn what_a_killed_process_left_goes_when_the_next_comes() {
    let Some(_first) = network() else { return };
    // No process has this number.
    let name = format!("leasehold-2147483646-{}", std::process::id());
    let added = std::process::Command::new("ip").args(["netns", "add", &name]).status().unwrap();
    assert!(added.success());
    let _second = network().unwrap();
    assert!(!std::path::Path::new("/run/netns").join(name).exists());
}
