//! Which replica leads which partition: pure.

use crate::queue::Partition;

/// Whether a replica is the one that should lead a partition, by the replicas that live.
///
/// Partitions are dealt out in turn, so replicas differ by one at most. Those who see different replicas
/// may both think so, or neither: that costs time and nothing else, since only one has the lease, and
/// whoever finds work that nobody leads does it.
pub(super) fn is_mine(partition: Partition, replica: &str, living: &[String]) -> bool {
    let mut names: Vec<&str> = living.iter().map(String::as_str).collect();
    names.push(replica);
    names.sort_unstable();
    names.dedup();
    names[partition.number() % names.len()] == replica
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(replica: &str, living: &[&str]) -> Vec<usize> {
        let living: Vec<String> = living.iter().map(|&name| name.to_owned()).collect();
        let mine = Partition::all().filter(|&partition| is_mine(partition, replica, &living));
        mine.map(Partition::number).collect()
    }

    #[test]
    fn every_partition_is_dealt_to_one_of_those_that_live() {
        for living in [&["a"][..], &["b", "a"], &["c", "a", "b"], &["e", "d", "c", "b", "a"]] {
            let mut all: Vec<usize> = living.iter().flat_map(|name| led(name, living)).collect();
            all.sort_unstable();
            assert_eq!(all, Partition::all().map(Partition::number).collect::<Vec<_>>());
            let counts = living.iter().map(|name| led(name, living).len());
            assert!(counts.clone().max().unwrap() - counts.min().unwrap() <= 1, "{living:?}");
        }
    }

    #[test]
    fn who_is_not_seen_by_others_still_counts_itself() {
        assert_eq!(led("b", &["a"]), led("b", &["a", "b"]));
        assert_eq!(led("a", &[]).len(), Partition::all().count());
    }
}
