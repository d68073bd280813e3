//! What real time allows: every event has its place in the log, and whoever ended before another began
//! stands before it.
//!
//! The log is the witness. A checker that knows no order has to search for one among all of them; with
//! one given, only pairs are left to look at, and of those only the one that ended first.

use std::time::Duration;

use super::case::SaleCase;
use crate::history::Operation;

/// How far the database's clock may have been moved back, and how coarse its times are. In milliseconds.
const CLOCK_SLACK: i64 = 100;

/// How many parts of a thousand another clock's second may be shorter or longer than ours.
const DRIFT: i64 = 1;

/// An operation that has a place in the log's order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark<'a> {
    pub(super) place: Place,
    /// Since when it can have been there.
    pub(super) start: Duration,
    /// By when it was there; `None` when nobody knows.
    pub(super) end: Option<Duration>,
    /// The time of its event, on the database's clock.
    pub(super) at: Option<i64>,
    /// The first request of it.
    pub(super) asked: &'a Operation,
}

/// A place in the log's order: events on the even ones, and between them who saw what they left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(usize);

impl Place {
    /// The event that made this version.
    pub(super) const fn event(version: usize) -> Self {
        Self(version.saturating_mul(2))
    }

    /// Whoever saw this version.
    pub(super) const fn look(version: usize) -> Self {
        Self(version.saturating_mul(2).saturating_add(1))
    }

    /// The version that is there from here on.
    const fn version(self) -> usize {
        self.0 / 2
    }

    /// The last version that is there before, or here.
    const fn version_before(self) -> usize {
        self.0.saturating_sub(1) / 2
    }
}

impl<'a> SaleCase<'a> {
    /// Every operation whose place is known.
    pub(super) fn marks(&self) -> Vec<Mark<'a>> {
        let done = self.keys.values().filter_map(|key| {
            let step = key.step?;
            Some(Mark {
                place: Place::event(step + 1),
                start: key.since()?,
                end: key.until(),
                at: self.course.steps.get(step).map(|step| step.at),
                asked: key.asked(),
            })
        });
        let saw = self.looks.iter().filter_map(|(look, seen)| {
            let version = usize::try_from(seen.as_ref()?.version).ok()?;
            Some(Mark {
                place: Place::look(version),
                start: look.start,
                end: Some(look.end),
                at: None,
                asked: look,
            })
        });
        done.chain(saw).collect()
    }
}

