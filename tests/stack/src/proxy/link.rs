//! What a network does to bytes, and what follows for those at hand.

use std::time::Duration;

/// How many times a second a slow link lets something through.
const PIECES_PER_SECOND: u32 = 50;

/// What the network does between a client and its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// It carries everything at once.
    #[default]
    Open,
    /// Connections are reset, with what was held in them, and new ones as soon as they are made.
    Cut,
    /// Half-open: connections stay, new ones are made, and nothing passes. What is sent meanwhile is held and
    /// delivered when the link opens: late, and also if its sender has given up and gone.
    Silent,
    /// Requests pass, replies are held: what was asked for happens, and nobody hears of it.
    NoReplies,
    /// Replies pass, requests are held.
    NoRequests,
    /// What is read at once waits for a random time between these two, both ways. The order within a
    /// connection stays, so connections overtake each other.
    Delayed {
        /// The shortest delay.
        from: Duration,
        /// The longest one.
        to: Duration,
    },
    /// So many bytes a second pass, in each connection and each way.
    Slow {
        /// At least one.
        bytes_per_second: u32,
    },
    /// All that the client sends is sent once more, on a second connection whose replies nobody reads.
    ///
    /// The second one begins with what is sent under this link, without the greeting of a connection that was
    /// open before: a server that wants one refuses the rest.
    Twice {
        /// How much later.
        after: Duration,
    },
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Requests,
    Replies,
}

/// What becomes of bytes whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// They wait for another link.
    Held,
    /// After this time so many of them pass.
    After(Duration, usize),
}

impl Link {
    /// What is sent later may arrive earlier, within this time. It takes several connections: within one, TCP keeps
    /// the order whatever becomes of the packets, and so do we.
    #[must_use]
    pub const fn reordered(within: Duration) -> Self {
        Self::Delayed { from: Duration::ZERO, to: within }
    }

    /// How long what was just read waits.
    pub(super) fn delay(self) -> Duration {
        match self {
            Self::Delayed { from, to } => rand::random_range(from..=to.max(from)),
            _ => Duration::ZERO,
        }
    }

    /// What becomes of `bytes` that are due in this time if the link delays.
    pub(super) fn turn(self, way: Way, due_in: Duration, bytes: usize) -> Turn {
        match (self, way) {
            (Self::Cut | Self::Silent, _)
            | (Self::NoReplies, Way::Replies)
            | (Self::NoRequests, Way::Requests) => Turn::Held,
            (Self::Delayed { .. }, _) => Turn::After(due_in, bytes),
            (Self::Slow { bytes_per_second }, _) => {
                let speed = bytes_per_second.max(1);
                let piece = u32::try_from(bytes).unwrap_or(u32::MAX);
                let piece = piece.min((speed / PIECES_PER_SECOND).max(1));
                Turn::After(Duration::from_secs(1) * piece / speed, piece as usize)
            }
            _ => Turn::After(Duration::ZERO, bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(70);

    #[test]
    fn what_a_link_holds_it_holds_one_way_or_both() {
        for (link, requests, replies) in [
            (Link::Open, false, false),
            (Link::Cut, true, true),
            (Link::Silent, true, true),
            (Link::NoReplies, false, true),
            (Link::NoRequests, true, false),
            (Link::Twice { after: SOON }, false, false),
        ] {
            for (way, is_held) in [(Way::Requests, requests), (Way::Replies, replies)] {
                let wanted = if is_held { Turn::Held } else { Turn::After(Duration::ZERO, 9) };
                assert_eq!(link.turn(way, SOON, 9), wanted, "{link:?}, {way:?}");
            }
        }
    }

    #[test]
    fn only_a_link_that_delays_waits_for_the_time_that_is_due() {
        let link = Link::Delayed { from: SOON, to: 2 * SOON };
        assert_eq!(link.turn(Way::Replies, SOON, 9), Turn::After(SOON, 9));
        for _ in 0..100 {
            assert!((SOON..=2 * SOON).contains(&link.delay()));
        }
        // A range the wrong way round is its lower end.
        assert_eq!(Link::Delayed { from: SOON, to: Duration::ZERO }.delay(), SOON);
        assert_eq!(Link::Open.delay(), Duration::ZERO);
    }

    #[test]
    fn a_slow_link_lets_through_what_it_says_in_a_second() {
        for bytes_per_second in [0, 1, 49, 50, 1000, u32::MAX] {
            let link = Link::Slow { bytes_per_second };
            let Turn::After(pause, bytes) = link.turn(Way::Requests, SOON, usize::MAX) else {
                unreachable!("{link:?} holds");
            };
            let speed = f64::from(u32::try_from(bytes).unwrap()) / pause.as_secs_f64();
            let wanted = f64::from(bytes_per_second.max(1));
            assert!((speed / wanted - 1.0).abs() < 0.01, "{link:?}: {speed} bytes a second");
        }
        let link = Link::Slow { bytes_per_second: 1000 };
        assert_eq!(link.turn(Way::Requests, SOON, 5), Turn::After(Duration::from_millis(5), 5));
    }
}
