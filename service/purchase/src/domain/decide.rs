//! The one decision: a sale's stock and a list of orders in, replies and grants out.
//!
//! Every strategy of granting uses it. It alone knows the capacity and what a repeated key means;
//! a strategy only says how the stock is read and how the grants are written.

use std::collections::HashMap;

use super::{Fingerprint, IdempotencyKey, Order, Receipt, Sale, Stock};

/// What a key was answered before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What was asked then.
    pub fingerprint: Fingerprint,
    /// What was answered.
    pub receipt: Receipt,
}

/// Keys that were granted before.
pub type Known = HashMap<IdempotencyKey, Stored>;

/// What one order comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Granted now, once the grants are written.
    Granted(Receipt),
    /// Granted before under the same key: the same receipt again.
    Replayed(Receipt),
    /// Fewer units are left than were asked for. Nothing is stored: the same key may be tried
    /// again later.
    SoldOut {
        /// How many are left.
        left: u32,
    },
    /// The key was used for another request.
    KeyReused,
}

/// One order that is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What was asked.
    pub order: Order,
    /// What is answered.
    pub receipt: Receipt,
}

/// What a list of orders comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// One outcome an order, in the same sequence.
    pub outcomes: Vec<Outcome>,
    /// What is to be written, all or nothing.
    pub grants: Vec<Grant>,
    /// The stock once that is written.
    pub stock: Stock,
}

impl Decision {
    /// How many units are granted.
    #[must_use]
    pub fn units(&self) -> u32 {
        self.grants.iter().map(|grant| grant.order.quantity.get()).sum()
    }
}

/// Decides orders first come, first served.
///
/// An order for more than is left is refused whole, and a later, smaller one may still be granted.
/// An order whose key stands earlier in the same list gets the earlier one's receipt.
#[must_use]
pub fn decide<'a>(
    sale: &Sale,
    stock: Stock,
    orders: impl IntoIterator<Item = &'a Order>,
    known: &Known,
) -> Decision {
    let mut decision = Decision { outcomes: Vec::new(), grants: Vec::new(), stock };
    let mut earlier: HashMap<&IdempotencyKey, usize> = HashMap::new();
    for order in orders {
        let before = earlier.get(&order.key).map(|&grant| {
            let Grant { order, receipt } = &decision.grants[grant];
            (order.fingerprint, receipt)
        });
        let before = before
            .or_else(|| known.get(&order.key).map(|stored| (stored.fingerprint, &stored.receipt)));
        let left = decision.stock.left();
        let outcome = match before {
            Some((fingerprint, receipt)) if fingerprint == order.fingerprint => {
                Outcome::Replayed(receipt.clone())
            }
            Some(_) => Outcome::KeyReused,
            None if order.quantity.get() > left => Outcome::SoldOut { left },
            None => {
                let receipt = Receipt::of(sale, order);
                let _none = earlier.insert(&order.key, decision.grants.len());
                decision.stock.sold += order.quantity.get();
                decision.grants.push(Grant { order: order.clone(), receipt: receipt.clone() });
                Outcome::Granted(receipt)
            }
        };
        decision.outcomes.push(outcome);
    }
    if !decision.grants.is_empty() {
        decision.stock.version += 1;
    }
    decision
}

#[cfg(test)]
mod tests {
    use super::super::{Buyer, Currency, Money, PurchaseId, Quantity, SaleId};
    use super::*;
    use uuid::Uuid;

    fn sale() -> Sale {
        Sale {
            id: SaleId::from_uuid(Uuid::from_u128(1)),
            name: "concert".to_owned(),
            unit_price: Money::price(2500, Currency::new("EUR").unwrap()).unwrap(),
        }
    }

    fn order(key: usize, quantity: u32) -> Order {
        Order::new(
            IdempotencyKey::new(&format!("k{key}")).unwrap(),
            PurchaseId::from_uuid(Uuid::new_v4()),
            Buyer::new("ada").unwrap(),
            Quantity::new(i64::from(quantity)).unwrap(),
        )
    }

    fn stock(capacity: u32, sold: u32) -> Stock {
        Stock { capacity, sold, version: 7 }
    }

    #[test]
    fn every_short_list_of_orders_obeys_the_rules() {
        // Lists of up to four orders over three keys and quantities 1 to 3, capacities 0 to 5,
        // with and without the first key granted before.
        let choices: Vec<(usize, u32)> =
            (0..3).flat_map(|key| (1..=3).map(move |q| (key, q))).collect();
        let mut lists: Vec<Vec<(usize, u32)>> = vec![vec![]];
        let mut cases = 0;
        for _ in 0..4 {
            lists = lists
                .iter()
                .flat_map(|list| {
                    choices.iter().map(move |&choice| [list.clone(), vec![choice]].concat())
                })
                .collect();
            for list in &lists {
                let orders: Vec<Order> =
                    list.iter().map(|&(key, quantity)| order(key, quantity)).collect();
                for capacity in [0, 1, 2, 3, 5] {
                    for known_before in [false, true] {
                        check(&orders, stock(capacity, 0), known_before);
                        cases += 1;
                    }
                }
            }
        }
        assert_eq!(cases, (9 + 81 + 729 + 6561) * 10);
    }

