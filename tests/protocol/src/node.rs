//! One node: the production [`Ledger`], and what the checker has to know about it besides.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use leasehold::model::{
    Binding, ClientId, GrantNumber, GrantRequest, Handover, HolderId, Ledger, Moment, Question,
    Reply, Resource, Standing, admission::quarantine,
};

use crate::config::{Config, Loss, NodeRule};

/// The lifetime of every lease.
pub const TTL: Duration = Duration::from_secs(1);

/// The moment at which everything happens but the end of a quarantine. Nodes learn from it only
/// whether a key expired, and here that is an action of its own.
pub const NOW: Moment = Moment::at(Duration::from_secs(10));

/// More attempts than any configuration has.
const ATTEMPTS_MAX: u64 = 4;

/// More nodes than any configuration has: a quarantine grows with them.
const NODES_MAX: usize = 5;

/// Every node's own clock, in microseconds since 1970: near enough to all hints that none is
/// refused, and above them, so that the number written ahead is the same in most states.
const NODE_CLOCK: u64 = 1_000_000;

/// The one thing that is leased.
pub static THING: LazyLock<Resource> =
    LazyLock::new(|| Resource::new("thing").expect("a word is a resource name"));

/// The moment at which a quarantine that began at [`NOW`] is over.
#[must_use]
pub fn after_quarantine() -> Moment {
    NOW.after(quarantine(TTL, NODES_MAX) + Duration::from_millis(1))
}

/// Every client that an attempt could be of.
pub fn clients() -> impl Iterator<Item = ClientId> {
    (0..ATTEMPTS_MAX).map(ClientId::from_random)
}

/// A number from an integer that is one.
///
/// # Panics
///
/// When it is not.
#[must_use]
pub fn number(n: u64) -> GrantNumber {
    GrantNumber::new(n).expect("the model's numbers are small and not 0")
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    ledger: Ledger,
    /// An older copy of the data, to which a rollback leads.
    copy: Option<Ledger>,
    run: u32,
    /// Since the node forgot: the attempts, one bit each, that were under way or held then and are
    /// not over yet. The quarantine is over when none is left.
    pub out: Option<u8>,
}

impl Node {
    /// A node that votes and that nobody has ever used.
    #[must_use]
    pub fn new() -> Self {
        let mut node = Self { ledger: Ledger::new(), copy: None, run: 0, out: None };
        node.hears(clients());
        // Its first answer is one that nobody heard: that it has answered at all is noted in it.
        let _standing = node.stand(false);
        node
    }

    /// Answers as production does, but for the rule that the configuration breaks.
    pub fn answer(&mut self, config: &Config, question: &Question) -> Reply {
        match (config.node_rule, question) {
            (NodeRule::CommitUnchecked, Question::Commit(binding)) => self.bind_unchecked(binding),
            (NodeRule::RenewByOwner, Question::Renew(binding))
                if self.is_held_by(binding.holder) =>
            {
                Reply::Bound
            }
            (NodeRule::ReleaseAnyone, Question::Release { resource, .. }) => {
                self.ledger.lapse(resource);
                Reply::Released { passed: false }
            }
            _ => self.ledger.answer(question, NOW, number(NODE_CLOCK)),
        }
    }

    /// These clients listen.
    pub fn hears(&mut self, clients: impl Iterator<Item = ClientId>) {
        clients.for_each(|client| self.ledger.listen(client, true));
    }

    /// What it handed over, and to whom, since this was last asked.
    pub fn take_handovers(&mut self) -> Vec<(ClientId, Handover)> {
        self.ledger.take_handovers()
    }

    /// How the node stands, asked when its quarantine is over if `over`.
    pub fn stand(&mut self, over: bool) -> Standing {
        match self.answer_out(&Question::Stand, over) {
            Reply::Standing(standing) => standing,
            other => unreachable!("asked how it stands, a node said {other:?}"),
        }
    }

