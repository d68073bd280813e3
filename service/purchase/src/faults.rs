//! Named points at which a test stops or kills this process, and the switch that takes the fence
//! away. In no build without the feature `faults`.
//!
//! A test puts a file into the folder that `LEASEHOLD_FAULTS` names:
//!
//! | file | content | what happens |
//! | --- | --- | --- |
//! | `before_write`, `after_write` | `stop` | the next process to reach the point removes the file and stops itself (SIGSTOP) |
//! | same | `kill` | … and kills itself (SIGKILL) |
//! | `fence_off` | anything | writes are sent without their protection while the file is there |

use std::path::PathBuf;

use nix::sys::signal::{Signal, raise};

fn file(name: &str) -> Option<PathBuf> {
    std::env::var_os("LEASEHOLD_FAULTS").map(|folder| PathBuf::from(folder).join(name))
}

/// Reaches a named point.
pub(crate) fn reach(point: &str) {
    let Some(path) = file(point) else { return };
    let Ok(fault) = std::fs::read_to_string(&path) else { return };
    // Whoever removes the file has the fault: exactly one process.
    if std::fs::remove_file(&path).is_err() {
        return;
    }
    let signal = if fault.trim() == "kill" { Signal::SIGKILL } else { Signal::SIGSTOP };
    let _stopped = raise(signal);
}

/// Whether writes are sent without their protection.
pub(crate) fn fence_is_off() -> bool {
    file("fence_off").is_some_and(|path| path.exists())
}
