//! What the command `check-config` finds out about a deployment.

use std::fmt;

/// How a part of a deployment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    Ok,
    Warning,
    Error,
}

/// What was found, in order. Its text has a line for each.
#[derive(Debug, Default)]
pub struct Findings(Vec<(Grade, String)>);

impl Findings {
    /// All is well with this.
    pub fn ok(&mut self, text: impl Into<String>) {
        self.0.push((Grade::Ok, text.into()));
    }

    /// It will do, but should be otherwise.
    pub fn warning(&mut self, text: impl Into<String>) {
        self.0.push((Grade::Warning, text.into()));
    }

    /// It will not do.
    pub fn error(&mut self, text: impl Into<String>) {
        self.0.push((Grade::Error, text.into()));
    }

    /// It will not do, for this reason.
    pub fn failed(&mut self, error: &anyhow::Error) {
        self.error(format!("{error:#}"));
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The worst of them as an exit code: 0 if all is well, 3 for warnings, 1 for errors.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.0.iter().map(|(grade, _)| *grade).max() {
            None | Some(Grade::Ok) => 0,
            Some(Grade::Warning) => 3,
            Some(Grade::Error) => 1,
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (grade, text) in &self.0 {
            let grade = match grade {
                Grade::Ok => "ok",
                Grade::Warning => "warning",
                Grade::Error => "error",
            };
            // One line each, whatever a server said.
            writeln!(f, "{grade:7}  {}", text.replace(['\r', '\n'], " "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_decides_and_each_is_one_line() {
        let mut findings = Findings::default();
        assert_eq!(findings.exit_code(), 0);
        findings.ok("a");
        assert_eq!(findings.exit_code(), 0);
        findings.warning("b\r\nc");
        assert_eq!(findings.exit_code(), 3);
        findings.error("d");
        findings.ok("e");
        assert_eq!(findings.exit_code(), 1);
        let lines = "ok       a\nwarning  b  c\nerror    d\nok       e\n";
        assert_eq!(findings.to_string(), lines);
    }
}
