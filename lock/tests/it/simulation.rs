//! The real client over in-memory nodes that drop, delay, stop, restart and forget, in thousands of
//! random histories under a stopped clock.
//!
//! ```sh
//! LEASEHOLD_SEEDS=5000 cargo test -p leasehold --test it simulation      # more histories
//! LEASEHOLD_SEED=17 cargo test -p leasehold --test it simulation         # one, again
//! ```

use std::{cell::RefCell, collections::BTreeSet, rc::Rc, time::Duration};

use leasehold::{FencingToken, HolderId, LeaseConfig, Leases};
use tokio::{task::LocalSet, time::Instant};

use crate::faulty_node::{Way, World, config, resource};

/// How many histories are run when nobody says otherwise.
const SEEDS: u64 = 1000;
/// How long the faults last in each.
const UNREST: Duration = Duration::from_secs(20);
/// How long after the last fault somebody must be able to get the lease: a quarantine, and an
/// attempt after the longest pause.
const HEALING: Duration = Duration::from_secs(30);

/// How long after the end of its validity a holder is told at the latest. Timers have a millisecond's
/// grain; the allowance for drift is fourteen.
const TOLD_WITHIN: Duration = Duration::from_millis(2);

/// What is checked, and what a planted mistake leaves out.
#[derive(Clone, Copy, PartialEq)]
enum Setting {
    /// As it is.
    Sound,
    /// Nodes that forget vote at once.
    NoGuard,
    /// Validity ends sooner than the client believes, so that its signals are late.
    LateSignals,
}

/// What happened, in the order in which it did.
#[derive(Default)]
struct History {
    granted: Vec<(FencingToken, HolderId)>,
    /// The newest token that was given out before each attempt began must be smaller than its own.
    newest: Option<FencingToken>,
    out_of_order: usize,
    /// Holders that believe that they hold the lease now.
    believers: BTreeSet<u64>,
    overlaps: usize,
    /// Leases that were lost, and those whose holder was told only after its validity had ended.
    lost: usize,
    told_late: usize,
    amnesias: usize,
    /// Nobody could get the lease after the faults.
    is_stuck: bool,
}

impl History {
    fn begin(&self) -> Option<FencingToken> {
        self.newest
    }

    fn grant(&mut self, before: Option<FencingToken>, token: FencingToken, holder: HolderId) {
        self.out_of_order += usize::from(Some(token) <= before);
        self.newest = self.newest.max(Some(token));
        self.granted.push((token, holder));
    }

    /// A holder stops; `ends`: it was told that its lease is lost, which was valid until then.
    fn stop(&mut self, id: u64, ends: Option<Instant>) {
        let _gone = self.believers.remove(&id);
        if let Some(ends) = ends {
            self.lost += 1;
            self.told_late += usize::from(Instant::now() > ends + TOLD_WITHIN);
        }
    }

    /// Tokens that were given out twice.
    fn duplicates(&self) -> usize {
        let mut seen = BTreeSet::new();
        self.granted.iter().filter(|(token, _)| !seen.insert(*token)).count()
    }
}

/// One task of one process: gets the lease, works, and gives it back, lets it fall, or loses it.
async fn work(
    leases: Leases,
    id: u64,
    mut random: fastrand::Rng,
    setting: Setting,
    history: Rc<RefCell<History>>,
) {
    let late = if setting == Setting::LateSignals { TOLD_WITHIN * 3 } else { Duration::ZERO };
    loop {
        let before = history.borrow().begin();
        let wait = Duration::from_millis(random.u64(0..3000));
        let acquired = leases.acquire(&resource(), wait).await;
        let Ok(lease) = acquired else {
            tokio::time::sleep(Duration::from_millis(random.u64(1..200))).await;
            continue;
        };
        {
            let mut history = history.borrow_mut();
            history.grant(before, lease.token(), lease.stamp().holder);
            history.overlaps += usize::from(!history.believers.is_empty());
            let _new = history.believers.insert(id);
        }
        let until = Instant::now() + Duration::from_millis(random.u64(0..2500));
        let mut ends = Instant::now();
        let stopped = loop {
            // The instant at which this holder must have stopped, if no renewal comes. Then it is looked
            // at again: one that came must not make the next loss seem late.
            let left = lease.remaining().saturating_sub(late);
            if !left.is_zero() {
                ends = Instant::now() + left;
            }
            let look_again = left.min(Duration::from_millis(90)) + TOLD_WITHIN;
            tokio::select! {
                biased;
                _loss = lease.lost() => break Some(ends),
                () = tokio::time::sleep(look_again) => {}
            }
            if Instant::now() >= until {
                break None;
            }
        };
        history.borrow_mut().stop(id, stopped);
        if random.bool() {
            let _outcome = lease.release().await;
        }
    }
}

