//! What the services' programs are told alike: options and commands, with their variables.

pub mod edge;
pub mod keys;
pub mod tls;

use anyhow::Context as _;

/// A value that is given, or stands in a file; exactly one of the two. `name` is the variable that it is
/// given in; that of the file has `_FILE` behind it. White space around what is in the file does not count.
///
/// # Errors
///
/// When both are given, neither is, or the file cannot be read.
pub fn value(given: Option<&str>, file: Option<&str>, name: &str) -> anyhow::Result<String> {
    match (given, file) {
        (Some(_), Some(_)) => anyhow::bail!("set {name} or {name}_FILE, not both"),
        (Some(value), None) => Ok(value.to_owned()),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path);
            let text = text.with_context(|| format!("{name}_FILE {path:?} cannot be read"))?;
            Ok(text.trim().to_owned())
        }
        (None, None) => anyhow::bail!("{name} is not set (or {name}_FILE; see --help)"),
    }
}
