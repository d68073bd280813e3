//! Carries orders to the book, questions to the nodes, and answers back.
//!
//! Whatever waits when it looks is written to each node at once, or gathered while enough is under way:
//! the more there is to do, the less each question costs. It has a task of its own; while there is little to do, callers take its
//! turns (`desk.rs`).

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    runtime::{Handle, Id},
    task::{unconstrained, yield_now},
    time::Sleep,
};

use super::{
    admit,
    batch::{Batch, UnderWay},
    book::Book,
    identities::Identities,
    inbox::Order,
    leases::Shared,
    promise::Wakes,
};
use crate::{
    model::Moment,
    node::{Answers, NodeErrorKind},
};

/// How long the engine stays without work before it ends; the next order starts it again.
const LINGER: Duration = Duration::from_secs(2);

/// How long after a caller's turn the task takes one at the latest: a caller may never be polled again.
const LEAD_MAX: Duration = Duration::from_millis(10);

/// What comes back.
enum Event {
    Answers { node: usize, batch: Arc<Batch>, answers: Answers },
    Admission { node: usize, outcome: Result<(), NodeErrorKind> },
}

/// What is under way.
pub(super) struct Engine {
    shared: Arc<Shared>,
    book: Book,
    /// Whoever took the last turn is woken by the next of these.
    events: FuturesUnordered<BoxFuture<'static, Event>>,
    identities: Identities,
    orders: Vec<Order>,
    under_way: UnderWay,
    /// Until when at most what is to be asked waits for more of it, if anything does.
    gathers_until: Option<Moment>,
    idle_since: Option<Moment>,
    /// Which turns these are: the task's, or a caller's, who is woken when others take over.
    term: u64,
    leader: Option<Waker>,
    task: Waker,
    /// When those are woken who get their answers in a turn of the task. A caller's turn goes on with
    /// whatever the caller does.
    wakes: Wakes,
    /// Where the task runs: timers and connections are bound to it.
    runtime: Id,
    sleep: Pin<Box<Sleep>>,
    sleeps_until: Option<Moment>,
}

/// The engine's task.
pub(super) async fn run(mut running: Running) {
    let shared = Arc::clone(&running.shared);
    let task = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
    shared.desk.put(Engine::new(&shared, task));
    loop {
        tokio::select! {
            biased;
            () = shared.inbox.arrived() => {
                if shared.inbox.is_busy() {
                    // Whoever else is ready to leave an order does so first.
                    yield_now().await;
                }
            }
            is_over = poll_fn(|cx| shared.desk.turn_of_task(cx)) => {
                running.is_over = is_over;
                return;
            }
        }
    }
}

impl Engine {
    fn new(shared: &Arc<Shared>, task: Waker) -> Self {
        let runtime = Handle::current();
        // With several nodes there is more to hear meanwhile, and callers had better go on: woken
        // together, 64 of them get 0.9 of the leases there, but 1.2 of those on one node.
        let is_alone = shared.nodes.len() == 1;
        Self {
            shared: Arc::clone(shared),
            book: Book::new(Arc::clone(shared)),
            events: FuturesUnordered::new(),
            identities: Identities::new(shared.nodes.len()),
            orders: Vec::new(),
            under_way: UnderWay::new(shared.nodes.len()),
            gathers_until: None,
            idle_since: None,
            term: 0,
            leader: None,
            task,
            wakes: if is_alone { Wakes::of_task_in(&runtime) } else { Wakes::Now },
            runtime: runtime.id(),
            sleep: Box::pin(tokio::time::sleep(LINGER)),
            sleeps_until: None,
        }
    }

    pub(super) fn runs_in(&self, runtime: Id) -> bool {
        self.runtime == runtime
    }

    /// Lets a caller take the next turns, unless more is under way: then orders wait for each other, and
    /// go out together.
    pub(super) fn begin_term(&mut self) -> Option<u64> {
        if self.events.len() >= self.shared.nodes.len() {
            return None;
        }
        self.end_term();
        Some(self.term)
    }

    fn end_term(&mut self) {
        self.term += 1;
        if let Some(leader) = self.leader.take() {
            leader.wake();
        }
    }

    /// A turn of the task. Ready when the engine is over.
    pub(super) fn turn_of_task(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.end_term();
        self.book.wakes = self.wakes;
        let now = self.turn(cx);
        self.book.wakes = Wakes::Now;
        let is_over = self.idle_since.is_some_and(|since| now - since >= LINGER);
        if is_over && self.shared.inbox.close_if_empty() {
            return Poll::Ready(());
        }
        let ends_at = self.idle_since.map(|since| since.after(LINGER));
        // Whichever is sooner: an old appointment must not keep an idle engine alive.
        let look_at = self.look_at().into_iter().chain(ends_at).min();
        if look_at != self.sleeps_until {
            self.sleep_until(look_at);
        }
        Poll::Pending
    }

