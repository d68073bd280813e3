//! A record: what was measured, on what, and how; as JSON it is kept, compared and drawn.

use std::{collections::BTreeMap, fmt, path::Path};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The shape of this file. It grows when older programs would read a record wrongly.
pub(crate) const FORMAT: u32 = 1;

/// One run of one question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) format: u32,
    /// The name of the subcommand.
    pub(crate) question: String,
    /// When it ended, as in RFC 3339.
    pub(crate) time: String,
    pub(crate) commit: Commit,
    pub(crate) machine: Machine,
    /// Versions by the name of what has them: compiler and servers.
    pub(crate) versions: BTreeMap<String, String>,
    /// The arguments as they were given, without those that say where results go.
    pub(crate) arguments: Vec<String>,
    /// The arguments as they were understood, defaults included.
    pub(crate) configuration: Value,
    /// What could not be measured, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) skipped: Vec<String>,
    pub(crate) figures: Vec<Figure>,
}

/// The commit that the working tree was at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Commit {
    /// `unknown` outside of a repository.
    pub(crate) id: String,
    /// Whether something was changed and not committed.
    pub(crate) dirty: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
}

/// One thing that was measured of one contestant in one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) contestant: String,
    pub(crate) case: Case,
    pub(crate) metric: String,
    pub(crate) unit: String,
    pub(crate) better: Better,
    /// One for each round, in their order: rounds of the same place ran side by side. `null` where a round
    /// had nothing to tell. One alone is over all rounds.
    pub(crate) values: Vec<Option<f64>>,
    /// Why it does not count, if it does not: then there are no values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) void: Option<String>,
    /// Times in microseconds and how often each was seen, over all rounds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) histogram: Vec<(u64, u64)>,
    /// How it went on within a round: a value for each step of so many milliseconds, the median of rounds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) over_time: Vec<f64>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) step_ms: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    Higher,
    Lower,
}

/// Under what circumstances: `nodes` 3, `tasks` 64.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Case(pub(crate) BTreeMap<String, Setting>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Setting {
    /// One of a scale: curves are drawn over it.
    Size(u64),
    Name(String),
}

impl Case {
    pub(crate) fn with(mut self, name: &str, setting: impl Into<Setting>) -> Self {
        self.0.insert(name.to_owned(), setting.into());
        self
    }

    /// The same, without this circumstance.
    pub(crate) fn without(&self, name: &str) -> Self {
        let mut rest = self.clone();
        rest.0.remove(name);
        rest
    }

    pub(crate) fn size(&self, name: &str) -> Option<u64> {
        match self.0.get(name)? {
            Setting::Size(size) => Some(*size),
            Setting::Name(_) => None,
        }
    }

    pub(crate) fn name(&self, of: &str) -> Option<&str> {
        match self.0.get(of)? {
            Setting::Name(name) => Some(name),
            Setting::Size(_) => None,
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, setting)) in self.0.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            match setting {
                Setting::Size(size) => write!(f, "{comma}{name} {size}")?,
                Setting::Name(of) => write!(f, "{comma}{name} {of}")?,
            }
        }
        Ok(())
    }
}

impl From<u64> for Setting {
    fn from(size: u64) -> Self {
        Self::Size(size)
    }
}

impl From<usize> for Setting {
    fn from(size: usize) -> Self {
        Self::Size(size as u64)
    }
}

impl From<&str> for Setting {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl Record {
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let about = || format!("the record {}", path.display());
        let text = std::fs::read_to_string(path).with_context(about)?;
        let record: Self = serde_json::from_str(&text).with_context(about)?;
        let format = record.format;
        ensure!(format == FORMAT, "{}: format {format} instead of {FORMAT}", about());
        Ok(record)
    }

    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        // Compact: a histogram has a thousand pairs.
        let mut text = serde_json::to_string(self)?;
        text.push('\n');
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The command that measures the same again.
    pub(crate) fn command(&self) -> String {
        let mut command = "cargo run --release -p leasehold-bench --".to_owned();
        for argument in &self.arguments {
            command.push(' ');
            command.push_str(argument);
        }
        command
    }
}

impl Figure {
    /// The values of those rounds that had one.
    pub(crate) fn counted(&self) -> Vec<f64> {
        self.values.iter().flatten().copied().collect()
    }

    /// What it is called where only its own question is shown.
    pub(crate) fn name(&self) -> String {
        match self.case.to_string() {
            case if case.is_empty() => format!("{}, {}", self.contestant, self.metric),
            case => format!("{}, {}, {case}", self.contestant, self.metric),
        }
    }

    /// Whether this is the same figure of another run.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        (&self.contestant, &self.metric, &self.unit, &self.case)
            == (&other.contestant, &other.metric, &other.unit, &other.case)
    }
}
