//! `purchase check-config`: says what is wrong with a deployment before it takes traffic.

mod database;
mod edge;
mod nodes;

use std::{
    fmt,
    io::{Write as _, stdout},
    process::ExitCode,
};

use anyhow::Context as _;

use super::config::ServeArgs;

/// A clock that differs by more from ours is worth a word, in milliseconds: machines that keep time
/// are within some tens.
const CLOCK_FAR_MS: i64 = 2000;

/// How a part of a deployment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    Ok,
    Warning,
    Error,
}

/// What was found, in order.
#[derive(Debug, Default)]
struct Findings(Vec<(Grade, String)>);

impl Findings {
    fn ok(&mut self, text: impl Into<String>) {
        self.0.push((Grade::Ok, text.into()));
    }

    fn warning(&mut self, text: impl Into<String>) {
        self.0.push((Grade::Warning, text.into()));
    }

    fn error(&mut self, text: impl Into<String>) {
        self.0.push((Grade::Error, text.into()));
    }

    fn failed(&mut self, error: &anyhow::Error) {
        self.error(format!("{error:#}"));
    }

    /// As `--help` has it.
    fn exit_code(&self) -> u8 {
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

pub(super) async fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::default();
    edge::keys(args.edge(), &mut findings);
    edge::certificate(args.edge(), &mut findings);
    edge::times(args, &mut findings);
    database::look(args.database(), &mut findings).await;
    nodes::look(args, &mut findings).await;
    write!(stdout(), "{findings}").context("cannot print what was found")?;
    Ok(ExitCode::from(findings.exit_code()))
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
