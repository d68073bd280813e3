//! A part of a state that most steps leave alone: copied when it changes, hashed once.

use std::{
    collections::hash_map::DefaultHasher,
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
    sync::Arc,
};

/// A value that many states share.
#[derive(Clone)]
pub struct Shared<T> {
    value: Arc<T>,
    /// `None` since it was changed and until it is sealed.
    digest: Option<u64>,
}

impl<T: Clone + Hash> Shared<T> {
    /// A value that nobody shares yet.
    #[must_use]
    pub fn new(value: T) -> Self {
        let digest = Some(digest(&value));
        Self { value: Arc::new(value), digest }
    }

    /// The value, to be changed; [`Shared::seal`] it afterwards.
    pub fn change(&mut self) -> &mut T {
        self.digest = None;
        Arc::make_mut(&mut self.value)
    }

    /// Hashes it if it was changed.
    pub fn seal(&mut self) {
        if self.digest.is_none() {
            self.digest = Some(digest(&*self.value));
        }
    }
}

fn digest<T: Hash>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.expect("hashed after it was sealed").hash(state);
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Shared<T> {}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}
