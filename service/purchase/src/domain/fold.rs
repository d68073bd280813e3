//! A whole sale, folded from its events.

use std::collections::{BTreeSet, HashMap};

use super::{
    Claim, ClaimId, Event, Impossible, Known, Moment, Request, Sale, SaleId, State, Status,
};

/// Reservations that are given up in one decision at most.
const DUE_MAX: usize = 1000;

/// How much of a waiting list one decision sees.
const LINE_MAX: usize = 256;

/// A sale with all its claims, as its events left it. Costs some 300 bytes a claim.
#[derive(Clone, Debug)]
pub struct Fold {
    state: State,
    /// Of the reservations that hold units, the first to end first.
    deadlines: BTreeSet<(Moment, ClaimId)>,
}

impl Fold {
    /// Begins with a sale's first event. `None` when that is not the making of a sale.
    #[must_use]
    pub fn begin(id: SaleId, first: &Event) -> Option<Self> {
        let Event::Created(terms) = first else { return None };
        let state = State::created(Sale { id, terms: (**terms).clone() });
        Some(Self { state, deadlines: BTreeSet::new() })
    }

    /// Goes on from where a snapshot was taken: the sale after so many events, its claims in any order,
    /// and those who wait in theirs.
    #[must_use]
    pub fn resume(sale: Sale, version: i64, claims: Vec<Claim>, line: Vec<ClaimId>) -> Self {
        let mut state = State { version, line: line.into(), ..State::created(sale) };
        let mut deadlines = BTreeSet::new();
        for claim in claims {
            deadlines.extend(deadline(&claim));
            state.count_in(claim);
        }
        Self { state, deadlines }
    }

    /// The sale with everything in it, for a snapshot.
    #[must_use]
    pub const fn whole(&self) -> &State {
        &self.state
    }

    /// The number of the last event.
    #[must_use]
    pub const fn version(&self) -> i64 {
        self.state.version
    }

    /// The sale after its next event.
    ///
    /// # Errors
    ///
    /// When the event cannot happen to the sale as it stands; nothing is changed then.
    pub fn apply(&mut self, event: &Event) -> Result<(), Impossible> {
        let id = match event {
            Event::Claim(event) => Some(event.claim),
            Event::Created(_) | Event::Changed(_) => None,
        };
        let of = |state: &State| id.and_then(|id| state.claims.get(&id)).and_then(deadline);
        let before = of(&self.state);
        self.state.apply(event)?;
        if let Some(before) = before {
            let _was = self.deadlines.remove(&before);
        }
        self.deadlines.extend(of(&self.state));
        Ok(())
    }

    /// The sale as a decision about these requests needs it.
    #[must_use]
    pub fn about(&self, requests: &[Request], now: Moment, known: Known) -> State {
        let whole = &self.state;
        let ids = |&(_, id): &(Moment, ClaimId)| id;
        let is_due = |&&(deadline, _): &&(Moment, ClaimId)| deadline <= now;
        let due: Vec<_> = self.deadlines.iter().take_while(is_due).take(DUE_MAX).map(ids).collect();
        let next = self.deadlines.iter().find(|entry| !is_due(entry));
        let line: Vec<_> = whole.line.iter().take(LINE_MAX).copied().collect();
        let named = requests.iter().filter_map(|request| request.command.claim());
        let concerned = due.iter().chain(&line).copied().chain(named);
        let claims: HashMap<_, _> =
            concerned.filter_map(|id| Some((id, whole.claims.get(&id)?.clone()))).collect();
        let buyers = requests.iter().filter_map(|request| request.command.buyer());
        let buyers = buyers.chain(claims.values().map(|claim| &claim.buyer));
        let units_of =
            buyers.filter_map(|buyer| Some((buyer.clone(), *whole.units_of.get(buyer)?))).collect();
        State {
            sale: whole.sale.clone(),
            version: whole.version,
            sold: whole.sold,
            held: whole.held,
            waiting: whole.waiting,
            more_due: due.len() >= DUE_MAX,
            due,
            next_expiry: next.map(|&(deadline, _)| deadline),
            line: line.into(),
            claims,
            units_of,
            known,
        }
    }
}

fn deadline(claim: &Claim) -> Option<(Moment, ClaimId)> {
    let deadline = claim.expires_at.filter(|_| claim.status == Status::Pending)?;
    Some((deadline, claim.id))
}
