//! How often one key may ask.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};

/// A limit on the requests of each key at this replica. Cloning is cheap and shares what was counted.
///
/// Keys are told apart by their names, of which a list has at most
/// [`KEYS_MAX`](crate::auth::KEYS_MAX).
#[derive(Clone, Debug)]
pub struct Rates {
    buckets: Option<Arc<DefaultKeyedRateLimiter<Arc<str>>>>,
}

/// A key has asked too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooOften {
    /// When its next request is let in.
    pub after: Duration,
}

impl Rates {
    /// Lets so many requests a second of each key in, and as many at once after a second of silence.
    /// Zero sets no limit.
    #[must_use]
    pub fn per_second(requests: u32) -> Self {
        let quota = NonZeroU32::new(requests).map(Quota::per_second);
        Self { buckets: quota.map(|quota| Arc::new(RateLimiter::keyed(quota))) }
    }

    /// Counts a request of the key with this name.
    ///
    /// # Errors
    ///
    /// When it is one too many. It is not counted then.
    pub fn count(&self, name: &Arc<str>) -> Result<(), TooOften> {
        let Some(buckets) = &self.buckets else { return Ok(()) };
        buckets.check_key(name).map_err(|refused| TooOften {
            after: refused.wait_time_from(DefaultClock::default().now()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_limit() {
        let rates = Rates::per_second(2);
        let [web, app]: [Arc<str>; 2] = ["web".into(), "app".into()];
        assert_eq!([rates.count(&web), rates.count(&web)], [Ok(()), Ok(())]);
        // The first that follows within half a second of them; a slow machine may miss some.
        let refused = (0..100_000).find_map(|_| rates.count(&web).err()).unwrap();
        assert!(refused.after <= Duration::from_millis(500), "{refused:?}");
        assert_eq!(rates.clone().count(&app), Ok(()));
        std::thread::sleep(refused.after);
        assert_eq!(rates.count(&web), Ok(()));
    }

    #[test]
    fn zero_is_no_limit() {
        let (rates, name) = (Rates::per_second(0), "web".into());
        assert!((0..100_000).all(|_| rates.count(&name).is_ok()));
    }
}
