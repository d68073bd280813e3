//! One thread that never ends starts every child, so that children end with this process.
//!
//! Linux sends the parent-death signal when the *thread* that forked ends, not the process. A
//! child started from a test's or a runtime's own thread would be killed when that thread goes.

use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::thread;

use nix::sys::signal::Signal;

use crate::namespace::Entrance;

struct Job {
    command: Command,
    at_our_death: Signal,
    inside: Option<Entrance>,
    reply: SyncSender<io::Result<Child>>,
}

/// Starts `command`, in a network of its own if there is an entrance to one; on Linux the child gets
/// `at_our_death` when this process ends, however it ends.
pub(crate) fn spawn(
    command: Command,
    at_our_death: Signal,
    inside: Option<Entrance>,
) -> io::Result<Child> {
    static JOBS: OnceLock<Sender<Job>> = OnceLock::new();
    let jobs = JOBS.get_or_init(|| {
        let (jobs, queue) = channel::<Job>();
        thread::spawn(move || {
            for Job { mut command, at_our_death, inside, reply } in queue {
                prepare(&mut command, at_our_death, inside);
                // Nobody waits for the reply any more: dropping the child handle leaks a
                // process, but only until our own end.
                reply.send(command.spawn()).ok();
            }
        });
        jobs
    });
    let gone = || io::Error::other("the spawner thread has ended");
    let (reply, answer) = sync_channel(1);
    jobs.send(Job { command, at_our_death, inside, reply }).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

#[cfg(target_os = "linux")]
#[expect(
    unsafe_code,
    reason = "only code between fork and exec can enter a network and ask for the death signal"
)]
fn prepare(command: &mut Command, at_our_death: Signal, inside: Option<Entrance>) {
    use std::os::unix::process::CommandExt as _;

    use nix::sched::CloneFlags;

    // Its own process group: a Ctrl-C at the terminal is for us, who then end the servers in order.
    command.process_group(0);
    let us = nix::unistd::getpid();
    let tie = move || {
        if let Some(entrance) = &inside {
            nix::sched::setns(&entrance.file, CloneFlags::CLONE_NEWNET)?;
        }
        nix::sys::prctl::set_pdeathsig(at_our_death)?;
        // We may have died between the fork and the line above: then no signal would ever come.
        if nix::unistd::getppid() == us { Ok(()) } else { Err(nix::errno::Errno::ESRCH.into()) }
    };
    // SAFETY: `tie` makes three system calls and allocates nothing, so it may run between fork and
    // exec of a program with several threads. The standard library runs it after it changed the
    // user, which matters: changing the user clears the death signal.
    unsafe {
        command.pre_exec(tie);
    }
}

/// No death signal here, and no network of its own, which nobody can make. The servers stay in our process group, so that at least a Ctrl-C ends them.
#[cfg(not(target_os = "linux"))]
fn prepare(_command: &mut Command, _at_our_death: Signal, _inside: Option<Entrance>) {}
