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
    task::{coop::consume_budget, yield_now},
};

/// An answer to come. Dropped before, it tells the caller that none will.
#[derive(Debug)]
pub(super) struct Promise<T> {
    answer: Option<oneshot::Sender<T>>,
    caller: Arc<AtomicWaker>,
    wakes: Wakes,
}

/// When a caller is woken that has its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wakes {
    Now,
    /// With all others that have an answer by then.
    Together,
}

/// The caller's end: ready with the answer, or with `None` when none will come.
#[derive(Debug)]
pub(super) struct Promised<T> {
    answer: oneshot::Receiver<T>,
    caller: Arc<AtomicWaker>,
}

impl<T> Promise<T> {
    pub(super) fn new(wakes: Wakes) -> (Self, Promised<T>) {
        let (sender, receiver) = oneshot::channel();
        let caller = Arc::new(AtomicWaker::new());
        let promised = Promised { answer: receiver, caller: Arc::clone(&caller) };
        (Self { answer: Some(sender), caller, wakes }, promised)
    }

    /// Answers. Hands the answer back if nobody waits for it any more.
    pub(super) fn keep(mut self, answer: T) -> Result<(), T> {
        let Some(sender) = self.answer.take() else { return Err(answer) };
        sender.send(answer)?;
        if let Some(waker) = self.caller.take() {
            match self.wakes {
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
    }
}

impl<T> Future for Promised<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(pin!(consume_budget()).poll(cx));
        // First, or an answer that comes in between would wake nobody.
        self.caller.register(cx.waker());
        match self.answer.try_recv() {
            Ok(answer) => Poll::Ready(Some(answer)),
            Err(TryRecvError::Empty) => Poll::Pending,
            Err(TryRecvError::Closed) => Poll::Ready(None),
        }
    }
}

/// Wakes a task when this thread has run those that are ready, together with all others that wait for
/// that.
///
/// While one of its threads sleeps, tokio has each task that is woken wake a thread, too. An engine with
/// answers for twenty would so wake one twenty times, for one task each. Those who yield are woken
/// differently: the runtime keeps their wakers until the thread has nothing else to do, or has run some
/// tasks, and then wakes a thread for all of them once.
///
/// A runtime of one thread has no other to wake, and forgets the wakers if it stops being driven.
fn wake_later(waker: Waker) {
    let runtime = Handle::try_current().map(|runtime| runtime.runtime_flavor());
    if !matches!(runtime, Ok(RuntimeFlavor::MultiThread)) {
        return waker.wake();
    }
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

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn who_waits_is_woken_however_the_answer_comes() {
        type End = fn(Promise<u8>);
        let keep: End = |promise| promise.keep(1).unwrap();
        for (wakes, end, answer) in [
            (Wakes::Now, keep, Some(1)),
            (Wakes::Together, keep, Some(1)),
            (Wakes::Now, drop, None),
            (Wakes::Together, drop, None),
        ] {
            let (promise, promised) = Promise::new(wakes);
            let mut waiting = tokio::spawn(promised);
            assert!(futures_util::poll!(&mut waiting).is_pending());
            yield_now().await;
            end(promise);
            assert_eq!(waiting.await.unwrap(), answer);
        }
    }

    /// A waker is given to the runtime only where there is one.
    #[test]
    fn without_a_runtime_it_is_woken_at_once() {
        let (promise, promised) = Promise::new(Wakes::Together);
        let waiting = std::thread::spawn(|| answer_on_this_thread(promised));
        promise.keep(1).unwrap();
        assert_eq!(waiting.join().unwrap(), Some(1));
    }

    fn answer_on_this_thread(promised: Promised<u8>) -> Option<u8> {
        struct Thread(std::thread::Thread);
        impl std::task::Wake for Thread {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Thread(std::thread::current())));
        let mut promised = pin!(promised);
        loop {
            match promised.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(answer) => return answer,
                Poll::Pending => std::thread::park(),
            }
        }
    }

    /// So that tasks that are answered together start together. What is woken now goes first.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn whether_others_that_are_ready_go_first() {
        for (wakes, is_last) in [(Wakes::Now, false), (Wakes::Together, true)] {
            let (promise, promised) = Promise::new(wakes);
            let went = Arc::new(AtomicBool::new(false));
            let ready = Arc::clone(&went);
            let waiting = async move { (promised.await, ready.load(Ordering::SeqCst)) };
            let told = tokio::spawn(async move {
                let waiting = tokio::spawn(waiting);
                yield_now().await;
                let _ready = tokio::spawn(async move { went.store(true, Ordering::SeqCst) });
                promise.keep(1).unwrap();
                waiting.await.unwrap()
            });
            assert_eq!(told.await.unwrap(), (Some(1), is_last), "{wakes:?}");
        }
    }

    #[test]
    fn a_runtime_that_rests_forgets_nobody() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (promise, promised) = Promise::new(Wakes::Together);
        let waiting = runtime.spawn(promised);
        runtime.block_on(yield_now());
        runtime.block_on(async { promise.keep(1).unwrap() });
        let told = runtime.block_on(async { tokio::time::timeout(LONG, waiting).await });
        assert_eq!(told.unwrap().unwrap(), Some(1));
    }

    #[test]
    fn an_answer_that_nobody_waits_for_comes_back() {
        let (promise, mut promised) = Promise::new(Wakes::Now);
        assert!(!promise.is_closed());
        promised.close();
        assert!(promise.is_closed());
        assert_eq!(promise.keep("back"), Err("back"));
        let (promise, promised) = Promise::new(Wakes::Together);
        drop(promised);
        assert_eq!(promise.keep("back"), Err("back"));
    }
}
