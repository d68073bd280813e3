//! A wall clock that can be set: libfaketime stands between a program and the machine's clock.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::launch::Launch;

/// Where distributions put the library, beside the folders of Debian's architectures.
const FOLDERS: [&str; 4] = ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/lib/faketime"];
/// The library, in a folder of its own or not.
const NAMES: [&str; 2] = ["faketime/libfaketime.so.1", "libfaketime.so.1"];

/// Why there can be none on a machine, in words for a person.
pub(crate) const MISSING: &str = "there is no libfaketime (Debian has a package of that name)";

/// What a program under libfaketime is told of its clock.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    library: PathBuf,
    /// How far ahead it is. The program reads this file whenever it reads its clock.
    file: PathBuf,
}

impl Clock {
    /// A clock that is right, whose file is to be at `file`. Every user must be able to reach it.
    pub(crate) fn new(file: PathBuf) -> anyhow::Result<Self> {
        let library = library().context(MISSING)?;
        let clock = Self { library, file };
        clock.jump(0)?;
        Ok(clock)
    }

    /// The same program under this clock, if there is one. What measures durations keeps the machine's.
    pub(crate) fn over(clock: Option<&Self>, launch: Launch) -> Launch {
        let Some(clock) = clock else { return launch };
        // The C library is named too: without it jemalloc, which Debian's Redis uses, reads the clock
        // before libfaketime has found the real one, and that calls itself for ever.
        let mut libraries = OsString::from(&clock.library);
        libraries.push(" libc.so.6");
        launch
            .env("LD_PRELOAD", libraries)
            .env("FAKETIME_TIMESTAMP_FILE", &clock.file)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }

    /// Puts the clock so many seconds ahead of the machine's.
    pub(crate) fn jump(&self, seconds: i64) -> anyhow::Result<()> {
        // Renamed into place: half a file would be half a number.
        let next = self.file.with_extension("clock-next");
        fs::write(&next, format!("{seconds:+}\n"))
            .and_then(|()| fs::set_permissions(&next, Permissions::from_mode(0o644)))
            .and_then(|()| fs::rename(&next, &self.file))
            .with_context(|| format!("cannot set the clock in {}", self.file.display()))
    }

    /// Removes what libfaketime put into shared memory for a process that runs by now. It has it
    /// mapped and needs the names no more; after a kill nobody else would remove them.
    pub(crate) fn tidy(pid: u32) {
        for name in ["faketime_shm_", "sem.faketime_sem_"] {
            fs::remove_file(Path::new("/dev/shm").join(format!("{name}{pid}"))).ok();
        }
    }
}

/// The library of this machine.
pub(crate) fn library() -> Option<PathBuf> {
    let architectures = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let folders = FOLDERS.iter().map(PathBuf::from).chain(architectures.map(|entry| entry.path()));
    folders.flat_map(|folder| NAMES.map(|name| folder.join(name))).find(|library| library.is_file())
}
