//! Named points at which a test stops or kills this process, and the switch that takes the fence
//! away. In no build without the feature `faults`.
//!
//! A test puts a file into the folder that `LEASEHOLD_FAULTS` names:
//!
//! | file | content | what happens |
//! | --- | --- | --- |
//! | `before_write`, `after_write` | `stop` | the next process to reach the point removes the file and stops itself (SIGSTOP) |
//! | same | `kill` | … and kills itself (SIGKILL) |
//! | same | `hold` | every process that reaches the point waits there while the file is there, and puts a file `….held-<pid>` beside it |
//! | `fence_off` | anything | sales are read and written without locks, versions and fences while the file is there |
//! | `lease_off` | anything | nobody waits for a lease while the file is there |

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use nix::sys::signal::{Signal, raise};

fn file(name: &str) -> Option<PathBuf> {
    std::env::var_os("LEASEHOLD_FAULTS").map(|folder| PathBuf::from(folder).join(name))
}

/// Reaches a named point.
pub(crate) fn reach(point: &str) {
    let Some(path) = file(point) else { return };
    let Ok(fault) = std::fs::read_to_string(&path) else { return };
    if fault.trim() == "hold" {
        return hold(&path);
    }
    // Whoever removes the file has the fault: exactly one process.
    if std::fs::remove_file(&path).is_err() {
        return;
    }
    let signal = if fault.trim() == "kill" { Signal::SIGKILL } else { Signal::SIGSTOP };
    let _stopped = raise(signal);
}

/// Waits while the file is there. The runtime goes on meanwhile.
fn hold(path: &Path) {
    let held = path.with_extension(format!("held-{}", std::process::id()));
    if std::fs::write(held, "").is_err() {
        return;
    }
    tokio::task::block_in_place(|| {
        while path.exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
}

/// Whether sales are read and written without protection.
pub(crate) fn fence_is_off() -> bool {
    file("fence_off").is_some_and(|path| path.exists())
}

/// Whether nobody waits for a lease.
pub(crate) fn lease_is_off() -> bool {
    file("lease_off").is_some_and(|path| path.exists())
}
