//! redis-py's `Lock`: one node, and unless told otherwise a key that never expires.

use std::time::{Duration, Instant};

use leasehold::AcquireError;

use super::{
    claims, counter,
    meeting::{Meeting, assert_untouched},
    peer::{Answer, Library::RedisPy, Peer},
};
use crate::world::LIMIT;

#[tokio::test]
async fn ours_and_redis_py_exclude_each_other() {
    let Some(meeting) = Meeting::start(RedisPy, 1).await else { return };
    claims::each_excludes_the_other(meeting).await;
}

#[tokio::test]
async fn a_redis_py_lock_that_is_extended_stays_held() {
    let Some(meeting) = Meeting::start(RedisPy, 1).await else { return };
    claims::an_extension_keeps_theirs_held(meeting).await;
}

#[tokio::test]
async fn a_wait_ends_when_a_redis_py_lock_expires() {
    let Some(meeting) = Meeting::start(RedisPy, 1).await else { return };
    claims::a_wait_ends_when_theirs_expires(meeting).await;
}

#[tokio::test]
async fn neither_ours_nor_redis_py_touches_what_the_other_took() {
    let Some(meeting) = Meeting::start(RedisPy, 1).await else { return };
    claims::neither_touches_what_the_other_took(meeting).await;
}

#[tokio::test]
async fn no_update_is_lost_between_ours_and_redis_py() {
    let Some(meeting) = Meeting::start(RedisPy, 1).await else { return };
    counter::no_update_is_lost(meeting).await;
}

#[tokio::test]
async fn a_wait_for_a_lock_without_an_end_ends_at_its_deadline() {
    let Some(mut meeting) = Meeting::start(RedisPy, 1).await else { return };
    let name = meeting.name().to_owned();
    let Peer::Program(program) = &mut meeting.theirs else { panic!("{meeting:?}") };
    let request = format!("acquire {name} forever");
    assert_eq!(program.ask(&request, ["granted", "held"]).await, Answer::Done);
    let before = meeting.keys().await;
    assert_eq!(before[0].ttl_ms, -1);

    let wait = Duration::from_millis(1500);
    let begun = Instant::now();
    let error = tokio::time::timeout(LIMIT, meeting.ours.acquire(&meeting.resource, wait)).await;
    let error = error.expect("the wait has no end").unwrap_err();
    assert!(matches!(error, AcquireError::DeadlineReached { .. }), "{error:?}");
    assert!(begun.elapsed() >= wait, "given up after {:?}", begun.elapsed());
    assert_untouched(&before, &meeting.keys().await);

    assert_eq!(meeting.theirs.release().await, Answer::Done);
    assert!(!meeting.take().await.is_lost());
}
