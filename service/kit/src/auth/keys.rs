//! The keys of a running service.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::http::{HeaderMap, header::AUTHORIZATION};
use time::OffsetDateTime;

use super::{Denied, KeyList, KeysError, Scope};
use crate::files::{Files, Unreadable, follow};

/// The keys that a service knows at the moment. Cloning is cheap and shares them.
#[derive(Clone, Debug)]
pub struct Keys {
    current: Arc<RwLock<Arc<KeyList>>>,
}

/// Why keys cannot be taken from a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysFileError {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// It is no text.
    #[error("it is not a text in UTF-8")]
    NotText,
    /// It is no list of keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
}

/// Who sent a request, as its key says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The key's name.
    pub name: Arc<str>,
    /// What the key allows.
    pub scope: Scope,
}

impl Caller {
    /// Checks that the caller may do what needs this scope.
    ///
    /// # Errors
    ///
    /// When the scope of its key does not include it.
    pub fn may(&self, needed: Scope) -> Result<(), Denied> {
        if self.scope.allows(needed) { Ok(()) } else { Err(Denied::Scope) }
    }
}

impl Keys {
    /// Begins with these keys.
    #[must_use]
    pub fn new(list: KeyList) -> Self {
        Self { current: Arc::new(RwLock::new(Arc::new(list))) }
    }

    /// Begins with the keys in a file. [`Keys::follow`] takes what is returned with them.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is no list of keys.
    pub fn load(path: PathBuf) -> Result<(Self, Files), KeysFileError> {
        let mut files = Files::new(vec![path]);
        // The first reading is always new.
        let contents = files.read()?.unwrap_or_default();
        Ok((Self::new(parse(&contents)?), files))
    }

    /// Takes over the keys of a file whenever they change. A file that is broken changes nothing, and
    /// is logged. Never ends; drop it when the service does.
    pub async fn follow(self, files: Files, every: Duration) {
        follow(files, every, "keys", |contents| {
            self.replace(parse(&contents)?);
            Ok::<(), KeysFileError>(())
        })
        .await;
    }

    /// From now on these keys are known, and no others.
    pub fn replace(&self, list: KeyList) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(list);
    }

    /// The keys as they are now.
    #[must_use]
    pub fn list(&self) -> Arc<KeyList> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Who sent a request with these headers.
    ///
    /// # Errors
    ///
    /// When the header is missing or unreadable, the key unknown, or its end has come.
    pub fn who(&self, headers: &HeaderMap) -> Result<Caller, Denied> {
        let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let key = header.and_then(bearer).ok_or(Denied::Missing)?;
        let list = self.list();
        let key = list.find(key, OffsetDateTime::now_utc())?;
        Ok(Caller { name: Arc::clone(key.name()), scope: key.scope() })
    }
}

fn parse(contents: &[Vec<u8>]) -> Result<KeyList, KeysFileError> {
    let text = String::from_utf8(contents.concat()).map_err(|_| KeysFileError::NotText)?;
    Ok(text.parse()?)
}

/// What follows the scheme, whose name may be in any case.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, key) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::KeyDigest;

    fn keys(names: &[(&str, &str)]) -> KeyList {
        let line =
            |(name, scope): &(&str, &str)| format!("{name}:{scope}:{},", KeyDigest::of(name));
        names.iter().map(line).collect::<String>().parse().unwrap()
    }

    fn asked(keys: &Keys, value: &str, needed: Scope) -> Result<(), Denied> {
        keys.who(&HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]))?.may(needed)
    }

    #[test]
    fn keys_open_their_scope_and_no_other() {
        use Scope::{Admin, Buyer, Metrics};
        let list = [("buy", "buyer"), ("buy-too", "buyer"), ("root", "admin"), ("see", "metrics")];
        let keys = Keys::new(keys(&list));
        for (key, allowed) in [
            ("buy", &[Buyer][..]),
            ("buy-too", &[Buyer]),
            ("root", &[Buyer, Admin, Metrics]),
            ("see", &[Metrics]),
        ] {
            for needed in [Buyer, Admin, Metrics] {
                let expected = if allowed.contains(&needed) { Ok(()) } else { Err(Denied::Scope) };
                assert_eq!(asked(&keys, &format!("Bearer {key}"), needed), expected, "{key}");
            }
        }
        assert_eq!(asked(&keys, "bearer buy", Buyer), Ok(()));
        assert_eq!(asked(&keys, "Bearer other", Buyer), Err(Denied::Unknown));
        assert_eq!(asked(&keys, "Basic buy", Buyer), Err(Denied::Missing));
        assert_eq!(keys.who(&HeaderMap::new()), Err(Denied::Missing));
    }

    #[tokio::test]
    async fn a_file_brings_new_keys_and_a_broken_one_keeps_the_old() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let line = |name: &str| format!("{name}:admin:{}\n", KeyDigest::of(name));
        assert!(matches!(Keys::load(path.clone()), Err(KeysFileError::Unreadable(_))));
        std::fs::write(&path, line("one")).unwrap();
        let (keys, files) = Keys::load(path.clone()).unwrap();
        let following = tokio::spawn(keys.clone().follow(files, Duration::from_millis(1)));
        for (text, known) in
            [("two", "one"), (&line("two"), "two"), ("\0", "two"), (&line("one"), "one")]
        {
            std::fs::write(folder.path().join("new"), text).unwrap();
            std::fs::rename(folder.path().join("new"), &path).unwrap();
            let limit = std::time::Instant::now() + Duration::from_secs(30);
            let is_known = || asked(&keys, &format!("Bearer {known}"), Scope::Admin) == Ok(());
            while !is_known() && std::time::Instant::now() < limit {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert!(is_known(), "{known}");
        }
        following.abort();
    }

    #[test]
    fn replaced_keys_are_no_longer_known() {
        let shared = Keys::new(keys(&[("root", "admin")]));
        let other = shared.clone();
        shared.replace(keys(&[("root-2", "admin")]));
        assert_eq!(asked(&other, "Bearer root", Scope::Admin), Err(Denied::Unknown));
        assert_eq!(asked(&other, "Bearer root-2", Scope::Admin), Ok(()));
    }
}
