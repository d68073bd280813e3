//! Where servers may come from: what the environment says.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::bail;

/// Which servers may be used when no address is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Those of the machine, else fetched ones.
    #[default]
    Any,
    /// Only fetched ones (`LEASEHOLD_SERVERS=fetch`).
    Fetch,
    /// Only those of the machine (`LEASEHOLD_SERVERS=system`).
    System,
}

/// Where a stack takes its servers from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Lease nodes to use as they are; when empty, nodes are started.
    pub redis_urls: Vec<String>,
    /// The Postgres to use as it is; when `None`, one is started.
    pub database_url: Option<String>,
    /// Which servers may be started.
    pub policy: Policy,
    /// The folder that keeps fetched packages.
    pub cache: PathBuf,
}

impl Sources {
    /// Reads `LEASEHOLD_REDIS_URLS`, `LEASEHOLD_DATABASE_URL` and `LEASEHOLD_SERVERS`; the cache
    /// is `leasehold-servers` in Cargo's target folder.
    ///
    /// # Errors
    /// When `LEASEHOLD_SERVERS` is none of the words it may be.
    pub fn from_env() -> anyhow::Result<Self> {
        let variable = |name| std::env::var(name).unwrap_or_default();
        let named = std::env::var_os("CARGO_TARGET_DIR");
        let program = std::env::current_exe().unwrap_or_default();
        Ok(Self {
            redis_urls: split_urls(&variable("LEASEHOLD_REDIS_URLS")),
            database_url: Some(variable("LEASEHOLD_DATABASE_URL").trim().to_owned())
                .filter(|url| !url.is_empty()),
            policy: parse_policy(&variable("LEASEHOLD_SERVERS"))?,
            cache: target_folder(named.as_deref(), &program).join("leasehold-servers"),
        })
    }
}

fn split_urls(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|url| !url.is_empty()).map(str::to_owned).collect()
}

fn parse_policy(word: &str) -> anyhow::Result<Policy> {
    match word.trim() {
        "" => Ok(Policy::Any),
        "fetch" => Ok(Policy::Fetch),
        "system" => Ok(Policy::System),
        other => bail!("LEASEHOLD_SERVERS is {other:?}; it may be \"fetch\", \"system\" or empty"),
    }
}

/// Cargo's target folder: the one the environment names, else the one our program lies in.
fn target_folder(named: Option<&OsStr>, program: &Path) -> PathBuf {
    if let Some(named) = named.filter(|named| !named.is_empty()) {
        return std::path::absolute(named).unwrap_or_else(|_| named.into());
    }
    let here = || std::path::absolute("target").unwrap_or_else(|_| "target".into());
    program
        .ancestors()
        .skip(1)
        // Cargo marks the folder, also when somebody gave it another name.
        .find(|folder| folder.ends_with("target") || folder.join("CACHEDIR.TAG").exists())
        .map_or_else(here, PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_and_empty_addresses_are_dropped() {
        assert_eq!(split_urls(" redis://a , ,redis://b,"), ["redis://a", "redis://b"]);
        assert!(split_urls("").is_empty());
    }

    #[test]
    fn an_unknown_policy_is_refused_with_the_words_that_are_known() {
        assert_eq!(parse_policy("system").unwrap(), Policy::System);
        let error = parse_policy("docker").unwrap_err().to_string();
        assert!(error.contains("docker") && error.contains("fetch"), "{error}");
    }

    #[test]
    fn the_target_folder_is_the_named_one_else_the_one_the_program_lies_in() {
        let program = Path::new("/code/target/debug/deps/it");
        assert_eq!(target_folder(None, program), Path::new("/code/target"));
        assert_eq!(target_folder(Some(OsStr::new("")), program), Path::new("/code/target"));
        assert_eq!(target_folder(Some(OsStr::new("/built")), program), Path::new("/built"));
        assert!(target_folder(None, Path::new("/bin/stack")).is_absolute());
    }
}
