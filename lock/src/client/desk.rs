//! Where the engine is while it runs, and who takes its turns.
//!
//! An order goes from the caller to the engine's task and on to the tasks of the connections, and the
//! answer back. Each change of tasks costs, and after a few of them in a row the runtime wakes another
//! thread. So while little is under way, a caller *leads*: it takes the engine's turns itself until it
//! has its answer.
//!
//! Answers of nodes wake only whoever took the last turn. So a caller that goes away, with its answer or
//! without, has the task take one; and one that is not polled any more is not waited for.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::{runtime::Handle, sync::oneshot::error::TryRecvError};

use super::{
    engine::Engine,
    inbox::{Inbox, NoRuntime, Order},
    leases::Shared,
    promise::{Promise, Promised},
};

/// Where the engine is while it runs.
#[derive(Default)]
pub(super) struct Desk {
    engine: Mutex<Option<Engine>>,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

impl Desk {
    pub(super) fn put(&self, engine: Engine) {
        *self.engine() = Some(engine);
    }

    pub(super) fn clear(&self) {
        let engine = self.engine().take();
        // Outside of the lock.
        drop(engine);
    }

    /// A turn of the task. Ready when the engine is over; `false` if that is not its own end.
    pub(super) fn turn_of_task(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut engine = self.engine();
        match unless_it_panics(&mut engine, |engine| engine.turn_of_task(cx)) {
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready(())) => {
                *engine = None;
                Poll::Ready(true)
            }
            None => Poll::Ready(false),
        }
    }

    /// Does this for a caller, if nobody takes a turn at the moment and the engine is of its runtime.
    fn if_free<T>(&self, act: impl FnOnce(&mut Engine) -> T) -> Option<T> {
        let here = Handle::try_current().ok()?.id();
        let mut engine = self.engine.try_lock().ok()?;
        if !engine.as_ref()?.runs_in(here) {
            return None;
        }
        unless_it_panics(&mut engine, act)
    }

    fn engine(&self) -> MutexGuard<'_, Option<Engine>> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A node that panics ends the engine, whose task then says so to everybody who waits, but not the
/// caller that happens to lead.
fn unless_it_panics<T>(
    engine: &mut Option<Engine>,
    act: impl FnOnce(&mut Engine) -> T,
) -> Option<T> {
    let there = engine.as_mut()?;
    let done = catch_unwind(AssertUnwindSafe(|| act(there))).ok();
    if done.is_none() {
        drop(engine.take());
    }
    done
}

/// Leaves an order whose answer nobody waits for. If little is under way, it is sent here and now.
pub(super) fn leave(shared: &Arc<Shared>, order: Order) -> Result<(), NoRuntime> {
    Inbox::put(shared, order)?;
    let send = |engine: &mut Engine| {
        let term = engine.begin_term()?;
        engine.leave_to_task(term);
        Some(())
    };
    if shared.desk.if_free(send).flatten().is_none() {
        shared.inbox.tell();
    }
    Ok(())
}

/// The engine's answer to an order. Dropping it does not take the order back.
#[derive(Debug)]
pub(super) struct Answer<'a, T> {
    shared: &'a Arc<Shared>,
    reply: Promised<T>,
    /// The turns that this caller takes.
    term: Option<u64>,
}

impl<'a, T> Answer<'a, T> {
    pub(super) fn new(shared: &'a Arc<Shared>) -> (Promise<T>, Self) {
        let (promise, reply) = Promise::new();
        (promise, Self { shared, reply, term: None })
    }

    /// Leaves the order that it is the answer to. A caller that leads carries it out in its first poll.
    pub(super) fn order(&mut self, order: Order) -> Result<(), NoRuntime> {
        Inbox::put(self.shared, order)?;
        self.term = self.shared.desk.if_free(Engine::begin_term).flatten();
        if self.term.is_none() {
            self.shared.inbox.tell();
        }
        Ok(())
    }

    pub(super) fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.reply.try_recv()
    }

    pub(super) fn close(&mut self) {
        self.reply.close();
    }
}

impl<T> Future for Answer<'_, T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let shared = self.shared;
        if let Some(term) = self.term {
            match shared.desk.if_free(|engine| engine.turn_of_caller(term, cx)) {
                // Whoever takes over wakes it. Left in the channel, its waker would be called in its own
                // turn: a task that wakes itself may change threads.
                Some(true) if self.reply.is_empty() => return Poll::Pending,
                Some(true) => {}
                Some(false) => self.term = None,
                None => {
                    self.term = None;
                    shared.inbox.tell();
                }
            }
        }
        let answer = ready!(Pin::new(&mut self.reply).poll(cx));
        if let Some(term) = self.term.take()
            && shared.desk.if_free(|engine| engine.leave_to_task(term)).is_none()
        {
            shared.inbox.tell();
        }
        Poll::Ready(answer)
    }
}

impl<T> Drop for Answer<'_, T> {
    fn drop(&mut self) {
        if self.term.is_some() {
            self.shared.inbox.tell();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LeaseConfig, Leases, Resource, node::MemoryNode};

    #[tokio::test]
    async fn who_leaves_late_does_not_end_the_turns_of_the_next() {
        let nodes = vec![Arc::new(MemoryNode::new()) as _];
        let leases = Leases::over(nodes, LeaseConfig::default()).unwrap();
        let lease = leases.try_acquire(&Resource::new("stage").unwrap()).await.unwrap();
        let desk = &leases.shared.desk;
        let term = || desk.if_free(Engine::begin_term).flatten().unwrap();
        let (first, second) = (term(), term());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut turn = || desk.if_free(|engine| engine.turn_of_caller(second, &mut cx));
        assert_eq!(turn(), Some(true));
        let _left = desk.if_free(|engine| engine.leave_to_task(first));
        assert_eq!(turn(), Some(true), "it would wait for a wake-up that goes to the task");
        drop(lease);
    }
}
