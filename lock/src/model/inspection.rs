//! What the nodes together have of one resource.

use std::{cmp::Reverse, time::Duration};

use super::{
    FencingToken, GrantNumber, HolderId,
    vote::{Ballot, Vote, quorum},
};

/// What one node has of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Seen {
    /// Nobody has it there.
    Free,
    /// A holder of this crate has it: the node's fence is bound to it.
    Ours {
        /// Who has it.
        holder: HolderId,
        /// The number of the grant on this node.
        number: GrantNumber,
        /// How long the node keeps it unless it is renewed; `None` if somebody took its expiry away.
        ttl_left: Option<Duration>,
    },
    /// Somebody else has it: another library, or a key of any kind with that name.
    Foreign {
        /// How long the node keeps it; `None` for a key without expiry.
        ttl_left: Option<Duration>,
    },
}

/// Who has a resource, as a quorum of nodes says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It is free on a quorum of nodes: nobody has the lease.
    Free,
    /// A holder of this crate has it on a quorum of nodes.
    Ours {
        /// Who has it. Whoever knows this value can release the lease.
        holder: HolderId,
        /// The token of the grant's first turn, if a quorum agrees on its number. Nodes do not know
        /// turns: who has the lease in a later one has a larger token.
        token: Option<FencingToken>,
        /// For how long a quorum keeps it unless it is renewed: the shortest time left among the
        /// nodes of the quorum that keeps it longest. `None` if its end is not set.
        ttl_left: Option<Duration>,
    },
    /// Others than holders of this crate have it on a quorum of nodes. They have no token.
    Foreign {
        /// For how long a quorum keeps it, as for [`Hold::Ours`]; `None` without expiry.
        ttl_left: Option<Duration>,
    },
    /// Too few nodes answered, or no quorum agrees, as while a lease changes hands.
    Unknown,
}

impl Hold {
    /// Who has it, from what each node has; `None` stands for a node that did not say.
    #[must_use]
    pub fn of(seen: &[Option<Seen>]) -> Self {
        let quorum = quorum(seen.len());
        let answers = || seen.iter().flatten().copied();
        if answers().filter(|seen| *seen == Seen::Free).count() >= quorum {
            return Self::Free;
        }
        let foreign = answers().filter_map(|seen| match seen {
            Seen::Foreign { ttl_left } => Some(ttl_left),
            Seen::Free | Seen::Ours { .. } => None,
        });
        if let Some(ttl_left) = kept_by(quorum, foreign) {
            return Self::Foreign { ttl_left };
        }
        let Some(holder) = most_named(seen) else { return Self::Unknown };
        let ours = answers().filter_map(|seen| match seen {
            Seen::Ours { holder: other, number, ttl_left } if other == holder => {
                Some((number, ttl_left))
            }
            Seen::Ours { .. } | Seen::Free | Seen::Foreign { .. } => None,
        });
        let Some(ttl_left) = kept_by(quorum, ours.clone().map(|(_, ttl_left)| ttl_left)) else {
            return Self::Unknown;
        };
        let numbers = || ours.clone().map(|(number, _)| number);
        let agreed =
            |number: &GrantNumber| numbers().filter(|other| other == number).count() >= quorum;
        let token = numbers().find(agreed).map(FencingToken::of_grant);
        Self::Ours { holder, token, ttl_left }
    }
}

/// The holder of this crate that most nodes name; `None` when none names one.
#[must_use]
pub fn most_named(seen: &[Option<Seen>]) -> Option<HolderId> {
    let named = seen.iter().flatten().filter_map(|seen| match seen {
        Seen::Ours { holder, .. } => Some(*holder),
        Seen::Free | Seen::Foreign { .. } => None,
    });
    let named: Vec<HolderId> = named.collect();
    let votes = |holder: &HolderId| named.iter().filter(|other| *other == holder).count();
    named.iter().copied().max_by_key(votes)
}

/// On which nodes nobody has it once the holders of this crate have given it back: yes where it is free
/// or ours, no where somebody else has it.
#[must_use]
pub fn evictable(seen: &[Option<Seen>]) -> Ballot {
    let votes = seen.iter().map(|seen| match seen {
        Some(Seen::Free | Seen::Ours { .. }) => Vote::Yes,
        Some(Seen::Foreign { .. }) => Vote::No,
        None => Vote::Unknown,
    });
    Ballot::of(votes.collect())
}

