//! What holds whatever the foreign library is.

use std::time::{Duration, Instant};

use leasehold::ReleaseOutcome;
use tokio::time::{sleep, sleep_until, timeout};

use super::{
    meeting::{CLOCKS_APART, Key, LONG, Meeting, TTL, assert_same_values, assert_untouched},
    peer::Answer,
};
use crate::world::LIMIT;

/// The lifetime of a foreign lock that is to expire: long enough for an answer on a slow machine.
const SHORT: Duration = Duration::from_millis(1500);
/// Long enough that a slow machine extends it in time.
const EXTENDED: Duration = Duration::from_secs(5);

pub(super) async fn each_excludes_the_other(mut meeting: Meeting) {
    let name = meeting.name().to_owned();

    assert_eq!(meeting.theirs.acquire(&name, LONG).await, Answer::Done);
    let before = meeting.keys().await;
    for _ in 0..3 {
        meeting.is_contended().await;
    }
    assert_untouched(&before, &meeting.keys().await);
    assert_eq!(meeting.theirs.release().await, Answer::Done);

    // Long before the end of its lifetime: it is free because they released it.
    let lease = meeting.take().await;
    let before = meeting.keys().await;
    for _ in 0..3 {
        assert_eq!(meeting.theirs.acquire(&name, LONG).await, Answer::Refused);
    }
    assert_same_values(&before, &meeting.keys().await);
    assert!(!lease.is_lost());

    let token = lease.token();
    meeting.hand_over(lease).await;
    meeting.is_contended().await;
    assert_eq!(meeting.theirs.release().await, Answer::Done);
    // Theirs have no tokens, and cost ours nothing.
    assert!(meeting.take().await.token() > token);
}

pub(super) async fn an_extension_keeps_theirs_held(mut meeting: Meeting) {
    let name = meeting.name().to_owned();
    let begun = tokio::time::Instant::now();
    assert_eq!(meeting.theirs.acquire(&name, EXTENDED).await, Answer::Done);
    assert_eq!(meeting.theirs.extend(LONG).await, Answer::Done);
    let before = meeting.keys().await;
    // Past the end that it had at first.
    sleep_until(begun + EXTENDED + SHORT).await;
    meeting.is_contended().await;
    assert_untouched(&before, &meeting.keys().await);
    assert_eq!(meeting.theirs.extend(LONG).await, Answer::Done);
    assert_eq!(meeting.theirs.release().await, Answer::Done);
    assert!(!meeting.take().await.is_lost());
}

pub(super) async fn a_wait_ends_when_theirs_expires(mut meeting: Meeting) {
    let name = meeting.name().to_owned();
    let begun = Instant::now();
    assert_eq!(meeting.theirs.acquire(&name, SHORT).await, Answer::Done);
    let lease = meeting.take().await;
    let waited = begun.elapsed();
    assert!(waited >= SHORT - CLOCKS_APART, "taken after {waited:?}");
    let before = meeting.keys().await;
    assert_eq!(meeting.theirs.extend(LONG).await, Answer::Refused);
    let _of_nothing = meeting.theirs.release().await;
    assert_same_values(&before, &meeting.keys().await);
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
}

/// A holder whose keys are gone believes in its lock for a while, and acts on it.
pub(super) async fn neither_touches_what_the_other_took(mut meeting: Meeting) {
    let name = meeting.name().to_owned();
    let forget = redis::cmd("DEL").arg(&name).clone();

    assert_eq!(meeting.theirs.acquire(&name, LONG).await, Answer::Done);
    meeting.nodes.tell(&forget).await;
    let lease = meeting.take().await;
    let before = meeting.keys().await;
    assert_eq!(meeting.theirs.extend(LONG).await, Answer::Refused);
    let _of_ours = meeting.theirs.release().await;
    assert_same_values(&before, &meeting.keys().await);
    is_renewed(&meeting).await;
    assert!(!lease.is_lost());

    meeting.nodes.tell(&forget).await;
    assert_eq!(meeting.theirs.acquire(&name, LONG).await, Answer::Done);
    let before = meeting.keys().await;
    // Our renewals meet theirs.
    let _why = timeout(TTL * 10, lease.lost()).await.unwrap();
    assert_eq!(lease.release().await, ReleaseOutcome::NotOurs);
    assert_untouched(&before, &meeting.keys().await);
    assert_eq!(meeting.theirs.extend(LONG).await, Answer::Done);
    assert_eq!(meeting.theirs.release().await, Answer::Done);
}

/// Waits until our key lives longer than it did.
async fn is_renewed(meeting: &Meeting) {
    let begun = Instant::now();
    let longest = |keys: Vec<Key>| keys.iter().map(|key| key.ttl_ms).max().unwrap();
    let mut before = longest(meeting.keys().await);
    loop {
        sleep(Duration::from_millis(10)).await;
        let now = longest(meeting.keys().await);
        if now > before {
            return;
        }
        before = now;
        assert!(begun.elapsed() < LIMIT, "not renewed within {LIMIT:?}");
    }
}
