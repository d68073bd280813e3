//! The Lua scripts on a real server, held against the rules that the model states.

use std::time::Duration;

use leasehold::{
    GrantNumber, HolderId, Resource,
    model::{Binding, GrantReply, GrantRequest, HINT_AHEAD_MAX, Ledger, Moment},
    node::{Node as _, RedisNode},
};
use leasehold_stack::{Persistence, Silent, Stack, StackConfig};

const TTL: Duration = Duration::from_secs(100);
const STEPS: usize = 2000;

/// What is asked of both.
#[derive(Clone, Debug)]
enum Ask {
    Grant(GrantRequest),
    Commit(Binding),
    Renew(Binding),
    Release(Resource, HolderId),
}

fn random_ask(random: &mut fastrand::Rng, clock: u64) -> Ask {
    let names = ["a", "{a}", "x{y}z", "}{", "späti"];
    let resource = Resource::new(names[random.usize(0..names.len())]).unwrap();
    let holder = HolderId::from_random(random.u128(1..4));
    // Around the clock, so that hints and fences pass each other; sometimes too far ahead.
    let mut number = GrantNumber::new(clock + random.u64(0..20)).unwrap();
    if random.u8(0..20) == 0 {
        number = GrantNumber::new(clock + u64::try_from(HINT_AHEAD_MAX.as_micros()).unwrap() * 2)
            .unwrap();
    }
    let binding = Binding { resource: resource.clone(), holder, ttl: TTL, number };
    match random.u8(0..4) {
        0 => Ask::Grant(GrantRequest { resource, holder, ttl: TTL, hint: number }),
        1 => Ask::Commit(binding),
        2 => Ask::Renew(binding),
        _ => Ask::Release(resource, holder),
    }
}

/// The answer as text, without what depends on the server's clock.
fn text(reply: GrantReply) -> String {
    match reply {
        GrantReply::Held { fence, .. } => format!("held, fence {fence:?}"),
        GrantReply::HintAhead { .. } => "hint ahead".to_owned(),
        GrantReply::Granted(number) => format!("granted {number}"),
    }
}

#[tokio::test]
async fn scripts_and_model_answer_the_same() {
    let config = StackConfig { lease_nodes: 1, persistence: Persistence::None, postgres: false };
    let stack = Stack::start(config, &Silent).await.unwrap();
    let node = RedisNode::new(&stack.redis_urls()[0], Duration::from_secs(30)).unwrap();
    let mut redis = stack.nodes[0].connection().await.unwrap();
    let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut redis).await.unwrap();
    let clock = seconds * 1_000_000 + micros;
    let now = Moment::default();
    for seed in 0..3 {
        let mut random = fastrand::Rng::with_seed(seed);
        stack.nodes[0].flush_all().await.unwrap();
        let mut model = Ledger::new();
        for step in 0..STEPS {
            if step % 500 == 250 {
                // A server that lost its scripts is asked again with the script itself.
                redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut redis).await.unwrap();
            }
            let ask = random_ask(&mut random, clock);
            let (real, wanted) = match &ask {
                Ask::Grant(request) => (
                    text(node.grant(request).await.unwrap()),
                    text(model.grant(request, now, GrantNumber::new(clock).unwrap())),
                ),
                Ask::Commit(binding) => (
                    format!("{:?}", node.commit(binding).await.unwrap()),
                    format!("{:?}", model.commit(binding, now)),
                ),
                Ask::Renew(binding) => (
                    format!("{:?}", node.renew(binding).await.unwrap()),
                    format!("{:?}", model.renew(binding, now)),
                ),
                Ask::Release(resource, holder) => (
                    format!("{:?}", node.release(resource, *holder).await.unwrap()),
                    format!("{:?}", model.release(resource, *holder, now)),
                ),
            };
            assert_eq!(real, wanted, "seed {seed}, step {step}: {ask:?}");
        }
    }
}

#[tokio::test]
async fn leases_expire_and_fences_outlive_them() {
    let config = StackConfig { lease_nodes: 1, persistence: Persistence::None, postgres: false };
    let stack = Stack::start(config, &Silent).await.unwrap();
    let node = RedisNode::new(&stack.redis_urls()[0], Duration::from_secs(30)).unwrap();
    let ask = |holder: u128| GrantRequest {
        resource: Resource::new("r").unwrap(),
        holder: HolderId::from_random(holder),
        ttl: Duration::from_millis(50),
        hint: GrantNumber::ONE,
    };
    let GrantReply::Granted(first) = node.grant(&ask(1)).await.unwrap() else {
        panic!("not granted")
    };
    let second = loop {
        match node.grant(&ask(2)).await.unwrap() {
            GrantReply::Granted(number) => break number,
            GrantReply::Held { ttl_left, fence } => {
                assert!(ttl_left.is_some_and(|left| left <= Duration::from_millis(50)));
                assert_eq!(fence, Some(first));
            }
            GrantReply::HintAhead { .. } => panic!("the hint is 1"),
        }
    };
    assert_eq!(second, first.next());
    let mut redis = stack.nodes[0].connection().await.unwrap();
    let keys: Vec<String> =
        redis::cmd("KEYS").arg("leasehold:*").query_async(&mut redis).await.unwrap();
    assert_eq!(keys, ["leasehold:fence-of:{r}"]);
    let left: i64 = redis::cmd("PTTL").arg(&keys[0]).query_async(&mut redis).await.unwrap();
    assert!((3_500_000..=3_600_050).contains(&left), "the fence lives for {left} ms");
}