/// For how long so many of these still last; `None` if they are fewer.
fn kept_by(
    quorum: usize,
    ends: impl Iterator<Item = Option<Duration>>,
) -> Option<Option<Duration>> {
    let mut ends: Vec<Option<Duration>> = ends.collect();
    ends.sort_by_key(|ttl_left| Reverse(ttl_left.unwrap_or(Duration::MAX)));
    ends.get(quorum - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Verdict;

    const fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    fn ours(holder: u128, number: u64, ttl_left: Option<Duration>) -> Option<Seen> {
        let number = GrantNumber::new(number).unwrap();
        Some(Seen::Ours { holder: HolderId::from_random(holder), number, ttl_left })
    }

    fn foreign(ttl_left: Option<Duration>) -> Option<Seen> {
        Some(Seen::Foreign { ttl_left })
    }

    fn answers() -> [Option<Seen>; 9] {
        [
            None,
            Some(Seen::Free),
            foreign(None),
            foreign(seconds(1)),
            ours(1, 7, seconds(1)),
            ours(1, 7, seconds(2)),
            ours(1, 8, seconds(2)),
            ours(1, 7, None),
            ours(2, 7, seconds(3)),
        ]
    }

    fn for_every(nodes: usize, check: impl Fn(&[Option<Seen>])) {
        let answers = answers();
        for case in 0..answers.len().pow(u32::try_from(nodes).unwrap()) {
            let digit = |node: usize| {
                case / answers.len().pow(u32::try_from(node).unwrap()) % answers.len()
            };
            check(&(0..nodes).map(|node| answers[digit(node)]).collect::<Vec<_>>());
        }
    }

    /// Whether these nodes would each say so, and how long the first of them to forget it keeps it.
    fn is_said_by(nodes: &[Seen], hold: Hold) -> bool {
        let until = nodes.iter().filter_map(|seen| match seen {
            Seen::Free => None,
            Seen::Foreign { ttl_left } | Seen::Ours { ttl_left, .. } => *ttl_left,
        });
        let until = until.min();
        nodes.iter().all(|seen| match (seen, hold) {
            (Seen::Free, Hold::Free) => true,
            (Seen::Foreign { .. }, Hold::Foreign { ttl_left }) => ttl_left == until,
            (Seen::Ours { holder, .. }, Hold::Ours { holder: agreed, ttl_left, .. }) => {
                *holder == agreed && ttl_left == until
            }
            _ => false,
        })
    }

    fn quorums(seen: &[Option<Seen>]) -> Vec<Vec<Seen>> {
        let sets = (0_u32..1 << seen.len())
            .map(|set| (0..seen.len()).filter(move |node| set >> node & 1 == 1));
        let sets = sets.map(|nodes| nodes.map(|node| seen[node]).collect::<Option<Vec<_>>>());
        sets.flatten().filter(|set| set.len() == quorum(seen.len())).collect()
    }

    #[test]
    fn whatever_is_said_a_quorum_says_and_nothing_is_said_only_if_none_agrees() {
        for nodes in [1, 3] {
            for_every(nodes, |seen| {
                let (hold, quorums) = (Hold::of(seen), quorums(seen));
                let agrees = |set: &[Seen]| {
                    set.iter().all(|seen| match (set[0], seen) {
                        (Seen::Ours { holder: one, .. }, Seen::Ours { holder: other, .. }) => {
                            one == *other
                        }
                        (one, other) => {
                            std::mem::discriminant(&one) == std::mem::discriminant(other)
                        }
                    })
                };
                if hold == Hold::Unknown {
                    assert!(!quorums.iter().any(|set| agrees(set)), "{seen:?}");
                } else {
                    assert!(
                        quorums.iter().any(|set| is_said_by(set, hold)),
                        "{hold:?} of {seen:?}"
                    );
                }
            });
        }
    }

    #[test]
    fn a_token_is_what_a_quorum_has_bound_to_that_holder() {
        for nodes in [1, 3] {
            for_every(nodes, |seen| {
                let Hold::Ours { holder, token, .. } = Hold::of(seen) else { return };
                let bound = |wanted: u64| {
                    let is_wanted = |seen: &&Seen| {
                        matches!(seen, Seen::Ours { holder: other, number, .. }
                        if *other == holder && number.get() == wanted)
                    };
                    seen.iter().flatten().filter(is_wanted).count() >= quorum(nodes)
                };
                let expected = [7, 8].into_iter().find(|number| bound(*number));
                assert_eq!(token.map(|token| token.number().get()), expected, "{seen:?}");
            });
        }
    }

    #[test]
    fn what_others_have_on_a_quorum_is_never_evictable_and_what_is_ours_or_free_is() {
        for nodes in [1, 3] {
            for_every(nodes, |seen| {
                let verdict = evictable(seen).verdict();
                match Hold::of(seen) {
                    Hold::Free | Hold::Ours { .. } => assert_eq!(verdict, Verdict::Yes, "{seen:?}"),
                    Hold::Foreign { .. } => assert_eq!(verdict, Verdict::No, "{seen:?}"),
                    Hold::Unknown => assert_ne!(verdict, Verdict::No, "{seen:?}"),
                }
            });
        }
    }

    #[test]
    fn the_order_of_the_nodes_does_not_matter() {
        for_every(3, |seen| {
            let turned = [seen[1], seen[2], seen[0]];
            assert_eq!(Hold::of(seen), Hold::of(&turned), "{seen:?}");
        });
    }

    #[test]
    fn the_time_left_is_that_of_the_quorum_that_keeps_it_longest() {
        let seen = [ours(1, 7, seconds(1)), ours(1, 7, seconds(9)), ours(1, 7, seconds(5))];
        let Hold::Ours { ttl_left, .. } = Hold::of(&seen) else { panic!("{:?}", Hold::of(&seen)) };
        assert_eq!(ttl_left, seconds(5));
    }

    #[test]
    fn the_holder_that_most_nodes_name_is_found_without_a_quorum() {
        let seen = [ours(1, 7, None), None, ours(2, 7, None), ours(2, 8, None), None, None];
        assert_eq!(most_named(&seen), Some(HolderId::from_random(2)));
        assert_eq!(most_named(&[None, Some(Seen::Free), foreign(None)]), None);
    }
}