    /// Answers [`Question::Stand`] and [`Question::Admit`], which alone depend on the time since a
    /// node forgot.
    pub fn answer_out(&mut self, question: &Question, over: bool) -> Reply {
        let moment = if over { after_quarantine() } else { NOW };
        self.ledger.answer(question, moment, number(NODE_CLOCK))
    }

    /// The key is gone; whether there was one.
    pub fn lapse(&mut self) -> bool {
        let before = self.ledger.clone();
        self.ledger.lapse(&THING);
        before != self.ledger
    }

    /// Whether this holder has the lease here: asked of a copy, which it then releases.
    #[must_use]
    pub fn is_held_by(&self, holder: HolderId) -> bool {
        let question = Question::Release { resource: THING.clone(), holder, next: None };
        let reply = self.ledger.clone().answer(&question, NOW, number(NODE_CLOCK));
        matches!(reply, Reply::Released { .. })
    }

    /// Keeps a copy of the data, for a rollback; whether it is a new one.
    pub fn save(&mut self) -> bool {
        let copy = Some(self.ledger.clone());
        let new = copy != self.copy;
        self.copy = copy;
        new
    }

    /// Whether there is a copy that differs from the data.
    #[must_use]
    pub fn can_roll_back(&self) -> bool {
        self.copy.as_ref().is_some_and(|copy| *copy != self.ledger)
    }

    /// Drops the copy: nothing leads back to it any more.
    pub fn drop_copy(&mut self) {
        self.copy = None;
    }

    /// Loses data. `under_way` are the attempts that count on it. The node is noticed to be out in
    /// the same moment, which is when its quarantine begins at the earliest.
    pub fn lose(&mut self, loss: Loss, under_way: u8) {
        if loss == Loss::Flushed {
            self.ledger.forget();
        } else {
            self.run += 1;
            match loss {
                Loss::RestartedEmpty => self.ledger = Ledger::unfounded(NOW),
                Loss::RolledBack => self.ledger = self.copy.take().unwrap_or_default(),
                Loss::Restarted | Loss::Flushed => {}
            }
            self.ledger.restart(NOW, self.run);
            // Whoever listened does so again.
            self.hears(clients());
        }
        self.out = Some(under_way);
        let _noticed = self.stand(false);
    }

    /// Loses data and votes all the same: what happens without the guard.
    pub fn lose_unnoticed(&mut self, loss: Loss) {
        match loss {
            Loss::Flushed | Loss::RestartedEmpty => self.ledger = Ledger::new(),
            Loss::RolledBack => self.ledger = self.copy.take().unwrap_or_default(),
            Loss::Restarted => {}
        }
    }

    /// The mistake: binds whatever is not below the fence, whoever has the lease and the fence. An
    /// equal number stays noted for the holder that it was bound to, as nothing compares that.
    fn bind_unchecked(&mut self, binding: &Binding) -> Reply {
        let grant = |hint, holder| {
            let (resource, ttl) = (binding.resource.clone(), binding.ttl);
            let request = GrantRequest { resource, holder, ttl, hint, waiter: None };
            Question::Grant(Arc::new(request))
        };
        let mut probe = self.ledger.clone();
        probe.lapse(&binding.resource);
        let lowest = grant(GrantNumber::ONE, HolderId::from_random(0));
        match probe.answer(&lowest, NOW, number(NODE_CLOCK)) {
            // One above the fence: the fence is lower than the number.
            Reply::Granted { number: next, .. } if next <= binding.number => {
                self.ledger.lapse(&binding.resource);
                let exactly = grant(binding.number, binding.holder);
                let _granted = self.ledger.answer(&exactly, NOW, number(NODE_CLOCK));
                Reply::Bound
            }
            Reply::Granted { number: next, .. } if next == binding.number.next() => Reply::Bound,
            Reply::Granted { .. } => Reply::Refused,
            other => other,
        }
    }
}

impl Default for Node {
    fn default() -> Self {
        Self::new()
    }
}