/// Pairs of which the first ended before the second began, and stands behind it all the same: of each
/// second one, the first that ended first.
pub(super) fn inversions<'m, 'a>(marks: &'m [Mark<'a>]) -> Vec<(&'m Mark<'a>, &'m Mark<'a>)> {
    let mut marks: Vec<&Mark<'a>> = marks.iter().collect();
    marks.sort_by_key(|mark| std::cmp::Reverse(mark.place));
    let mut found = Vec::new();
    // Of those that stand behind, the one that ended first.
    let mut first: Option<(Duration, &Mark<'a>)> = None;
    for same_place in marks.chunk_by(|one, other| one.place == other.place) {
        for mark in same_place {
            if let Some((_, ended)) = first.filter(|(end, _)| *end < mark.start) {
                found.push((ended, *mark));
            }
        }
        for mark in same_place {
            if let Some(end) = mark.end.filter(|end| first.is_none_or(|(first, _)| *end < first)) {
                first = Some((end, mark));
            }
        }
    }
    found
}

/// What a sale's marks say of any moment.
#[derive(Debug)]
pub(super) struct RealTime {
    /// By their end: the latest place so far.
    ended: Vec<(Duration, Place)>,
    /// By their start: the earliest place from here on.
    began: Vec<(Duration, Place)>,
    /// By their end: how far the database's clock is ahead at least, in thousandths of a millisecond.
    ahead: Vec<(Duration, i64)>,
}

impl RealTime {
    pub(super) fn of(marks: &[Mark<'_>]) -> Self {
        let mut ended: Vec<_> =
            marks.iter().filter_map(|mark| Some((mark.end?, mark.place))).collect();
        ended.sort();
        running(&mut ended, std::cmp::max);
        let mut began: Vec<_> = marks.iter().map(|mark| (mark.start, mark.place)).collect();
        began.sort_by_key(|(start, place)| std::cmp::Reverse((*start, *place)));
        running(&mut began, std::cmp::min);
        began.reverse();
        let mut ahead: Vec<_> = marks.iter().filter_map(Self::ahead_at).collect();
        ahead.sort();
        running(&mut ahead, std::cmp::max);
        Self { ended, began, ahead }
    }

    /// When it ended, that clock showed its event's time, or more.
    fn ahead_at(mark: &Mark<'_>) -> Option<(Duration, i64)> {
        let (end, at) = (mark.end?, mark.at?);
        Some((end, at.saturating_mul(1000).saturating_sub(slowly(end))))
    }

    /// The versions, first and last, that somebody may have met who began and ended at these times.
    /// `None` for the last: the newest.
    pub(super) fn versions(&self, start: Duration, end: Duration) -> (usize, Option<usize>) {
        let before = self.ended.partition_point(|(ended, _)| *ended < start);
        let first = before.checked_sub(1).map_or(1, |last| self.ended[last].1.version());
        let after = self.began.partition_point(|(began, _)| *began <= end);
        (first.max(1), self.began.get(after).map(|(_, place)| place.version_before()))
    }

    /// What the database's clock showed at this moment at least, in milliseconds.
    pub(super) fn database_time(&self, start: Duration) -> Option<i64> {
        let before = self.ahead.partition_point(|(ended, _)| *ended < start);
        let ahead = self.ahead[before.checked_sub(1)?].1;
        Some(ahead.saturating_add(slowly(start)) / 1000 - CLOCK_SLACK)
    }
}

/// Thousandths of a millisecond of a clock that is as slow as can be.
fn slowly(since: Duration) -> i64 {
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX).saturating_mul(1000 - DRIFT)
}

/// Replaces each value by what it comes to together with those before it.
fn running<T: Copy>(list: &mut [(Duration, T)], pick: fn(T, T) -> T) {
    for at in 1..list.len() {
        list[at].1 = pick(list[at - 1].1, list[at].1);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sound::sound, *};

    const MS: Duration = Duration::from_millis(1);

    fn mark(asked: &Operation, place: Place, start: u32, end: Option<u32>) -> Mark<'_> {
        let (start, end) = (start * MS, end.map(|end| end * MS));
        Mark { place, start, end, at: None, asked }
    }

    #[test]
    fn who_ended_before_stands_before() {
        let operation = sound().history.operations.remove(0);
        let mark = |place, start, end| mark(&operation, place, start, end);
        let [second, third] = [Place::event(2), Place::event(3)];
        let count = |marks: &[Mark<'_>]| inversions(marks).len();
        assert_eq!(count(&[mark(second, 0, Some(1)), mark(third, 2, Some(3))]), 0);
        assert_eq!(count(&[mark(third, 0, Some(1)), mark(second, 2, Some(3))]), 1);
        assert_eq!(count(&[mark(third, 0, Some(2)), mark(second, 2, Some(3))]), 0, "at once");
        assert_eq!(count(&[mark(third, 0, None), mark(second, 2, Some(3))]), 0, "never ended");
        let saw_second = Place::look(2);
        assert_eq!(count(&[mark(saw_second, 0, Some(1)), mark(saw_second, 2, Some(3))]), 0);
        assert_eq!(count(&[mark(saw_second, 0, Some(1)), mark(second, 2, None)]), 1);
        assert_eq!(count(&[mark(third, 0, Some(1)), mark(saw_second, 2, Some(3))]), 1);
    }

    #[test]
    fn what_somebody_may_have_met_lies_between_what_was_there_and_what_was_not() {
        let operation = sound().history.operations.remove(0);
        let mark = |version, start, end| mark(&operation, Place::event(version), start, end);
        let marks = [mark(2, 0, Some(10)), mark(3, 5, Some(20)), mark(4, 30, None)];
        let time = RealTime::of(&marks);
        assert_eq!(time.versions(Duration::ZERO, MS), (1, Some(2)));
        assert_eq!(time.versions(11 * MS, 12 * MS), (2, Some(3)));
        assert_eq!(time.versions(21 * MS, 29 * MS), (3, Some(3)));
        assert_eq!(time.versions(21 * MS, 30 * MS), (3, None));
    }
}
