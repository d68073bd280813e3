//! How many files this process and those it starts may open: each connection is one.

/// Files kept for other things than connections of buyers.
const KEPT: u64 = 256;

/// Asks for as many as so many buyers need, beyond the limit for all if that may be; and why not, if not.
/// Processes that are started later are given the same.
#[cfg(target_os = "linux")]
pub(crate) fn suffice_for(buyers: u64) -> Result<(), String> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    let wanted = buyers + KEPT;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|error| error.to_string())?;
    if wanted <= soft || setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).is_ok() {
        return Ok(());
    }
    Err(format!("{wanted} open files are needed and {hard} allowed (ulimit -n)"))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn suffice_for(buyers: u64) -> Result<(), String> {
    // What most systems allow if they do not say.
    const USUAL: u64 = 256;
    if buyers + KEPT <= 2 * USUAL {
        Ok(())
    } else {
        Err("limits are only read on Linux".to_owned())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn more_than_the_system_has_is_named() {
        assert!(super::suffice_for(1).is_ok());
        let error = super::suffice_for(1 << 60).unwrap_err();
        assert!(error.contains("1152921504606847232 open files"), "{error}");
    }
}
