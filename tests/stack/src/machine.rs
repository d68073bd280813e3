//! The servers that are installed on this machine.

use std::env;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{bail, ensure};

use crate::identity::Identity;
use crate::launch::Launch;
use crate::process::Process;

/// How long a program may take to say its version: a cold disk, a busy machine.
const VERSION_LIMIT: Duration = Duration::from_secs(30);
/// The oldest Redis the scripts were tried on.
const REDIS_OLDEST: (u32, u32) = (6, 2);
/// The oldest Postgres the statements are tried on.
const POSTGRES_OLDEST: (u32, u32) = (15, 0);

/// Where Homebrew puts what it does not link into PATH.
const HOMEBREW: [&str; 3] =
    ["/opt/homebrew/opt", "/usr/local/opt", "/home/linuxbrew/.linuxbrew/opt"];
/// Where Debian and Red Hat keep Postgres, a folder per version, not on PATH.
const POSTGRES_PARENTS: [(&str, &str); 2] = [("/usr/lib/postgresql", ""), ("/usr", "pgsql-")];

/// A program that speaks Redis.
#[derive(Clone, Debug)]
pub(crate) struct RedisServer {
    pub(crate) program: PathBuf,
    /// Such as "Valkey 9.1.2".
    pub(crate) version: String,
}

/// A folder with `initdb` and `postgres`.
#[derive(Clone, Debug)]
pub(crate) struct PostgresServer {
    pub(crate) bin: PathBuf,
    /// Such as "Postgres 18.6".
    pub(crate) version: String,
}

/// Where a stack works and whom its servers run as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) run_as: Option<Identity>,
}

impl Site<'_> {
    /// Checks that `program` runs here and is new enough.
    pub(crate) async fn redis(&self, program: &Path) -> anyhow::Result<RedisServer> {
        refuse_script(program)?;
        let line = self.version_line(program).await?;
        // "Valkey server v=9.1.2 sha=…", "Redis server v=7.0.15 sha=…"
        let words: Vec<&str> = line.split_whitespace().collect();
        let version = words.iter().find_map(|word| word.strip_prefix("v="));
        let (Some(kind), Some(version)) = (words.first(), version) else {
            bail!("{}: its version is {line:?}", program.display());
        };
        new_enough(program, version, REDIS_OLDEST)?;
        // By the name it was found under: Debian's redis-server is a link to redis-check-rdb,
        // which looks at its name to know what to be.
        Ok(RedisServer { version: format!("{kind} {version}"), program: program.to_owned() })
    }

    /// Checks that the programs in `bin` run here and are new enough.
    pub(crate) async fn postgres(&self, bin: &Path) -> anyhow::Result<PostgresServer> {
        let (initdb, postgres) = (bin.join("initdb"), bin.join("postgres"));
        refuse_script(&initdb)?;
        refuse_script(&postgres)?;
        self.version_line(&initdb).await?;
        let line = self.version_line(&postgres).await?;
        // "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)"
        let version = line.split_whitespace().nth(2).unwrap_or_default();
        new_enough(&postgres, version, POSTGRES_OLDEST)?;
        Ok(PostgresServer { version: format!("Postgres {version}"), bin: bin.to_owned() })
    }

    async fn version_line(&self, program: &Path) -> anyhow::Result<String> {
        let name = format!("{} --version", program.display());
        let log = self.folder.join("find.log");
        let launch = Launch::new(name, program, log).arg("--version").capture_lines(1);
        let mut process = Process::spawn(&launch.run_as(self.run_as))?;
        let line = process.next_line(VERSION_LIMIT).await?;
        let status = process.wait(VERSION_LIMIT).await?;
        match line {
            Some(line) if status.success() => Ok(line),
            _ => Err(process.error(&format!("ended with {status}"))),
        }
    }
}

/// The Redis-like servers of this machine, Valkey first, whether they run or not.
pub(crate) fn redis_programs() -> Vec<PathBuf> {
    let mut folders = path_folders();
    folders.extend(["/opt/homebrew/bin", "/usr/local/bin", "/usr/bin"].map(PathBuf::from));
    for parent in HOMEBREW {
        folders.extend(["valkey", "redis"].map(|name| Path::new(parent).join(name).join("bin")));
    }
    let programs = ["valkey-server", "redis-server"]
        .into_iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    existing(programs)
}

