//! An open loop: buyers come on a schedule, whether those before them were answered or not.
//!
//! In a closed loop a server that stands still is asked nothing meanwhile, so most of those who would have
//! waited are never seen ("coordinated omission"). Here each wait counts from when its buyer was to ask.

use std::{
    collections::VecDeque,
    io,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::sync::mpsc;

use super::{
    answers::{Answers, Window},
    wire::{Connection, Told},
};
use crate::timer::Timer;

/// How long those who are under way may take to be answered after the last has come.
const DRAIN_MAX: Duration = Duration::from_secs(90);

/// One who was answered.
struct Answered {
    connection: Connection,
    told: io::Result<Told>,
    /// When it was to ask, and when it was told.
    due: Instant,
    at: Instant,
}

/// So many buyers a second come at equal distances, for a tenth of `length` and then for `length`. Each takes
/// a connection that is free. Who finds none does not ask, and is counted: what waits in us is no load.
pub(crate) async fn run(
    connections: Vec<Connection>,
    arrivals: u32,
    length: Duration,
) -> anyhow::Result<Answers> {
    let window = Window::of(length);
    let (send, mut answered) = mpsc::unbounded_channel::<Answered>();
    // In turns, so that all replicas are asked also when few connections are in use.
    let mut free = VecDeque::from(connections);
    let (mut answers, mut timer) = (Answers::default(), Timer::new()?);
    let (places, begun) = (free.len(), Instant::now());
    for number in 0.. {
        let due = begun + Duration::from_secs(number) / arrivals;
        if due >= window.end {
            break;
        }
        timer.sleep(due.saturating_duration_since(Instant::now())).await?;
        while let Ok(one) = answered.try_recv() {
            free.push_back(keep(one, &mut answers, window)?);
        }
        let Some(mut connection) = free.pop_front() else {
            answers.not_sent += u64::from(due >= window.begin);
            continue;
        };
        let send = send.clone();
        let _task = tokio::spawn(async move {
            let told = connection.ask().await;
            send.send(Answered { connection, told, due, at: Instant::now() }).ok();
        });
    }
    while free.len() < places {
        let one = tokio::time::timeout(DRAIN_MAX, answered.recv()).await;
        let one = one.context("some are not answered")?.context("nobody is left to answer")?;
        free.push_back(keep(one, &mut answers, window)?);
    }
    Ok(answers)
}

fn keep(one: Answered, answers: &mut Answers, window: Window) -> anyhow::Result<Connection> {
    answers.add(one.told.context("a server hung up")?, one.due, one.at, window);
    Ok(one.connection)
}
