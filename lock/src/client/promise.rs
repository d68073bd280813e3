//! The one answer that a caller waits for, and how the caller is woken for it.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use futures_util::task::AtomicWaker;
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::oneshot::{self, error::TryRecvError},
    task::{coop, yield_now},
};

/// An answer to come. Dropped before, it tells the caller that none will.
#[derive(Debug)]
pub(super) struct Promise<T> {
    answer: Option<oneshot::Sender<T>>,
    caller: Arc<AtomicWaker>,
}

/// When a caller is woken that has its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wakes {
    Now,
    /// With all others that have an answer by then.
    Together,
}

impl Wakes {
    /// For the answers of a task that has many at once.
    ///
    /// A runtime of one thread has no other thread to wake, and forgets wakers that it keeps if it stops
    /// being driven.
    pub(super) fn of_task_in(runtime: &Handle) -> Self {
        match runtime.runtime_flavor() {
            RuntimeFlavor::MultiThread => Self::Together,
            _ => Self::Now,
        }
    }
}

/// The caller's end: ready with the answer, or with `None` when none will come.
#[derive(Debug)]
pub(super) struct Promised<T> {
    answer: oneshot::Receiver<T>,
    caller: Arc<AtomicWaker>,
}

impl<T> Promise<T> {
    pub(super) fn new() -> (Self, Promised<T>) {
        let (sender, receiver) = oneshot::channel();
        let caller = Arc::new(AtomicWaker::new());
        let promised = Promised { answer: receiver, caller: Arc::clone(&caller) };
        (Self { answer: Some(sender), caller }, promised)
    }

    /// Answers. Hands the answer back if nobody waits for it any more.
    pub(super) fn keep(mut self, answer: T, wakes: Wakes) -> Result<(), T> {
        let Some(sender) = self.answer.take() else { return Err(answer) };
        sender.send(answer)?;
        if let Some(waker) = self.caller.take() {
            match wakes {
                Wakes::Now => waker.wake(),
                Wakes::Together => wake_later(waker),
            }
        }
        Ok(())
    }

    /// Whether nobody waits for the answer any more.
    pub(super) fn is_closed(&self) -> bool {
        self.answer.as_ref().is_none_or(oneshot::Sender::is_closed)
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if self.answer.take().is_some() {
            self.caller.wake();
        }
    }
}

impl<T> Promised<T> {
    /// Whether there is no answer so far.
    pub(super) fn is_empty(&self) -> bool {
        self.answer.is_empty()
    }

    /// The answer that is there.
    pub(super) fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.answer.try_recv()
    }

    /// From here on nothing is answered any more.
    pub(super) fn close(&mut self) {
        self.answer.close();
        drop(self.caller.take());
    }
}

impl<T> Drop for Promised<T> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<T> Future for Promised<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // One that has to wait leaves the task its budget: of many that it waits for, all are to be polled.
        let budget = ready!(coop::poll_proceed(cx));
        // First, or an answer that comes in between would wake nobody.
        self.caller.register(cx.waker());
        let answer = match self.answer.try_recv() {
            Ok(answer) => Some(answer),
            Err(TryRecvError::Closed) => None,
            Err(TryRecvError::Empty) => return Poll::Pending,
        };
        budget.made_progress();
        Poll::Ready(answer)
    }
}

/// Wakes a task when this thread has run those that are ready, together with all others that wait for
/// that.
///
/// While one of its threads sleeps, tokio has a task that is woken wake that thread, too. Where there are
/// answers for twenty, it is woken for one of them, sleeps again, and is woken for the next. Those who
/// yield are woken differently: the runtime keeps their wakers until the thread has nothing else to do, or
/// has run some tasks, and then wakes a thread for all of them once.
///
/// Only for a task whose turn ends here: what it runs on may keep the wakers for as long as the turn lasts.
fn wake_later(waker: Waker) {
    let yielding = pin!(yield_now());
    if yielding.poll(&mut Context::from_waker(&waker)).is_ready() {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        time::Duration,
    };

    use tokio::runtime::Builder;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn who_waits_is_woken_however_the_answer_comes() {
        type End = fn(Promise<u8>);
        let ends: [(End, Option<u8>); 3] = [
            (|promise| promise.keep(1, Wakes::Now).unwrap(), Some(1)),
            (|promise| promise.keep(2, Wakes::Together).unwrap(), Some(2)),
            (drop, None),
        ];
        for (end, answer) in ends {
            let (promise, promised) = Promise::new();
            let mut waiting = tokio::spawn(promised);
            assert!(futures_util::poll!(&mut waiting).is_pending());
            yield_now().await;
            end(promise);
            assert_eq!(waiting.await.unwrap(), answer);
        }
    }

    /// So that tasks that are answered together start together. What is woken now goes first.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn whether_others_that_are_ready_go_first() {
        assert_eq!(Wakes::of_task_in(&Handle::current()), Wakes::Together);
        for (wakes, is_last) in [(Wakes::Now, false), (Wakes::Together, true)] {
            let (promise, promised) = Promise::new();
            let went = Arc::new(AtomicBool::new(false));
            let ready = Arc::clone(&went);
            let waiting = async move { (promised.await, ready.load(Ordering::SeqCst)) };
            let told = tokio::spawn(async move {
                let waiting = tokio::spawn(waiting);
                yield_now().await;
                let _ready = tokio::spawn(async move { went.store(true, Ordering::SeqCst) });
                promise.keep(1, wakes).unwrap();
                waiting.await.unwrap()
            });
            assert_eq!(told.await.unwrap(), (Some(1), is_last), "{wakes:?}");
        }
    }

    /// It would forget the waker that it keeps.
    #[test]
    fn a_runtime_that_rests_forgets_nobody() {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let (promise, promised) = Promise::new();
        let waiting = runtime.spawn(promised);
        runtime.block_on(yield_now());
        let wakes = Wakes::of_task_in(runtime.handle());
        runtime.block_on(async { promise.keep(1, wakes).unwrap() });
        let told = runtime.block_on(async { tokio::time::timeout(LONG, waiting).await });
        assert_eq!(told.unwrap().unwrap(), Some(1));
    }

    /// A task may wait for more than its budget lets it hear of in one turn.
    #[tokio::test]
    async fn the_last_of_many_is_heard_of() {
        let (promises, promised): (Vec<_>, Vec<_>) = (0..1000).map(|_| Promise::new()).unzip();
        let mut waiting = tokio::spawn(futures_util::future::select_all(promised));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        yield_now().await;
        let mut promises = promises;
        promises.pop().unwrap().keep(1, Wakes::Now).unwrap();
        let (answer, index, _) = tokio::time::timeout(LONG, waiting).await.unwrap().unwrap();
        assert_eq!((answer, index), (Some(1), 999));
    }

    #[test]
    fn an_answer_that_nobody_waits_for_comes_back() {
        let (promise, mut promised) = Promise::new();
        assert!(!promise.is_closed());
        promised.close();
        assert!(promise.is_closed());
        assert_eq!(promise.keep("back", Wakes::Now), Err("back"));
        let (promise, promised) = Promise::new();
        drop(promised);
        assert_eq!(promise.keep("back", Wakes::Together), Err("back"));
    }
}
