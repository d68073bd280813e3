//! What the buyers of one round were told, and how long it took.

use std::time::{Duration, Instant};

use super::wire::Told;

/// So long is one step where answers are counted over time.
pub(crate) const STEP: Duration = Duration::from_millis(100);

/// Answers of one kind that are final.
#[derive(Clone, Debug, Default)]
pub(crate) struct Final {
    /// All of them, also those before and after what is measured.
    pub(crate) all: u64,
    /// Those that came while it was measured.
    pub(crate) in_time: u64,
    /// Those by the step in which they came.
    pub(crate) steps: Vec<u64>,
    /// How long each took. Those who asked in time but were told later are among them: they waited longest.
    pub(crate) times: Vec<Duration>,
}

/// Answers by what was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    pub(crate) granted: Final,
    pub(crate) refused: Final,
    pub(crate) turned_away: u64,
    pub(crate) unknown: u64,
    /// Those who came while too many were under way, and did not even ask.
    pub(crate) not_sent: u64,
}

/// From when to when it is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) begin: Instant,
    pub(crate) end: Instant,
}

impl Window {
    /// So long, after a tenth of that for caches to get warm.
    pub(crate) fn of(length: Duration) -> Self {
        let begin = Instant::now() + length / 10;
        Self { begin, end: begin + length }
    }
}

impl Answers {
    /// Adds one who asked, or was to ask, at `due`, and was told at `at`.
    pub(crate) fn add(&mut self, told: Told, due: Instant, at: Instant, window: Window) {
        let of = match told {
            Told::Granted => &mut self.granted,
            Told::Refused => &mut self.refused,
            Told::TurnedAway => return self.turned_away += 1,
            Told::Unknown => return self.unknown += 1,
        };
        of.all += 1;
        if at >= window.begin && at < window.end {
            of.in_time += 1;
            let step = at.saturating_duration_since(window.begin).as_micros() / STEP.as_micros();
            join_steps(&mut of.steps, usize::try_from(step).unwrap_or_default(), 1);
        }
        if due >= window.begin && due < window.end {
            of.times.push(at.saturating_duration_since(due));
        }
    }

    pub(crate) fn join(&mut self, other: Self) {
        for (mine, theirs) in
            [(&mut self.granted, other.granted), (&mut self.refused, other.refused)]
        {
            mine.all += theirs.all;
            mine.in_time += theirs.in_time;
            mine.times.extend(theirs.times);
            for (step, count) in theirs.steps.into_iter().enumerate() {
                join_steps(&mut mine.steps, step, count);
            }
        }
        self.turned_away += other.turned_away;
        self.unknown += other.unknown;
        self.not_sent += other.not_sent;
    }
}

fn join_steps(steps: &mut Vec<u64>, step: usize, more: u64) {
    if steps.len() <= step {
        steps.resize(step + 1, 0);
    }
    steps[step] += more;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_the_step_in_which_they_came() {
        let begin = Instant::now();
        let window = Window { begin, end: begin + 3 * STEP };
        let mut all = Answers::default();
        for steps in [0, 1, 1, 3] {
            let mut one = Answers::default();
            one.add(Told::Granted, begin, begin + STEP * steps, window);
            all.join(one);
        }
        assert_eq!((all.granted.steps, all.granted.in_time), (vec![1, 2], 3));
    }

    #[test]
    fn who_asked_in_time_and_was_told_later_waited_but_was_not_answered_in_time() {
        let now = Instant::now();
        let ago = |ms| now.checked_sub(Duration::from_millis(ms)).unwrap();
        let window = Window { begin: ago(100), end: ago(50) };
        let mut answers = Answers::default();
        answers.add(Told::Granted, ago(200), now, window);
        answers.add(Told::Granted, ago(75), now, window);
        answers.add(Told::TurnedAway, ago(75), now, window);
        let granted = &answers.granted;
        assert_eq!((granted.all, granted.in_time, granted.times.len()), (2, 0, 1));
        assert!(granted.times[0] >= Duration::from_millis(75));
        assert_eq!((answers.refused.all, answers.turned_away), (0, 1));
    }
}