/// The folders of this machine with both `initdb` and `postgres`: those on PATH, then the newest.
pub(crate) fn postgres_folders() -> Vec<PathBuf> {
    let mut folders = path_folders();
    let homebrew = HOMEBREW.iter().map(|parent| (*parent, "postgresql"));
    for (parent, prefix) in POSTGRES_PARENTS.into_iter().chain(homebrew) {
        folders.extend(newest_first(Path::new(parent), prefix));
    }
    // Where a link leads to: PATH may have a link to initdb alone.
    let initdbs = folders.into_iter().filter_map(|bin| fs::canonicalize(bin.join("initdb")).ok());
    existing(initdbs)
        .iter()
        .filter_map(|initdb| initdb.parent())
        .filter(|bin| bin.join("postgres").exists())
        .map(Path::to_owned)
        .collect()
}

fn path_folders() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).filter(|folder| folder.is_absolute()).collect()
}

/// The programs that exist, those with several names once.
fn existing(programs: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut seen: Vec<PathBuf> = Vec::new();
    let mut found = Vec::new();
    for program in programs {
        let Ok(real) = fs::canonicalize(&program) else { continue };
        if !seen.contains(&real) {
            seen.push(real);
            found.push(program);
        }
    }
    found
}

/// The `bin` folders in `parent/<prefix><version>`, larger versions first.
fn newest_first(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let mut found: Vec<((u32, u32), PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix(prefix)?.trim_start_matches('@');
            Some((numbers(version), entry.path().join("bin")))
        })
        .collect();
    found.sort_by(|(left, _), (right, _)| right.cmp(left));
    found.into_iter().map(|(_, bin)| bin).collect()
}

/// A script that does not `exec` would hear the signals that are meant for the server.
fn refuse_script(program: &Path) -> anyhow::Result<()> {
    let mut head = [0; 2];
    // One that we cannot read may be run all the same; the probe tells.
    let read = File::open(program).and_then(|mut file| file.read_exact(&mut head));
    ensure!(read.is_err() || head != *b"#!", "{} is a script, not a server", program.display());
    Ok(())
}

fn new_enough(program: &Path, version: &str, oldest: (u32, u32)) -> anyhow::Result<()> {
    let (major, minor) = oldest;
    ensure!(
        numbers(version) >= oldest,
        "{}: version {version} is older than {major}.{minor}",
        program.display()
    );
    Ok(())
}

/// The first two numbers of a version: "7.0.15" is (7, 0), "19beta1" is (19, 0).
fn numbers(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..end].parse().unwrap_or(0)
    });
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(numbers("7.0.15"), (7, 0));
        assert_eq!(numbers("19beta1"), (19, 0));
        assert_eq!(numbers(""), (0, 0));
        assert!(numbers("15.20") > numbers("9.6"));
    }

    #[test]
    fn the_newest_postgres_comes_first() {
        let parent = tempfile::tempdir().unwrap();
        for version in ["9.6", "15", "18", "17"] {
            fs::create_dir(parent.path().join(version)).unwrap();
        }
        let found = newest_first(parent.path(), "");
        assert_eq!(found[0], parent.path().join("18/bin"));
        assert_eq!(found[3], parent.path().join("9.6/bin"));
    }

    #[test]
    fn a_wrapper_script_is_not_a_server() {
        let folder = tempfile::tempdir().unwrap();
        let wrapper = folder.path().join("postgres");
        fs::write(&wrapper, "#!/bin/sh\nexec true\n").unwrap();
        let error = refuse_script(&wrapper).unwrap_err().to_string();
        assert!(error.contains("is a script"), "{error}");
    }

    #[test]
    fn a_program_with_two_names_is_tried_once_under_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let [link, real] = ["redis-server", "redis-check-rdb"].map(|name| folder.path().join(name));
        fs::write(&real, "").unwrap();
        std::os::unix::fs::symlink("redis-check-rdb", &link).unwrap();
        let none = folder.path().join("none");
        assert_eq!(existing([none, link.clone(), real].into_iter()), [link]);
    }
}
