//! One who takes leases from the nodes itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use leasehold::{FencingToken, HolderId, Leases, Resource, Stamp};
use rand::RngExt as _;

use super::{Care, TTL, WAIT, naive::Naive, number, writer::Writer};
use crate::history::Hold;

pub(super) struct Direct {
    pub(super) writer: Writer,
    pub(super) care: Care,
    pub(super) leases: Leases,
    /// Its leases run out, as if their holder stood still.
    pub(super) unrenewed: Leases,
    /// Where its tokens come from, if not from its leases.
    pub(super) naive: Option<Naive>,
}

impl Direct {
    pub(super) async fn run(mut self, stop: Arc<AtomicBool>) {
        while !stop.load(Ordering::Relaxed) {
            let Some(resource) = self.writer.any_resource() else { return };
            match self.care {
                Care::Full | Care::NaiveToken => self.under_lease(&resource).await,
                Care::CheckedOutside | Care::LockSkipped => self.without_lease(&resource).await,
            }
            self.writer.pause().await;
        }
    }

    async fn under_lease(&mut self, resource: &Resource) {
        let is_late = self.writer.random.random_range(0..12) == 0;
        let leases = if is_late { &self.unrenewed } else { &self.leases };
        let Ok(lease) = leases.acquire(resource, WAIT).await else { return };
        let mut stamp = lease.stamp().clone();
        if let Some(naive) = &mut self.naive {
            let Some(token) = naive.token(resource).await else { return };
            stamp.token = token;
        }
        let from = Instant::now();
        let mut hold = self.writer.hold(&stamp, from);
        if is_late {
            let left = lease.remaining();
            let _why = lease.lost().await;
            hold.until = self.writer.since(Instant::now().min(from + left));
            hold.lost = true;
            self.writer.note(hold);
            // So that the next one has mostly written by then.
            tokio::time::sleep(TTL.mul_f64(self.writer.random.random::<f64>())).await;
            self.writer.count(&stamp).await;
            return;
        }
        for _ in 0..self.writer.random.random_range(1..4) {
            self.writer.count(&stamp).await;
            // In this order: it was valid at the moment before it was asked.
            let asked = Instant::now();
            hold.lost = lease.is_lost() || lease.remaining().is_zero();
            if hold.lost {
                break;
            }
            hold.until = self.writer.since(asked);
        }
        self.writer.note(hold);
        let _outcome = lease.release().await;
    }

    /// Without leases, and so with a token that somebody made up: the time. It counts on being alone all the same.
    async fn without_lease(&mut self, resource: &Resource) {
        let now = self.writer.since(Instant::now()).as_micros();
        let Ok(now) = i64::try_from(now) else { return };
        let Ok(token) = FencingToken::try_from((now + 1) << 10) else { return };
        let holder = HolderId::from_random(self.writer.random.random());
        let stamp = Stamp { resource: resource.clone(), token, holder };
        let mut hold = self.writer.hold(&stamp, Instant::now());
        self.writer.count(&stamp).await;
        hold.until = self.writer.since(Instant::now());
        self.writer.note(hold);
    }
}

impl Writer {
    /// A lease that is known from now on.
    pub(super) fn hold(&self, stamp: &Stamp, from: Instant) -> Hold {
        Hold {
            client: self.index,
            resource: stamp.resource.as_str().to_owned(),
            token: number(stamp.token),
            holder: stamp.holder.to_string(),
            from: self.since(from),
            until: self.since(from),
            lost: false,
        }
    }

    pub(super) async fn pause(&mut self) {
        let pause = Duration::from_millis(self.random.random_range(0..20));
        tokio::time::sleep(pause).await;
    }
}
