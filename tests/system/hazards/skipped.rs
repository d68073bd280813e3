//! Tests that need what a machine may lack. They are skipped aloud, unless that is forbidden.

use std::io::Write as _;

/// Says that this thread's test is skipped, and why. Fails if that is forbidden, for which
/// `variable` stands in the environment.
#[track_caller]
pub(crate) fn skip(variable: &str, is_forbidden: bool, why: &str) {
    let said = std::env::var(variable).unwrap_or_default();
    assert!(!is_forbidden, "{variable}={said}, but {why}");
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    // Past the capture of the test harness, which shows nothing of a test that passes.
    let mut stderr = std::io::stderr();
    let line = format!("\nskipped: {test}: {why} ({variable}=required makes this a failure)");
    writeln!(stderr, "{line}").unwrap();
}

/// Whether these programs are on this machine. Skips the thread's test if one is not, or fails where the
/// variable says `required`.
#[track_caller]
pub(crate) fn has(programs: &[&str], variable: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let is_there =
        |program: &str| std::env::split_paths(&paths).any(|folder| folder.join(program).is_file());
    let Some(missing) = programs.iter().find(|program| !is_there(program)) else { return true };
    let is_forbidden = std::env::var(variable).is_ok_and(|said| said == "required");
    skip(variable, is_forbidden, &format!("there is no {missing}"));
    false
}
