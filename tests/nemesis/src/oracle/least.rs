//! The least of a stretch of numbers, while whole stretches grow.

/// Numbers in a tree: adding to a stretch of them, and finding the least of one, takes as many steps as
/// the tree is high.
#[derive(Debug)]
pub(super) struct Least {
    /// How many numbers there are.
    len: usize,
    /// A power of two, not less.
    leaves: usize,
    /// Of each node the least below it, with what was added to the node but without what was to those
    /// above it. Node 1 is the root, node n has 2n and 2n + 1 below it.
    least: Vec<i64>,
    /// What was added to all below a node.
    added: Vec<i64>,
}

impl Least {
    pub(super) fn of(numbers: &[i64]) -> Self {
        let leaves = numbers.len().next_power_of_two();
        let mut least = vec![i64::MAX; leaves * 2];
        least[leaves..leaves + numbers.len()].copy_from_slice(numbers);
        for node in (1..leaves).rev() {
            least[node] = least[node * 2].min(least[node * 2 + 1]);
        }
        Self { len: numbers.len(), leaves, least, added: vec![0; leaves * 2] }
    }

    /// Adds to the numbers from `from` to before `to`.
    pub(super) fn add(&mut self, from: usize, to: usize, more: i64) {
        self.add_below(1, (0, self.leaves), (from, to.min(self.len)), more);
    }

    fn add_below(&mut self, node: usize, span: (usize, usize), to: (usize, usize), more: i64) {
        if to.1 <= span.0 || span.1 <= to.0 {
            return;
        }
        if to.0 <= span.0 && span.1 <= to.1 {
            self.least[node] = self.least[node].saturating_add(more);
            self.added[node] = self.added[node].saturating_add(more);
            return;
        }
        let middle = span.0.midpoint(span.1);
        self.add_below(node * 2, (span.0, middle), to, more);
        self.add_below(node * 2 + 1, (middle, span.1), to, more);
        let below = self.least[node * 2].min(self.least[node * 2 + 1]);
        self.least[node] = below.saturating_add(self.added[node]);
    }

    /// The least of the numbers from `from` to before `to`; `None` when there are none.
    pub(super) fn least(&self, from: usize, to: usize) -> Option<i64> {
        let to = to.min(self.len);
        (from < to).then(|| self.least_below(1, (0, self.leaves), (from, to)))
    }

    fn least_below(&self, node: usize, span: (usize, usize), of: (usize, usize)) -> i64 {
        if of.1 <= span.0 || span.1 <= of.0 {
            return i64::MAX;
        }
        if of.0 <= span.0 && span.1 <= of.1 {
            return self.least[node];
        }
        let middle = span.0.midpoint(span.1);
        let left = self.least_below(node * 2, (span.0, middle), of);
        let right = self.least_below(node * 2 + 1, (middle, span.1), of);
        left.min(right).saturating_add(self.added[node])
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

    use super::Least;

    #[test]
    fn agrees_with_a_plain_list() {
        let mut random = StdRng::seed_from_u64(7);
        for len in 1..40 {
            let mut plain: Vec<i64> = (0..len).map(|_| random.random_range(-9..9)).collect();
            let mut least = Least::of(&plain);
            for _ in 0..100 {
                let from = random.random_range(0..plain.len());
                let to = random.random_range(from..=plain.len());
                let more = random.random_range(-3..4);
                plain[from..to].iter_mut().for_each(|number| *number += more);
                least.add(from, to, more);
                let to = random.random_range(from..=plain.len());
                let expected = plain[from..to].iter().min().copied();
                assert_eq!(least.least(from, to), expected);
            }
        }
    }
}
