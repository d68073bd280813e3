//! The list of keys, as text.

use std::{collections::HashMap, fmt, str::FromStr, sync::Arc};

use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use super::{ANONYMOUS, Denied, KEYS_MAX, KeyDigest, NotADigest, NotAScope, Scope};

/// Longest name of a key, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// What stands before each prefix in a key's line.
const PREFIX: &str = ":prefix=";

/// Most prefixes of one key.
const PREFIXES_MAX: usize = 16;

/// A key that a service knows. Its text is the key's line in a list: `name:scope:digest`, then
/// `:prefix=text` for each prefix if a holder's is for some resources only, and `:until=time` if it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    name: Arc<str>,
    scope: Scope,
    digest: KeyDigest,
    /// What names of resources begin with; empty if every name will do.
    prefixes: Arc<[Box<str>]>,
    until: Option<OffsetDateTime>,
}

/// What is wrong with one key. Without any of its text, which may be a digest in the wrong place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFault {
    /// There are too few parts.
    #[error("a key is written name:scope:digest, then :prefix=… and :until=… if it has them")]
    Parts,
    /// The name cannot be one.
    #[error("a name has 1 to {NAME_BYTES_MAX} characters of a-z, 0-9, '.', '_' and '-'")]
    Name,
    /// The name stands for something else.
    #[error("the name {ANONYMOUS} is kept for requests without a key")]
    Reserved,
    /// The scope is not known.
    #[error(transparent)]
    Scope(#[from] NotAScope),
    /// The digest cannot be one.
    #[error(transparent)]
    Digest(#[from] NotADigest),
    /// The prefixes cannot be used.
    #[error(
        "a holder has at most {PREFIXES_MAX} prefixes, each written prefix=text: not empty, without ',', '#', \
         control characters, blanks at its ends, ':prefix=' or ':until='"
    )]
    Prefix,
    /// The end cannot be read.
    #[error("the end is written until=2027-01-31T00:00:00Z (RFC 3339)")]
    Until,
    /// Another key has this name.
    #[error("it has the name of key {0}")]
    SameName(usize),
    /// Another name has this key.
    #[error("it is the same key as key {0}")]
    SameDigest(usize),
}

/// What is wrong with a list of keys. Its text never has a digest in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// One key is wrong.
    #[error("line {line}, key {key} of the list: {fault}")]
    Key {
        /// The line, from 1.
        line: usize,
        /// The key, from 1 over all lines.
        key: usize,
        /// What is wrong.
        fault: KeyFault,
    },
    /// The list is empty.
    #[error("there is no key in the list")]
    Empty,
    /// Nobody could make a sale.
    #[error("no key of the list has the scope admin")]
    NoAdmin,
    /// The list is too long.
    #[error("the list has more than {KEYS_MAX} keys")]
    TooMany,
}

impl Key {
    /// A key with this name and digest.
    ///
    /// # Errors
    ///
    /// When the name cannot be one.
    pub fn new(
        name: &str,
        scope: Scope,
        digest: KeyDigest,
        until: Option<OffsetDateTime>,
    ) -> Result<Self, KeyFault> {
        let known = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
        if !(1..=NAME_BYTES_MAX).contains(&name.len()) || !name.bytes().all(known) {
            return Err(KeyFault::Name);
        }
        if name == ANONYMOUS {
            return Err(KeyFault::Reserved);
        }
        Ok(Self { name: name.into(), scope, digest, prefixes: Arc::default(), until })
    }

    /// The same key, but only for resources whose names begin with one of these.
    ///
    /// # Errors
    ///
    /// When one would not be the same in a list of keys, they are too many, or the key is not a holder's.
    pub fn only_for<'a>(
        self,
        prefixes: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, KeyFault> {
        let prefixes: Arc<[Box<str>]> = prefixes.into_iter().map(Box::from).collect();
        let count = (1..=PREFIXES_MAX).contains(&prefixes.len());
        if !count || !prefixes.iter().all(|one| is_prefix(one)) || self.scope != Scope::Holder {
            return Err(KeyFault::Prefix);
        }
        Ok(Self { prefixes, ..self })
    }

    /// What names of resources begin with; none if every name will do.
    pub fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.prefixes.iter().map(|one| &**one)
    }

    /// Whether it is for resources of this name.
    #[must_use]
    pub fn covers(&self, resource: &str) -> bool {
        self.prefixes.is_empty() || self.prefixes.iter().any(|one| resource.starts_with(&**one))
    }

    /// The digest that it is known by.
    #[must_use]
    pub const fn digest(&self) -> KeyDigest {
        self.digest
    }

    /// What it is called in logs.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What it allows.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// The first moment at which it is no longer valid.
    #[must_use]
    pub const fn until(&self) -> Option<OffsetDateTime> {
        self.until
    }

    /// Whether its end has come.
    #[must_use]
    pub fn has_expired(&self, now: OffsetDateTime) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// Whether a text is read from a line of a list as it was written there. One that was not would cover names
