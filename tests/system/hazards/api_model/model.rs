//! The rules of selling, written anew in a page.

use std::collections::{HashMap, VecDeque};

/// A claim as the model has it: whose, how many, how many given back, where it stands.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) buyer: &'static str,
    pub(super) quantity: u64,
    pub(super) refunded: u64,
    pub(super) status: &'static str,
}

/// A sale without deadlines.
#[derive(Default)]
pub(super) struct Model {
    pub(super) capacity: u64,
    pub(super) claims: HashMap<String, Claim>,
    pub(super) line: VecDeque<String>,
}

impl Model {
    pub(super) fn taken(&self) -> u64 {
        let kept = |claim: &&Claim| matches!(claim.status, "confirmed" | "pending");
        self.claims.values().filter(kept).map(|claim| claim.quantity - claim.refunded).sum()
    }

    /// Units go to those who wait, in order; one who wants too many keeps the others from it.
    pub(super) fn offer(&mut self) {
        while let Some(first) = self.line.front().cloned() {
            let wanted = self.claims[&first].quantity;
            if wanted > self.capacity {
                self.set(&first, "cancelled");
            } else if self.taken() + wanted <= self.capacity {
                self.set(&first, "pending");
            } else {
                return;
            }
            let _served = self.line.pop_front();
        }
    }

    pub(super) fn set(&mut self, id: &str, status: &'static str) {
        self.claims.get_mut(id).unwrap().status = status;
    }

    pub(super) fn left(&self) -> u64 {
        if self.line.is_empty() { self.capacity - self.taken() } else { 0 }
    }

    /// What a new claim is answered.
    pub(super) fn new_claim(&self, quantity: u64, buys: bool, waits: bool) -> (u16, &'static str) {
        match () {
            () if quantity <= self.left() && buys => (201, "confirmed"),
            () if quantity <= self.left() => (201, "pending"),
            () if waits && quantity <= self.capacity => (202, "waiting"),
            () => (409, "sold_out"),
        }
    }

    pub(super) fn add(
        &mut self,
        id: &str,
        buyer: &'static str,
        quantity: u64,
        status: &'static str,
    ) {
        let claim = Claim { buyer, quantity, refunded: 0, status };
        let _none = self.claims.insert(id.to_owned(), claim);
        if status == "waiting" {
            self.line.push_back(id.to_owned());
        }
    }

    pub(super) fn confirm(&mut self, id: &str, buyer: &str, pays: bool) -> (u16, &'static str) {
        let claim = self.claims[id].clone();
        let (status, answer) = match claim.status {
            _ if claim.buyer != buyer => return (403, "not_yours"),
            "pending" => ("confirmed", (200, "confirmed")),
            "cancelled" if pays => ("paid_unfulfilled", (200, "paid_unfulfilled")),
            _ => return (409, "wrong_status"),
        };
        self.set(id, status);
        answer
    }

    pub(super) fn cancel(&mut self, id: &str, buyer: &str) -> (u16, &'static str) {
        let claim = self.claims[id].clone();
        match claim.status {
            _ if claim.buyer != buyer => (403, "not_yours"),
            "pending" | "waiting" => {
                self.set(id, "cancelled");
                self.line.retain(|other| other != id);
                self.offer();
                (200, "cancelled")
            }
            _ => (409, "wrong_status"),
        }
    }

    pub(super) fn refund(&mut self, id: &str, quantity: u64) -> (u16, &'static str) {
        let claim = self.claims.get_mut(id).unwrap();
        let left = claim.quantity - claim.refunded;
        match claim.status {
            "confirmed" if quantity > left => return (409, "refund_too_large"),
            "confirmed" => {
                claim.refunded += quantity;
                claim.status = if quantity == left { "refunded" } else { "confirmed" };
            }
            "paid_unfulfilled" if quantity != claim.quantity => return (409, "refund_too_large"),
            "paid_unfulfilled" => claim.status = "refunded",
            _ => return (409, "wrong_status"),
        }
        let status = claim.status;
        self.offer();
        (200, status)
    }

    pub(super) fn resize(&mut self, capacity: u64) -> (u16, &'static str) {
        if capacity < self.taken() {
            return (409, "below_sold");
        }
        self.capacity = capacity;
        self.offer();
        (200, "")
    }
}
