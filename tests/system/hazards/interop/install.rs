//! The packages of the foreign programs: pinned and hashed, fetched into the target folder once.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    time::Duration,
};

use leasehold_stack::{Launch, Process};
use tokio::sync::OnceCell;

use crate::skipped::skip;

/// How long a package manager may take; it fetches 40 MB at most.
const FETCH_LIMIT: Duration = Duration::from_secs(300);
/// How long a program may take to say its version: it may start from a cold disk.
const VERSION_LIMIT: Duration = Duration::from_secs(30);

/// What must not be skipped: `required` for everything, or some of `python`, `node`.
const REQUIRED: &str = "LEASEHOLD_INTEROP";

/// What package managers say of a package or a list that is not what was pinned.
const TAMPERED: [&str; 3] = ["DO NOT MATCH THE HASHES", "EINTEGRITY", "EUSAGE"];

/// A language whose packages can be had or not.
#[derive(Debug)]
pub(crate) struct Language {
    name: &'static str,
    /// What runs its scripts.
    pub(crate) interpreter: &'static str,
    pinned: Pinned,
    fetched: &'static OnceCell<Result<PathBuf, String>>,
}

/// What is fetched: as lists of packages say, which have versions and hashes.
#[derive(Clone, Copy, Debug)]
enum Pinned {
    /// A list of wheels.
    Wheels(&'static str),
    /// A list of wheels, and another one of source distributions that are unpacked beside them, each an
    /// archive of this name. pip builds a package's description before it hands its source out: the wheels
    /// have what that needs, so that nothing else is fetched for it.
    Sources { wheels: &'static str, sources: &'static str, archive: &'static str },
    /// What a folder's `package.json` and `package-lock.json` say.
    Npm(&'static str),
}

/// One value for each place that asks for it, as long as the process runs.
macro_rules! fetched {
    () => {{
        static FETCHED: OnceCell<Result<PathBuf, String>> = OnceCell::const_new();
        &FETCHED
    }};
}

pub(super) const PYTHON: Language = Language {
    name: "python",
    interpreter: "python3",
    pinned: Pinned::Wheels("requirements.txt"),
    fetched: fetched!(),
};

/// What asks the API whatever its description allows, and what not.
pub(crate) const FUZZER: Language = Language {
    name: "python",
    interpreter: "python3",
    pinned: Pinned::Wheels("schemathesis.txt"),
    fetched: fetched!(),
};

/// What the sidecar's clients in Python need, and redis-py with its tests in `redis-8.1.0`.
pub(crate) const SIDECAR_PYTHON: Language = Language {
    name: "python",
    interpreter: "python3",
    pinned: Pinned::Sources {
        wheels: "sidecar/wheels.txt",
        sources: "sidecar/sources.txt",
        archive: "redis-8.1.0.tar.gz",
    },
    fetched: fetched!(),
};

pub(super) const NODE: Language =
    Language { name: "node", interpreter: "node", pinned: Pinned::Npm("."), fetched: fetched!() };

/// What the sidecar's clients in JavaScript need.
pub(crate) const SIDECAR_NODE: Language = Language {
    name: "node",
    interpreter: "node",
    pinned: Pinned::Npm("sidecar"),
    fetched: fetched!(),
};

impl Pinned {
    /// The lists of packages, as paths among the [`sources`].
    fn lists(self) -> Vec<PathBuf> {
        match self {
            Self::Wheels(list) => vec![list.into()],
            Self::Sources { wheels, sources, .. } => vec![wheels.into(), sources.into()],
            Self::Npm(folder) => ["package.json", "package-lock.json"]
                .map(|list| Path::new(folder).join(list))
                .into(),
        }
    }

    /// What fetches them into the folder that it runs in, where the lists are.
    fn commands(self) -> Vec<String> {
        let pip = |what: &str, list: &str| {
            let name = Path::new(list).file_name().unwrap().to_str().unwrap();
            format!(
                "python3 -m pip {what} --requirement={name} --require-hashes --no-deps --retries=1 --timeout=20"
            )
        };
        let wheels = |list| pip("install --target=. --only-binary=:all:", list);
        match self {
            Self::Wheels(list) => vec![wheels(list)],
            Self::Sources { wheels: list, sources, archive } => vec![
                wheels(list),
                pip("download --dest=. --no-binary=:all: --no-build-isolation", sources),
                format!("python3 -m tarfile --extract {archive}"),
            ],
            Self::Npm(_) => vec![
                "npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-timeout=20000"
                    .to_owned(),
            ],
        }
    }
}

/// The scripts and the lists of packages.
pub(crate) fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop")
}

/// The sidecar's examples in other languages.
pub(crate) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../service/sidecar/examples")
}

impl Language {
    /// The folder with the packages; `None` after saying that the test is skipped, and why.
    pub(crate) async fn packages(&self) -> Option<&Path> {
        match self.fetched.get_or_init(|| self.fetch()).await {
            Ok(folder) => Some(folder),
            Err(why) => {
                self.skip(why);
                None
            }
        }
    }