/// that it was not given for.
fn is_prefix(text: &str) -> bool {
    !text.is_empty()
        && text.trim() == text
        && !text.chars().any(|c| c.is_control() || matches!(c, ',' | '#'))
        && !text.contains(PREFIX)
        && !text.contains(":until=")
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.name, self.scope, self.digest)?;
        for prefix in self.prefixes() {
            write!(f, "{PREFIX}{prefix}")?;
        }
        let Some(until) = self.until else { return Ok(()) };
        let until = until.to_offset(UtcOffset::UTC).format(&Rfc3339).map_err(|_| fmt::Error)?;
        write!(f, ":until={until}")
    }
}

impl FromStr for Key {
    type Err = KeyFault;

    fn from_str(text: &str) -> Result<Self, KeyFault> {
        let mut parts = text.splitn(4, ':').map(str::trim);
        let mut part = || parts.next().ok_or(KeyFault::Parts);
        let (name, scope, digest) = (part()?, part()?, part()?);
        // What is left may have colons of its own.
        let (prefixes, end) = match part() {
            Err(_) => (None, None),
            Ok(rest) => match (rest.strip_prefix("prefix="), rest.strip_prefix("until=")) {
                (Some(prefixes), _) => match prefixes.rsplit_once(":until=") {
                    Some((prefixes, end)) => (Some(prefixes), Some(end)),
                    None => (Some(prefixes), None),
                },
                (None, Some(end)) => (None, Some(end)),
                (None, None) => return Err(KeyFault::Until),
            },
        };
        let end = end.map(|time| OffsetDateTime::parse(time, &Rfc3339));
        let until = end.transpose().map_err(|_| KeyFault::Until)?;
        let key = Self::new(name, scope.parse()?, digest.parse()?, until)?;
        match prefixes {
            Some(prefixes) => key.only_for(prefixes.split(PREFIX)),
            None => Ok(key),
        }
    }
}

/// The keys that a service knows: at least one, and one of an administrator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyList(Vec<Key>);

impl FromStr for KeyList {
    type Err = KeysError;

    /// Reads keys that are separated by commas or the ends of lines; what follows a `#` in a line is
    /// a comment.
    fn from_str(text: &str) -> Result<Self, KeysError> {
        let mut keys: Vec<Key> = Vec::new();
        let (mut names, mut digests) = (HashMap::new(), HashMap::new());
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            for entry in line.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
                let number = keys.len() + 1;
                let wrong = |fault| KeysError::Key { line: index + 1, key: number, fault };
                if number > KEYS_MAX {
                    return Err(KeysError::TooMany);
                }
                let key: Key = entry.parse().map_err(wrong)?;
                if let Some(earlier) = names.insert(Arc::clone(&key.name), number) {
                    return Err(wrong(KeyFault::SameName(earlier)));
                }
                if let Some(earlier) = digests.insert(key.digest.to_string(), number) {
                    return Err(wrong(KeyFault::SameDigest(earlier)));
                }
                keys.push(key);
            }
        }
        if keys.is_empty() {
            return Err(KeysError::Empty);
        }
        if !keys.iter().any(|key| key.scope == Scope::Admin) {
            return Err(KeysError::NoAdmin);
        }
        Ok(Self(keys))
    }
}

