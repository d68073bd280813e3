//! A closed loop: so many buyers, each of whom asks again as soon as it was answered.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::{
    answers::{Answers, Window},
    wire::Connection,
};

pub(crate) async fn run(connections: Vec<Connection>, length: Duration) -> anyhow::Result<Answers> {
    let window = Window::of(length);
    let mut tasks = JoinSet::new();
    for mut connection in connections {
        tasks.spawn(async move {
            let mut answers = Answers::default();
            while Instant::now() < window.end {
                let asked = Instant::now();
                match connection.ask().await {
                    Ok(told) => answers.add(told, asked, Instant::now(), window),
                    // Fewer buyers would be told faster.
                    Err(error) => anyhow::bail!("a server hung up: {error}"),
                }
            }
            Ok(answers)
        });
    }
    let mut all = Answers::default();
    for answers in tasks.join_all().await {
        all.join(answers?);
    }
    Ok(all)
}
