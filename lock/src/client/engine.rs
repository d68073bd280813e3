//! The one task of a client: carries orders to the book, questions to the nodes, and answers back.
//!
//! Whatever waits when it looks is written to each node at once, so the more there is to do, the
//! less each question costs.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};

use super::{admit, batch::Batch, book::Book, inbox::Order, leases::Shared};
use crate::{
    model::Moment,
    node::{Answers, NodeError, NodeErrorKind, NodeStep},
};

/// How long the engine stays without work before it ends; the next order starts it again.
const LINGER: Duration = Duration::from_secs(2);

/// What comes back.
enum Event {
    Answers { node: usize, batch: Arc<Batch>, answers: Answers },
    Admission { node: usize, outcome: Result<(), NodeErrorKind> },
}

type Events<'a> = FuturesUnordered<BoxFuture<'a, Event>>;

/// Which server each node is, so that none has two votes.
struct Identities {
    runs: Vec<Option<u64>>,
}

pub(super) async fn run(mut running: Running) {
    let shared = Arc::clone(&running.shared);
    let mut book = Book::new(Arc::clone(&shared));
    let mut events = Events::new();
    let mut identities = Identities { runs: vec![None; shared.nodes.len()] };
    let mut orders: Vec<Order> = Vec::new();
    let mut idle_since: Option<Moment> = None;
    // Whether several orders came together last time: alone, one need not wait for others.
    let mut is_busy = false;
    let mut sleep = pin!(tokio::time::sleep(LINGER));
    let mut sleeps_until = shared.clock.now().after(LINGER);
    while !running.is_over {
        let ends_at = idle_since.map(|since| since.after(LINGER));
        // Whichever is sooner: an old appointment must not keep an idle engine alive.
        let wake_at = book.look_at().into_iter().chain(ends_at).min();
        if let Some(wake_at) = wake_at.filter(|&wake_at| wake_at != sleeps_until) {
            sleep.as_mut().reset(shared.clock.instant(wake_at));
            sleeps_until = wake_at;
        }
        tokio::select! {
            biased;
            Some(event) = events.next(), if !events.is_empty() => {
                take_event(&shared, &mut book, &mut identities, event);
            }
            () = shared.inbox.arrived() => {
                if is_busy {
                    // Whoever else is ready to leave an order does so first.
                    tokio::task::yield_now().await;
                }
            }
            () = &mut sleep, if wake_at.is_some() => sleeps_until = Moment::default(),
        }
        while let Some(Some(event)) = events.next().now_or_never() {
            take_event(&shared, &mut book, &mut identities, event);
        }
        let now = shared.clock.now();
        shared.inbox.take(&mut orders);
        is_busy = orders.len() > 1;
        for order in orders.drain(..) {
            book.take(order, now);
        }
        book.look(now);
        for node in book.admissions.drain(..) {
            events.push(admit(&shared, node));
        }
        book.outbox.flush(|node, batch| events.push(ask(&shared, node, batch)));
        if !book.is_empty() || !events.is_empty() {
            idle_since = None;
        } else if now - *idle_since.get_or_insert(now) >= LINGER {
            running.is_over = shared.inbox.close_if_empty();
        }
    }
}

/// However the engine ends, also before its first step, the next order must be able to start another
/// one.
pub(super) struct Running {
    shared: Arc<Shared>,
    is_over: bool,
}

impl Running {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared, is_over: false }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_over {
            // The runtime is shutting down: whoever waits for an answer learns that none comes.
            self.shared.inbox.abandon();
            self.shared.lines.abandon(|_| true);
        }
    }
}

fn ask(shared: &Arc<Shared>, node: usize, batch: Arc<Batch>) -> BoxFuture<'static, Event> {
    let asked = Arc::clone(&shared.nodes[node]);
    Box::pin(async move {
        let answers = asked.ask(&batch.questions).await;
        Event::Answers { node, batch, answers }
    })
}

fn admit(shared: &Arc<Shared>, node: usize) -> BoxFuture<'static, Event> {
    let shared = Arc::clone(shared);
    Box::pin(async move { Event::Admission { node, outcome: admit::admit(&shared, node).await } })
}

fn take_event(shared: &Shared, book: &mut Book, identities: &mut Identities, event: Event) {
    let now = shared.clock.now();
    match event {
        Event::Answers { node, batch, answers } => {
            let answers = identities.one_vote_each(shared, node, &batch, answers);
            book.answered(node, &batch, answers, now);
        }
        Event::Admission { node, outcome } => book.admitted(node, outcome, now),
    }
}

impl Identities {
    /// Answers of a server that answers as another node already do not count.
    fn one_vote_each(
        &mut self,
        shared: &Shared,
        node: usize,
        batch: &Batch,
        answers: Answers,
    ) -> Answers {
        let Some(run) = shared.nodes[node].run().or(self.runs[node]) else { return answers };
        if self.runs[node] == Some(run) {
            return answers;
        }
        let Some(first) = self.runs.iter().position(|&other| other == Some(run)) else {
            self.runs[node] = Some(run);
            return answers;
        };
        let first = Arc::from(shared.nodes[first].address());
        let kind = NodeErrorKind::SameServer(first);
        let address: Arc<str> = Arc::from(shared.nodes[node].address());
        let error = |question| NodeError {
            address: Arc::clone(&address),
            step: NodeStep::of(question),
            kind: kind.clone(),
        };
        batch.questions.iter().map(|question| Err(error(question))).collect()
    }
}