impl KeyList {
    /// The keys, in the order of the list.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.0
    }

    /// Finds a key, in a time that does not tell which one was near.
    ///
    /// # Errors
    ///
    /// When it is not known, or its end has come.
    pub fn find(&self, key: &str, now: OffsetDateTime) -> Result<&Key, Denied> {
        if key.len() > super::KEY_BYTES_MAX {
            return Err(Denied::Unknown);
        }
        let digest = KeyDigest::of(key);
        let mut found = u64::MAX;
        // All are compared, also after the one that is equal.
        for (index, known) in (0u64..).zip(&self.0) {
            found.conditional_assign(&index, known.digest.ct_eq(&digest));
        }
        let found = usize::try_from(found).ok().and_then(|index| self.0.get(index));
        let found = found.ok_or(Denied::Unknown)?;
        if found.has_expired(now) { Err(Denied::Expired) } else { Ok(found) }
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    fn line(name: &str, scope: &str, key: &str) -> String {
        format!("{name}:{scope}:{}", KeyDigest::of(key))
    }

    fn fault(text: &str) -> KeyFault {
        let admin = line("root", "admin", "root");
        let error = format!("{admin}\n# one more\n{text}").parse::<KeyList>().unwrap_err();
        // Whatever is wrong, what is said has no digest in it.
        let said = format!("{error} {error:?}");
        assert!(!said.contains(&KeyDigest::of("x").to_string()[..8]), "{said}");
        let KeysError::Key { line: 3, key: 2, fault } = error else { panic!("{error}") };
        fault
    }

    #[test]
    fn keys_stand_between_commas_and_line_ends() {
        let text = format!(
            "# keys of the shop\n\n{}, {},\r\n  {} # until the new one is everywhere\n",
            line("web", "buyer", "a"),
            line("root", "admin", "b"),
            line("web-old", "buyer", "c") + ":until=2027-01-31T01:00:00+01:00",
        );
        let list: KeyList = text.parse().unwrap();
        let names: Vec<&str> = list.keys().iter().map(|key| &*key.name).collect();
        assert_eq!(names, ["web", "root", "web-old"]);
        let last = &list.keys()[2];
        assert!(last.to_string().ends_with(":until=2027-01-31T00:00:00Z"), "{last}");
        assert_eq!(last.to_string().parse(), Ok(last.clone()));
        let until = last.until().unwrap();
        let now = until - Duration::SECOND;
        assert_eq!(list.find("c", now).map(|key| &*key.name), Ok("web-old"));
        assert_eq!(list.find("c", until), Err(Denied::Expired));
        assert_eq!(list.find("a", until).map(Key::scope), Ok(Scope::Buyer));
        assert_eq!(list.find("d", now), Err(Denied::Unknown));
        assert_eq!(
            list.find(&"a".repeat(super::super::KEY_BYTES_MAX + 1), now),
            Err(Denied::Unknown)
        );
    }

    #[test]
    fn a_holders_key_may_be_for_some_names_only() {
        let key = |rest: &str| (line("web", "holder", "x") + rest).parse::<Key>();
        let all = key("").unwrap();
        assert!(all.covers("anything") && all.covers("x"));
        let some = key(":prefix=orders/:prefix=lock||eu||:until=2027-01-31T00:00:00Z").unwrap();
        assert!(some.covers("orders/1") && some.covers("lock||eu||1") && some.until().is_some());
        assert!(!some.covers("orders") && !some.covers("lock||us") && !some.covers("x/orders/1"));
        assert_eq!(some.to_string().parse(), Ok(some));
        for wrong in [":prefix=", ":prefix=a:prefix=", &":prefix=a".repeat(17)] {
            assert_eq!(key(wrong), Err(KeyFault::Prefix), "{wrong}");
        }
        // Whatever is taken is the same when it is read again: a part of it would cover more names.
        for text in ["a#b", "a,b", " a", "a ", "a\tb", "", "a:until=x", "a:prefix=b"] {
            assert_eq!(key("").unwrap().only_for([text]), Err(KeyFault::Prefix), "{text}");
        }
        let kept = key("").unwrap().only_for(["ä b", "a:b|c=d"]).unwrap();
        let list = format!("{kept}, {}", line("root", "admin", "root"));
        assert_eq!(list.parse::<KeyList>().unwrap().keys()[0], kept);
        let buyer = line("web", "buyer", "x") + ":prefix=a";
        assert_eq!(buyer.parse::<Key>(), Err(KeyFault::Prefix));
    }

    #[test]
    fn what_cannot_be_read_is_named_by_its_place_and_never_by_its_text() {
        let digest = KeyDigest::of("x");
        assert_eq!(fault(&digest.to_string()), KeyFault::Parts);
        assert_eq!(fault(&format!("{digest}:x:buyer")), KeyFault::Scope(NotAScope));
        assert_eq!(fault(&format!(":buyer:{digest}")), KeyFault::Name);
        assert_eq!(fault(&format!("Web:buyer:{digest}")), KeyFault::Name);
        assert_eq!(fault(&line(&"x".repeat(65), "buyer", "x")), KeyFault::Name);
        assert_eq!(fault(&line("anonymous", "buyer", "x")), KeyFault::Reserved);
        assert_eq!(fault(&line("web", "root", "x")), KeyFault::Scope(NotAScope));
        assert_eq!(fault("web:buyer:x"), KeyFault::Digest(NotADigest));
        assert_eq!(fault(&(line("web", "buyer", "x") + ":until=tomorrow")), KeyFault::Until);
        assert_eq!(fault(&(line("web", "buyer", "x") + ":2027-01-31T00:00:00Z")), KeyFault::Until);
        assert_eq!(fault(&line("root", "buyer", "x")), KeyFault::SameName(1));
        assert_eq!(fault(&line("web", "buyer", "root")), KeyFault::SameDigest(1));
    }

    #[test]
    fn a_list_has_keys_and_one_of_an_administrator_but_not_too_many() {
        assert_eq!("# none\n,\n".parse::<KeyList>(), Err(KeysError::Empty));
        assert_eq!(line("web", "buyer", "a").parse::<KeyList>(), Err(KeysError::NoAdmin));
        let many = |count: usize| -> String {
            let key = |n: usize| line(&format!("n{n}"), "admin", &n.to_string()) + "\n";
            (0..count).map(key).collect()
        };
        assert_eq!(many(KEYS_MAX).parse::<KeyList>().map(|list| list.keys().len()), Ok(KEYS_MAX));
        assert_eq!(many(KEYS_MAX + 1).parse::<KeyList>(), Err(KeysError::TooMany));
    }
}