/// Breaks nodes at random until the unrest is over. At most one of three forgets at a time, and then
/// rests for a quarantine, as that is what three nodes tolerate.
async fn unrest(
    world: &World,
    mut random: fastrand::Rng,
    setting: Setting,
    history: &RefCell<History>,
) {
    let ends = Instant::now() + UNREST;
    let mut may_forget_at = Instant::now();
    while Instant::now() < ends {
        let node = &world.nodes[random.usize(0..world.nodes.len())];
        match random.u8(0..12) {
            0..=4 => node.set(Way::Open),
            5 => node.set(Way::Cut),
            6 => node.set(Way::ReplyLost),
            7 | 8 => node.set(Way::Late(Duration::from_millis(random.u64(1..95)))),
            9 => world.set(0..world.nodes.len(), Way::Open),
            // Its grants all come too late to be of use, one after another.
            10 => node.set(Way::Late(Duration::from_millis(random.u64(95..900)))),
            _ if Instant::now() >= may_forget_at => {
                history.borrow_mut().amnesias += 1;
                match (setting, random.u8(0..3)) {
                    (Setting::NoGuard, _) => node.forget_unnoticed(),
                    (Setting::Sound | Setting::LateSignals, 0) => node.forget(),
                    (Setting::Sound | Setting::LateSignals, keeps) => node.restart(keeps == 1),
                }
                let rest =
                    Duration::from_millis(if setting == Setting::NoGuard { 300 } else { 5000 });
                may_forget_at = Instant::now() + rest;
            }
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(random.u64(1..250))).await;
    }
    world.set(0..world.nodes.len(), Way::Open);
}

async fn history(seed: u64, setting: Setting) -> History {
    let mut random = fastrand::Rng::with_seed(seed);
    // The clients' own dice, too: a history can then be run again.
    fastrand::seed(random.u64(..));
    let world = World::with(3, LeaseConfig { turns_max: 4, ..config() });
    if setting == Setting::NoGuard {
        // Clocks alone would keep the order.
        world.nodes.iter().for_each(|node| node.ignore_clocks());
    }
    let history = Rc::new(RefCell::new(History::default()));
    let tasks = LocalSet::new();
    for process in 0..3 {
        let leases = world.another();
        for task in 0..2 {
            let (leases, random) = (leases.clone(), random.fork());
            let id = process * 2 + task;
            drop(tasks.spawn_local(work(leases, id, random, setting, Rc::clone(&history))));
        }
    }
    tasks.run_until(unrest(&world, random.fork(), setting, &history)).await;
    drop(tasks);
    // The workers are gone where they stood: their leases are given back or run out.
    let healed = world.another().acquire(&resource(), HEALING).await;
    let before = history.borrow().begin();
    let mut history = history.take();
    match healed {
        Ok(lease) => history.grant(before, lease.token(), lease.stamp().holder),
        Err(_) => history.is_stuck = true,
    }
    history
}

fn again(seed: u64) -> String {
    format!("\nagain: LEASEHOLD_SEED={seed} cargo test -p leasehold --test it simulation")
}

fn seeds() -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    match (number("LEASEHOLD_SEED"), number("LEASEHOLD_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, seeds) => 0..seeds.unwrap_or(SEEDS),
    }
}

#[tokio::test(start_paused = true)]
async fn every_promise_holds_in_every_history() {
    let (mut granted, mut lost, mut amnesias) = (0, 0, 0);
    for seed in seeds() {
        let history = history(seed, Setting::Sound).await;
        assert_eq!(history.out_of_order, 0, "a token is not above an earlier one{}", again(seed));
        assert_eq!(history.duplicates(), 0, "a token was given out twice{}", again(seed));
        assert_eq!(history.overlaps, 0, "two hold the lease at once{}", again(seed));
        assert_eq!(history.told_late, 0, "a holder was told too late{}", again(seed));
        assert!(!history.is_stuck, "nobody can get the lease after the faults{}", again(seed));
        granted += history.granted.len();
        lost += history.lost;
        amnesias += history.amnesias;
    }
    let seeds = seeds().count();
    assert!(granted > 8 * seeds, "only {granted} grants in {seeds} histories");
    assert!(seeds < 100 || lost > seeds / 10, "only {lost} leases were lost");
    assert!(amnesias >= seeds, "only {amnesias} nodes forgot");
}

#[tokio::test(start_paused = true)]
async fn the_checks_see_nodes_that_forget_and_vote() {
    let (mut out_of_order, mut overlaps) = (0, 0);
    for seed in 0..60 {
        let history = history(seed, Setting::NoGuard).await;
        out_of_order += history.out_of_order + history.duplicates();
        overlaps += history.overlaps;
    }
    assert!(out_of_order > 0 && overlaps > 0, "{out_of_order} out of order, {overlaps} overlaps");
}

#[tokio::test(start_paused = true)]
async fn the_checks_see_signals_that_come_late() {
    let mut told_late = 0;
    for seed in 0..20 {
        let history = history(seed, Setting::LateSignals).await;
        assert!(history.told_late <= history.lost);
        told_late += history.told_late;
    }
    assert!(told_late > 0, "nothing was late");
}
