//! A rush: buyers who are connected ask at once, and once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::Barrier, task::JoinSet};

use super::{
    answers::{Answers, Window},
    wire::{Connection, Told},
};

/// Pause before somebody who was told nothing final asks again.
const AGAIN: Duration = Duration::from_millis(50);

/// Until everybody was told; and how long that took.
pub(crate) async fn run(connections: Vec<Connection>) -> anyhow::Result<(Answers, Duration)> {
    let start = Arc::new(Barrier::new(connections.len() + 1));
    let mut tasks = JoinSet::new();
    for mut connection in connections {
        let start = Arc::clone(&start);
        tasks.spawn(async move {
            let _ready = start.wait().await;
            let asked = Instant::now();
            let (mut told, mut turned_away) = (connection.ask().await?, 0_u64);
            while matches!(told, Told::TurnedAway | Told::Unknown) {
                turned_away += 1;
                tokio::time::sleep(AGAIN).await;
                told = connection.ask_again().await?;
            }
            anyhow::Ok((told, asked, Instant::now(), turned_away))
        });
    }
    let begun = Instant::now();
    let _ready = start.wait().await;
    let all = tasks.join_all().await;
    let took = begun.elapsed();
    let (mut answers, window) = (Answers::default(), Window { begin: begun, end: begun + took });
    for one in all {
        let (told, asked, at, turned_away) = one?;
        answers.turned_away += turned_away;
        answers.add(told, asked, at, window);
    }
    Ok((answers, took))
}
