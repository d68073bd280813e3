//! npm's redlock, in the two lines that are in use.

use super::{
    claims, counter,
    meeting::Meeting,
    peer::Library::{Redlock4, Redlock5},
};

#[tokio::test]
async fn ours_and_redlock_4_exclude_each_other_on_one_node() {
    let Some(meeting) = Meeting::start(Redlock4, 1).await else { return };
    claims::each_excludes_the_other(meeting).await;
}

#[tokio::test]
async fn ours_and_redlock_5_exclude_each_other_on_one_node() {
    let Some(meeting) = Meeting::start(Redlock5, 1).await else { return };
    claims::each_excludes_the_other(meeting).await;
}

#[tokio::test]
async fn ours_and_redlock_4_exclude_each_other_on_three_nodes() {
    let Some(meeting) = Meeting::start(Redlock4, 3).await else { return };
    claims::each_excludes_the_other(meeting).await;
}

#[tokio::test]
async fn ours_and_redlock_5_exclude_each_other_on_three_nodes() {
    let Some(meeting) = Meeting::start(Redlock5, 3).await else { return };
    claims::each_excludes_the_other(meeting).await;
}

#[tokio::test]
async fn a_redlock_4_that_is_extended_stays_held() {
    let Some(meeting) = Meeting::start(Redlock4, 3).await else { return };
    claims::an_extension_keeps_theirs_held(meeting).await;
}

#[tokio::test]
async fn a_redlock_5_that_is_extended_stays_held() {
    let Some(meeting) = Meeting::start(Redlock5, 3).await else { return };
    claims::an_extension_keeps_theirs_held(meeting).await;
}

#[tokio::test]
async fn a_wait_ends_when_a_redlock_4_expires() {
    let Some(meeting) = Meeting::start(Redlock4, 3).await else { return };
    claims::a_wait_ends_when_theirs_expires(meeting).await;
}

#[tokio::test]
async fn a_wait_ends_when_a_redlock_5_expires() {
    let Some(meeting) = Meeting::start(Redlock5, 3).await else { return };
    claims::a_wait_ends_when_theirs_expires(meeting).await;
}

#[tokio::test]
async fn neither_ours_nor_redlock_4_touches_what_the_other_took() {
    let Some(meeting) = Meeting::start(Redlock4, 3).await else { return };
    claims::neither_touches_what_the_other_took(meeting).await;
}

#[tokio::test]
async fn neither_ours_nor_redlock_5_touches_what_the_other_took() {
    let Some(meeting) = Meeting::start(Redlock5, 3).await else { return };
    claims::neither_touches_what_the_other_took(meeting).await;
}

#[tokio::test]
async fn no_update_is_lost_between_ours_and_redlock_4() {
    let Some(meeting) = Meeting::start(Redlock4, 3).await else { return };
    counter::no_update_is_lost(meeting).await;
}

#[tokio::test]
async fn no_update_is_lost_between_ours_and_redlock_5() {
    let Some(meeting) = Meeting::start(Redlock5, 3).await else { return };
    counter::no_update_is_lost(meeting).await;
}