    #[track_caller]
    fn skip(&self, why: &str) {
        let said = env::var(REQUIRED).unwrap_or_default();
        skip(REQUIRED, requires(&said, self.name), why);
    }

    /// Safe for several processes at once: each fetches into a folder of its own, and the first one
    /// to rename it has made what all use.
    async fn fetch(&self) -> Result<PathBuf, String> {
        self.run(&[self.interpreter, "--version"], Path::new("."), VERSION_LIMIT).await?;
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let cache = target.join("leasehold-interop");
        let complete = cache.join(self.folder_name());
        if complete.is_dir() {
            return Ok(complete);
        }
        fs::create_dir_all(&cache).unwrap();
        let partial = tempfile::Builder::new().prefix(".partial-").tempdir_in(&cache).unwrap();
        for list in self.pinned.lists() {
            fs::copy(sources().join(&list), partial.path().join(list.file_name().unwrap()))
                .unwrap();
        }
        for command in self.pinned.commands() {
            let words: Vec<&str> = command.split(' ').collect();
            self.run(&words, partial.path(), FETCH_LIMIT).await?;
        }
        let renamed = fs::rename(partial.path(), &complete);
        assert!(renamed.is_ok() || complete.is_dir(), "{}: {renamed:?}", complete.display());
        Ok(complete)
    }

    /// Named after what is in it: a list that changes is a folder of its own.
    fn folder_name(&self) -> String {
        let mut hasher = DefaultHasher::new();
        for list in self.pinned.lists() {
            fs::read(sources().join(list)).unwrap().hash(&mut hasher);
        }
        format!("{}-{:016x}", self.name, hasher.finish())
    }

    /// Runs a command to its end; the error is why it cannot be had.
    async fn run(&self, command: &[&str], folder: &Path, limit: Duration) -> Result<(), String> {
        let what = command.join(" ");
        let logs = tempfile::tempdir().unwrap();
        let launch = Launch::new(command[0], command[0], logs.path().join("log"))
            .args(&command[1..])
            .folder(folder)
            // What builds a source's description is among the wheels.
            .env("PYTHONPATH", folder)
            .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
            .env("PIP_ROOT_USER_ACTION", "ignore")
            // A configuration file that sets these makes a target folder impossible.
            .env("PIP_USER", "0")
            .env("PIP_REQUIRE_VIRTUALENV", "0");
        let process = Process::spawn(&launch).map_err(|error| format!("{error:#}"))?;
        let status = process.wait(limit).await.map_err(|error| format!("{error:#}"))?;
        let log = process.log_tail(100);
        let tampered = TAMPERED.iter().any(|sign| log.contains(sign));
        assert!(!tampered, "{what}: not the packages that were pinned:\n{log}");
        if status.success() {
            return Ok(());
        }
        let said = log.lines().find(|line| line.to_lowercase().contains("error"));
        let said = said.or_else(|| log.lines().last()).unwrap_or("it says nothing");
        Err(format!("`{what}` ended with {status}: {said}"))
    }
}

/// Whether the value of the variable forbids to skip what this language is needed for.
fn requires(said: &str, language: &str) -> bool {
    let words = said.split(',').map(str::trim).filter(|word| !word.is_empty());
    let mut required = false;
    for word in words {
        // A word that is misspelt would otherwise require nothing, in silence.
        let known = ["required", PYTHON.name, NODE.name].contains(&word);
        assert!(known, "{REQUIRED} has the unknown word {word:?}");
        required |= word == "required" || word == language;
    }
    required
}

#[test]
fn what_is_required_is_not_skipped() {
    for (said, python, node) in [
        ("", false, false),
        ("required", true, true),
        ("python", true, false),
        ("python,node", true, true),
        (" node ,", false, true),
    ] {
        assert_eq!((requires(said, "python"), requires(said, "node")), (python, node), "{said:?}");
    }
}

#[test]
#[should_panic(expected = "unknown word \"yes\"")]
fn an_unknown_word_is_not_read_as_not_required() {
    requires("yes", "python");
}
