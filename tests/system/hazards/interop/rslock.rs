//! The crate rslock, which knows its lock by 20 random bytes.

use super::{
    claims, counter,
    meeting::{LONG, Meeting},
    peer::{Answer, Library, Peer},
};

async fn meet(nodes: usize) -> Meeting {
    Meeting::start(Library::Rslock, nodes).await.unwrap()
}

#[tokio::test]
async fn ours_and_rslock_exclude_each_other_on_one_node() {
    claims::each_excludes_the_other(meet(1).await).await;
}

#[tokio::test]
async fn ours_and_rslock_exclude_each_other_on_three_nodes() {
    claims::each_excludes_the_other(meet(3).await).await;
}

#[tokio::test]
async fn an_rslock_that_is_extended_stays_held() {
    claims::an_extension_keeps_theirs_held(meet(3).await).await;
}

#[tokio::test]
async fn a_wait_ends_when_an_rslock_expires() {
    claims::a_wait_ends_when_theirs_expires(meet(3).await).await;
}

#[tokio::test]
async fn neither_ours_nor_rslock_touches_what_the_other_took() {
    claims::neither_touches_what_the_other_took(meet(3).await).await;
}

#[tokio::test]
async fn no_update_is_lost_between_ours_and_rslock() {
    counter::no_update_is_lost(meet(3).await).await;
}

#[tokio::test]
async fn a_value_that_is_not_text_is_a_holder() {
    let mut meeting = meet(3).await;
    let name = meeting.name().to_owned();
    loop {
        assert_eq!(meeting.theirs.acquire(&name, LONG).await, Answer::Done);
        let Peer::Rslock { lock: Some(lock), .. } = &meeting.theirs else { panic!("{meeting:?}") };
        assert_eq!(lock.val.len(), 20);
        // Nearly all are not; another one for the one in a million.
        if std::str::from_utf8(&lock.val).is_err() {
            break;
        }
        meeting.theirs.release().await;
    }
    meeting.is_contended().await;
    assert_eq!(meeting.theirs.release().await, Answer::Done);
    assert!(!meeting.take().await.is_lost());
}