    /// A turn of a caller, if it is still for this one to take.
    pub(super) fn turn_of_caller(&mut self, term: u64, cx: &mut Context<'_>) -> bool {
        if term != self.term {
            return false;
        }
        if !self.leader.as_ref().is_some_and(|leader| leader.will_wake(cx.waker())) {
            self.leader = Some(cx.waker().clone());
        }
        self.turn_beside_task(cx);
        true
    }

    /// The last turn of a caller, if it is still for this one to take: from here on answers wake the
    /// task.
    pub(super) fn leave_to_task(&mut self, term: u64) {
        if term != self.term {
            return;
        }
        self.leader = None;
        self.end_term();
        let task = self.task.clone();
        self.turn_beside_task(&mut Context::from_waker(&task));
    }

    fn turn_beside_task(&mut self, cx: &mut Context<'_>) {
        let now = self.turn(cx);
        let look_at = self.look_at().into_iter().fold(now.after(LEAD_MAX), Moment::min);
        if self.sleeps_until.is_none_or(|sleeps_until| look_at < sleeps_until) {
            self.sleep_until(Some(look_at));
        }
    }

    /// When the next turn is due though nothing comes.
    fn look_at(&mut self) -> Option<Moment> {
        self.book.look_at().into_iter().chain(self.gathers_until).min()
    }

    /// Takes what has come, and sends what follows from it.
    fn turn(&mut self, cx: &mut Context<'_>) -> Moment {
        let now = self.shared.clock.now();
        self.sleeps_until = self.sleeps_until.filter(|&sleeps_until| sleeps_until > now);
        self.shared.inbox.take(&mut self.orders);
        for order in self.orders.drain(..) {
            self.book.take(order, now);
        }
        loop {
            // A set of futures wakes whoever has polled all of them, to let others run. For that alone
            // nobody is to be woken here: a caller that is polled again at once may change threads.
            self.hear(&mut Context::from_waker(Waker::noop()), now);
            self.hear(cx, now);
            self.book.look(now);
            let under_way = self.events.len();
            for node in self.book.admissions.drain(..) {
                self.events.push(admit(&self.shared, node));
            }
            self.send(now);
            if self.events.len() == under_way {
                break;
            }
        }
        let is_idle = self.book.is_empty() && self.events.is_empty();
        self.idle_since = is_idle.then(|| self.idle_since.unwrap_or(now));
        now
    }

    /// Asks what is to be asked, or gathers it for a while. What is for all goes first: what is for one
    /// node follows from it.
    fn send(&mut self, now: Moment) {
        let outbox = &mut self.book.outbox;
        let enough_until = self.under_way.are_enough_until(now);
        self.gathers_until = enough_until.filter(|_| outbox.can_wait());
        if self.gathers_until.is_none() {
            for batch in outbox.take_for_all() {
                self.under_way.sent(&batch, now);
                for node in 0..self.shared.nodes.len() {
                    self.events.push(ask(&self.shared, node, Arc::clone(&batch)));
                }
            }
        }
        for (node, batch) in outbox.take_for_each() {
            self.events.push(ask(&self.shared, node, batch));
        }
    }

    fn hear(&mut self, cx: &mut Context<'_>, now: Moment) {
        loop {
            // A caller may have used its budget up: what waits for more of it would be sent after what
            // the engine's task is told to send later.
            let next = pin!(unconstrained(self.events.next()));
            let Poll::Ready(Some(event)) = next.poll(cx) else { return };
            self.take_event(event, now);
        }
    }

    fn take_event(&mut self, event: Event, now: Moment) {
        match event {
            Event::Answers { node, batch, answers } => {
                self.under_way.answered(&batch);
                let answers = self.identities.one_vote_each(&self.shared, node, &batch, answers);
                self.book.answered(node, &batch, answers, now);
            }
            Event::Admission { node, outcome } => self.book.admitted(node, outcome, now),
        }
    }

    /// Has the task look then, also when this is a caller's turn.
    fn sleep_until(&mut self, look_at: Option<Moment>) {
        self.sleeps_until = look_at;
        let Some(look_at) = look_at else { return };
        self.sleep.as_mut().reset(self.shared.clock.instant(look_at));
        // A caller that has used its budget up must set the timer all the same.
        let sleep = pin!(unconstrained(self.sleep.as_mut()));
        if sleep.poll(&mut Context::from_waker(&self.task)).is_ready() {
            self.task.wake_by_ref();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.end_term();
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
            self.shared.desk.clear();
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
