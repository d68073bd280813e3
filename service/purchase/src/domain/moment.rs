//! A point in time. Which clock it is read from, the caller decides: here it is only compared.

use std::fmt;

use serde::{Serialize, Serializer};
use time::{OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

use super::Invalid;

/// Latest point in time that is accepted: the end of the year 9999, after which RFC 3339 ends.
const LATEST: i64 = 253_402_300_799_999;

/// Milliseconds since 1970, in UTC. Shown and read as RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Moment(i64);

impl Moment {
    /// So many milliseconds after 1970; earlier ones and those after the year 9999 become the
    /// nearest that can be shown.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        match millis {
            ..0 => Self(0),
            millis if millis > LATEST => Self(LATEST),
            millis => Self(millis),
        }
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This much later.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// Reads what a request gives for `field`.
    ///
    /// # Errors
    ///
    /// When it is not a date and time of RFC 3339 in the years 1970 to 9999.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, Invalid> {
        let invalid =
            || Invalid::new(field, "must be a date and time with zone, as in 2030-01-31T20:00:00Z");
        let read = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| invalid())?;
        // Down, also before 1970: less than a millisecond before it is still before it.
        let millis = read.unix_timestamp_nanos().div_euclid(1_000_000);
        let millis = i64::try_from(millis).map_err(|_| invalid())?;
        if !(0..=LATEST).contains(&millis) {
            return Err(invalid());
        }
        Ok(Self(millis))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        );
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000);
        let text = at.ok().and_then(|at| at.format(&shape).ok());
        // Cannot fail between 1970 and 9999, which is all there is.
        f.write_str(&text.unwrap_or_default())
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_reads_back() {
        for millis in [0, 1, 999, 1_795_000_000_123, LATEST] {
            let moment = Moment::from_millis(millis);
            assert_eq!(Moment::parse("opens_at", &moment.to_string()), Ok(moment));
        }
        assert_eq!(Moment::from_millis(86_400_000).to_string(), "1970-01-02T00:00:00.000Z");
        let east = Moment::parse("opens_at", "1970-01-02T02:00:00+02:00").unwrap();
        assert_eq!(east, Moment::from_millis(86_400_000));
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        for text in [
            "",
            "tomorrow",
            "2030-01-31",
            "2030-01-31T20:00:00",
            "1969-12-31T23:59:59Z",
            "1969-12-31T23:59:59.9999Z",
        ] {
            assert_eq!(Moment::parse("closes_at", text).unwrap_err().field, "closes_at", "{text}");
        }
        assert_eq!(Moment::from_millis(i64::MAX).plus_millis(i64::MAX).as_millis(), LATEST);
        assert_eq!(Moment::from_millis(i64::MIN).as_millis(), 0);
    }
}
