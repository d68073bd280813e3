//! A disk that can be full: a small file system in memory under a server's folder.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};

use crate::identity::Identity;

/// Why there can be none, in words for a person.
pub(crate) const MISSING: &str = "only root on Linux may mount a file system for a full disk";

/// The file that takes the room.
const BALLAST: &str = "ballast";

/// A file system over a folder. Dropping it takes it away with all it holds.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// A disk of so many MiB over `folder`, which only `owner` (ourselves when `None`) may enter.
    pub(crate) fn over(folder: &Path, mib: u32, owner: Option<Identity>) -> anyhow::Result<Self> {
        let owner = owner.map(|Identity { uid, gid }| format!(",uid={uid},gid={gid}"));
        let options = format!("size={mib}m,mode=0700{}", owner.unwrap_or_default());
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder).stdin(Stdio::null());
        let mounted = mount.output().context(MISSING)?;
        let said = String::from_utf8_lossy(&mounted.stderr);
        let at = folder.display();
        ensure!(mounted.status.success(), "no disk at {at}: {} ({MISSING})", said.trim());
        Ok(Self { folder: folder.to_owned() })
    }

    /// Takes all the room that is left.
    pub(crate) fn fill(&self) -> anyhow::Result<()> {
        let path = self.folder.join(BALLAST);
        let filling = || {
            let mut file = File::options().create(true).append(true).open(&path)?;
            // Pages: what is less than one is left to the files that have it.
            while file.write(&[0; 4096])? > 0 {}
            Ok(())
        };
        match filling() {
            Err(error) if is_full(&error) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("cannot write {}", path.display())),
            Ok(()) => bail!("{} takes nothing and is not full", path.display()),
        }
    }

    /// Gives the room back. Twice is once.
    pub(crate) fn free(&self) -> anyhow::Result<()> {
        let path = self.folder.join(BALLAST);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        unmount(&self.folder);
    }
}

fn is_full(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::StorageFull
}

/// Takes away the disks whose owners were killed before they could.
pub(crate) fn unmount_below(folder: &Path) {
    // Device, folder, kind; our folders have no blanks, which would be written in another way.
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let folders = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(Path::new);
    for mounted in folders.filter(|mounted| mounted.starts_with(folder)) {
        unmount(mounted);
    }
}

/// Lazily: a process that is about to end may still be in it.
fn unmount(folder: &Path) {
    let mut umount = Command::new("umount");
    umount.arg("-l").arg(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    umount.status().ok();
}

/// Whether this machine lets us: tried out, since root of a container often may not.
pub(crate) fn can_be_mounted() -> bool {
    let place = std::env::temp_dir().join(format!("leasehold-disk-{:08x}", rand::random::<u32>()));
    let mounted = fs::create_dir(&place).is_ok() && Disk::over(&place, 1, None).is_ok();
    fs::remove_dir(&place).ok();
    mounted
}
