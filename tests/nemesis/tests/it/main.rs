//! A short run in which nothing may be found, and runs without a protection in which something must.

#![expect(clippy::unwrap_used, reason = "a run that cannot be made has failed")]

use std::{path::Path, time::Duration};

use leasehold_nemesis::{
    Control, Means, Plan, Ran, Schedule, Shape, Watch,
    fault::{Fault, Planned, Victim, Way},
    history::Written,
    report, run,
};
use leasehold_stack::Progress;

/// What a run without a protection needs.
const SHAPE: Shape = Shape {
    nodes: 3,
    replicas: 3,
    holders: 3,
    means: Means {
        clocks: false,
        balancer: false,
        small_disks: false,
        slow_syncs: false,
        networks: false,
    },
};

struct Unseen;

impl Progress for Unseen {
    fn step(&self, _what: &str) {}
}

impl Watch for Unseen {
    fn now(&self, _at: Duration, _answered: usize, _under_way: &[Planned]) {}
}

async fn ran(plan: &Plan) -> Ran {
    run(plan, Path::new(env!("CARGO_BIN_EXE_nemesis")), &Unseen).await.unwrap()
}

fn plan(seed: u64, length: Duration) -> Plan {
    Plan {
        seed,
        shape: SHAPE,
        sales: Plan::sales(seed),
        clients: 24,
        rate: 150,
        length,
        schedule: Schedule::default(),
        control: None,
    }
}

/// Under random faults nothing is oversold, lost or written by somebody stale, service resumes, and
/// nothing is left behind.
#[tokio::test(flavor = "multi_thread")]
async fn faults_at_random_break_no_promise() {
    // Whatever this machine can do, but for clocks: a jump excuses leases from being judged.
    break_no_promise(Means { clocks: false, ..Means::here() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_at_random_and_clocks_that_jump_break_no_promise() {
    if leasehold_stack::Means::Clocks.are_here() {
        break_no_promise(Means::here()).await;
    }
}

#[expect(clippy::print_stderr, reason = "what failed must be possible again")]
async fn break_no_promise(means: Means) {
    let (seed, length) = (rand::random::<u64>(), Duration::from_secs(25));
    let clocks = if means.clocks { "" } else { " --no-clocks" };
    eprintln!(
        "the same again: cargo run --release -p leasehold-nemesis -- --seed {seed} --minutes {}{clocks} --clients 24 --rate 150",
        length.as_secs_f64() / 60.0
    );
    let shape = Shape { means, ..SHAPE };
    let schedule = Schedule::random(seed, length, shape, Schedule::GAP);
    let ran = ran(&Plan { shape, schedule, ..plan(seed, length) }).await;
    eprintln!("{}", report::text(&plan(seed, length), &ran));
    assert_eq!(ran.violations, Vec::<String>::new());
    assert_eq!(ran.left, Vec::<String>::new());
    // It would be easy to promise this of nothing.
    assert!(ran.faults.len() > 5, "{} faults", ran.faults.len());
    assert!(ran.figures.purchases > 20, "{:?}", ran.figures);
    assert!(ran.figures.increments > 20, "{:?}", ran.figures);
    assert!(ran.figures.leases_judged > 0, "{:?}", ran.figures);
    // From the nodes, and beside a sidecar. The run waited for it.
    let history = &ran.evidence.history;
    for client in 0..SHAPE.holders {
        let holds = history.holds.iter().filter(|hold| hold.client == client).count();
        let writes = history.increments.iter().filter(|write| write.client == client);
        let accepted = writes.filter(|write| write.written == Written::Yes).count();
        assert!(holds > 0 && accepted > 0, "{client}: {holds} leases, {accepted} writes");
    }
}

/// Whoever takes a planted fault at the last moment is mended all the same, and sells again.
#[tokio::test(flavor = "multi_thread")]
async fn a_planted_fault_is_lifted_whenever_it_strikes() {
    // From none to more than it takes until somebody comes by: at some of them it strikes as it is lifted.
    let planted = |number: u32| Planned {
        at: Duration::from_millis(500) + Duration::from_millis(150) * number,
        lasts: Duration::from_micros(700) * number,
        fault: Fault::PauseBeforeWrite,
    };
    let schedule = Schedule { faults: (0..60).map(planted).collect() };
    let ran = ran(&Plan { schedule, ..plan(1, Duration::from_secs(10)) }).await;
    assert_eq!((ran.violations, ran.left), (Vec::new(), Vec::new()));
    assert_eq!(ran.faults.len(), 60);
}

/// What a run without a protection must be told of: by which checker, in which words.
async fn is_noticed(control: Control, plan: Plan, by: &[(&str, &str)]) {
    let ran = ran(&Plan { control: Some(control), ..plan }).await;
    for (checker, words) in by {
        let of = format!("{checker}: ");
        let mut found = ran.violations.iter().filter(|found| found.starts_with(&of));
        let is_found = found.any(|found| found.contains(words));
        assert!(is_found, "{control:?}: no {words:?} by {checker:?} in {:#?}", ran.violations);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_lease_and_fence_too_much_is_sold() {
    let plan = plan(1, Duration::from_secs(4));
    is_noticed(Control::FenceOff, plan, &[("stock", ""), ("log", ""), ("looks", "")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_who_asks_again_buys_twice() {
    let lasts = Duration::from_secs(5);
    // Requests pass and answers do not: buyers ask again.
    let lost = |replica| Planned {
        at: Duration::from_secs(1),
        lasts,
        fault: Fault::ToReplica(replica, Way::NoReplies),
    };
    let schedule = Schedule { faults: (0..3).map(lost).collect() };
    let plan = Plan { schedule, ..plan(1, lasts) };
    is_noticed(
        Control::KeysForgotten,
        plan,
        &[("acknowledged", "was told under key"), ("unasked", "was done 2 times")],
    )
    .await;
}

/// Lock holders alone.
fn holders(seed: u64) -> Plan {
    let shape = Shape { replicas: 0, ..SHAPE };
    Plan { shape, sales: Vec::new(), clients: 0, ..plan(seed, Duration::from_secs(4)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_check_before_the_transaction_writes_are_lost() {
    is_noticed(
        Control::CheckedOutside,
        holders(1),
        &[("lost updates", ""), ("mutual exclusion", "was held by two"), ("tokens", "")],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_lock_and_check_writes_are_lost() {
    is_noticed(
        Control::LockSkipped,
        holders(1),
        &[
            ("lost updates", ""),
            ("mutual exclusion", "was held by two"),
            ("tokens", "was accepted after"),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tokens_that_nodes_count_for_themselves_they_go_back_and_are_of_two() {
    let at = |at, lasts, fault| Planned {
        at: Duration::from_millis(at),
        lasts: Duration::from_millis(lasts),
        fault,
    };
    // Both of the others miss some, so that the first is ahead of both; then it forgets. Three times: on a
    // busy machine nobody may ask meanwhile.
    let once = |begins: u64| {
        [
            at(begins + 500, 1000, Fault::Kill(Victim::Node(1))),
            at(begins + 2000, 1000, Fault::Kill(Victim::Node(2))),
            at(begins + 3500, 100, Fault::Forget(0)),
        ]
    };
    let faults = [0, 4500, 9000].into_iter().flat_map(once).collect();
    let plan = Plan { schedule: Schedule { faults }, ..holders(1) };
    let plan = Plan { length: Duration::from_secs(15), ..plan };
    is_noticed(
        Control::NaiveToken,
        plan,
        &[("tokens", "held it with token"), ("mutual exclusion", "tokens go back")],
    )
    .await;
}
