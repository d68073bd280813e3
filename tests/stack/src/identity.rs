//! Whom a server runs as: never root.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;

use anyhow::Context as _;

/// The user and group a child process runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

impl Identity {
    /// The user without rights that every Unix has.
    pub const NOBODY: Self = Self { uid: 65534, gid: 65534 };

    /// Whom servers run as: nobody when we are root (initdb refuses root), else ourselves.
    #[must_use]
    pub fn for_servers() -> Option<Self> {
        nix::unistd::geteuid().is_root().then_some(Self::NOBODY)
    }

    /// Whether an unrelated user can walk down to `path`, judged by the mode bits.
    pub(crate) fn can_reach(path: &Path) -> bool {
        path.ancestors()
            .all(|folder| fs::metadata(folder).is_ok_and(|found| found.mode() & 0o001 != 0))
    }
}

/// Gives `path` to `owner`; to nobody new when there is none.
pub(crate) fn give(path: &Path, owner: Option<Identity>) -> anyhow::Result<()> {
    let Some(owner) = owner else { return Ok(()) };
    chown(path, Some(owner.uid), Some(owner.gid))
        .with_context(|| format!("cannot give {} to uid {}", path.display(), owner.uid))
}