    /// Holds one decision against the rules, stated one by one.
    fn check(orders: &[Order], stock: Stock, known_before: bool) {
        let sale = sale();
        let mut known = Known::new();
        if known_before {
            let before = order(0, 2);
            let receipt = Receipt::of(&sale, &before);
            let _none = known
                .insert(before.key.clone(), Stored { fingerprint: before.fingerprint, receipt });
        }
        let decision = decide(&sale, stock, orders, &known);
        assert_eq!(decision.outcomes.len(), orders.len());
        assert_eq!(decision.stock.sold, stock.sold + decision.units());
        assert!(decision.stock.sold <= stock.capacity, "oversold: {orders:?}");
        let wrote = i64::from(!decision.grants.is_empty());
        assert_eq!(decision.stock.version, stock.version + wrote);

        let mut left = stock.left();
        let mut granted: Known = known;
        for (order, outcome) in orders.iter().zip(&decision.outcomes) {
            match (granted.get(&order.key), outcome) {
                (Some(before), Outcome::Replayed(receipt)) => {
                    assert_eq!(before.fingerprint, order.fingerprint);
                    assert_eq!(&before.receipt, receipt);
                }
                (Some(before), Outcome::KeyReused) => {
                    assert_ne!(before.fingerprint, order.fingerprint)
                }
                (None, Outcome::Granted(receipt)) => {
                    assert!(order.quantity.get() <= left);
                    left -= order.quantity.get();
                    let stored =
                        Stored { fingerprint: order.fingerprint, receipt: receipt.clone() };
                    let _none = granted.insert(order.key.clone(), stored);
                }
                (None, Outcome::SoldOut { left: told }) => {
                    assert_eq!(*told, left);
                    assert!(order.quantity.get() > left, "refused although enough was left");
                }
                (before, outcome) => panic!("{before:?} gave {outcome:?}"),
            }
        }
    }

    #[test]
    fn first_come_is_first_served_and_a_smaller_order_may_pass_a_larger_one() {
        let orders = [order(1, 2), order(2, 2), order(3, 1)];
        let decision = decide(&sale(), stock(3, 0), &orders, &Known::new());
        assert!(matches!(decision.outcomes[0], Outcome::Granted(_)));
        assert_eq!(decision.outcomes[1], Outcome::SoldOut { left: 1 });
        assert!(matches!(decision.outcomes[2], Outcome::Granted(_)));
        assert_eq!(decision.stock, Stock { capacity: 3, sold: 3, version: 8 });
    }

    #[test]
    fn a_receipt_is_stable() {
        let id = PurchaseId::from_uuid(Uuid::from_u128(2));
        let order = Order { purchase: id, ..order(1, 3) };
        assert_eq!(
            Receipt::of(&sale(), &order).as_str(),
            r#"{"purchase_id":"00000000-0000-0000-0000-000000000002","sale_id":"00000000-0000-0000-0000-000000000001","buyer":"ada","quantity":3,"total_minor":7500,"currency":"EUR"}"#
        );
    }

    #[test]
    fn fields_outside_their_limits_are_named() {
        use super::super::SaleDraft;
        let field =
            |result: Result<_, super::super::Invalid>| result.map(|_: ()| ()).unwrap_err().field;
        assert_eq!(field(Quantity::new(0).map(drop)), "quantity");
        assert_eq!(field(Quantity::new(i64::MAX).map(drop)), "quantity");
        assert_eq!(field(Buyer::new(&"x".repeat(129)).map(drop)), "buyer");
        assert_eq!(field(Buyer::new("a\u{0}b").map(drop)), "buyer");
        assert_eq!(field(IdempotencyKey::new("with space").map(drop)), "idempotency-key");
        assert_eq!(field(SaleDraft::new(" ", 1, 1, "EUR").map(drop)), "name");
        assert_eq!(field(SaleDraft::new("x", -1, 1, "EUR").map(drop)), "capacity");
        assert_eq!(field(SaleDraft::new("x", 1, -1, "EUR").map(drop)), "unit_price_minor");
        assert_eq!(field(SaleDraft::new("x", 1, 1, "eur").map(drop)), "currency");
    }
}
