//! The lock's examples, as programs of their own on real servers, show what they say.

use std::path::Path;

use leasehold_stack::{Launch, Persistence, Process, Silent, Stack, StackConfig};

use crate::{servers::nodes, world::LIMIT};

/// What an example prints, line by line.
struct Said(Vec<String>);

impl Said {
    /// Runs an example to its end.
    async fn by(program: &str, stack: &Stack) -> Self {
        let mut launch = Launch::new("example", program, stack.folder().join("example.log"))
            .env("REDIS_URLS", stack.redis_urls().join(","));
        if let Some(postgres) = &stack.postgres {
            launch = launch.env("DATABASE_URL", postgres.url());
        }
        let process = Process::spawn(&launch).unwrap();
        let status = process.wait(LIMIT).await.unwrap();
        let said = process.log_tail(100);
        assert!(status.success(), "{status}: {said}");
        Self(said.lines().map(str::to_owned).collect())
    }

    /// It is these lines and no others, where `*` stands for anything.
    #[track_caller]
    fn assert_is(&self, expected: &[&str]) {
        let is_same = self.0.len() == expected.len()
            && self.0.iter().zip(expected).all(|(line, pattern)| is_like(line, pattern));
        assert!(is_same, "{:#?} instead of {expected:#?}", self.0);
    }

    /// The lines that begin like this, in their order.
    fn of(&self, beginning: &str) -> Self {
        Self(self.0.iter().filter(|line| line.starts_with(beginning)).cloned().collect())
    }

    /// Which line begins like this.
    fn index(&self, beginning: &str) -> usize {
        self.0.iter().position(|line| line.starts_with(beginning)).unwrap()
    }

    /// The tokens that it names, in their order.
    fn tokens(&self) -> Vec<u64> {
        let lines = self.0.iter();
        lines.filter_map(|line| number(line.split_once(" token ")?.1)).collect()
    }
}

fn number(text: &str) -> Option<u64> {
    text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Whether a line is the pattern, in which `*` stands for anything.
fn is_like(line: &str, pattern: &str) -> bool {
    let Some((beginning, rest)) = pattern.split_once('*') else { return line == pattern };
    let Some(after) = line.strip_prefix(beginning) else { return false };
    after.char_indices().any(|(at, _)| is_like(&after[at..], rest)) || is_like("", rest)
}

#[tokio::test]
async fn the_second_client_of_basic_is_refused_and_then_served() {
    let stack = nodes(3, Persistence::Durable).await;
    let said = Said::by(env!("CARGO_BIN_EXE_example-basic"), &stack).await;
    said.assert_is(&[
        "acquired example/basic with token *",
        "valid for * more, and renewed in the background",
        "the other client: lease example/basic is *",
        "released: Released",
        "the other client has it now, with the larger token *",
    ]);
    let tokens = said.tokens();
    assert!(tokens.len() == 2 && tokens[0] < tokens[1], "{tokens:?}");
}

#[tokio::test]
async fn the_candidates_of_election_lead_one_after_the_other() {
    let stack = nodes(3, Persistence::Durable).await;
    let said = Said::by(env!("CARGO_BIN_EXE_example-election"), &stack).await;
    for name in ["Ada", "Bob"] {
        said.of(name).assert_is(&[
            &format!("{name} leads with token *"),
            &format!("{name} did a leader's work"),
            &format!("{name} resigns: Some(Released)"),
        ]);
    }
    // Either may be first.
    let tokens = said.tokens();
    assert!(tokens.len() == 2 && tokens[0] < tokens[1], "{:?}", said.0);
    let (ada, bob) = (said.index("Ada leads"), said.index("Bob leads"));
    let done = said.index(if ada < bob { "Ada did" } else { "Bob did" });
    assert!(done < ada.max(bob), "both led at once: {:?}", said.0);
}

#[tokio::test]
async fn the_work_of_guard_ends_with_its_lease() {
    let stack = nodes(3, Persistence::Durable).await;
    let said = Said::by(env!("CARGO_BIN_EXE_example-guard"), &stack).await;
    said.of("short").assert_is(&["short work: done, longer than one TTL"]);
    said.of("long")
        .assert_is(&["long work: stopped, since lease example/guard with token * was lost: \
         the lease reached its longest lifetime"]);
    said.of("a task").assert_is(&["a task was told to stop"]);
    // What it gives back may be gone already.
    said.of("released").assert_is(&["released: *"]);
    assert_eq!(said.0.len(), 4, "{:?}", said.0);
}

#[tokio::test]
async fn what_several_resources_wants_is_had_together_or_not_at_all() {
    let stack = nodes(3, Persistence::Durable).await;
    let said = Said::by(env!("CARGO_BIN_EXE_example-several-resources"), &stack).await;
    said.assert_is(&[
        "example/seat/7 with token *",
        "example/seat/8 with token *",
        "seats 7 and 1: lease example/seat/* is *",
        "released: [Released, Released]",
        "readers have example/document/slot/* and example/document/slot/*",
        "a third reader: refused",
        "a writer:       refused",
        "then a writer:  has all 2 slots",
    ]);
}

#[tokio::test]
async fn the_late_holder_of_fenced_write_is_refused() {
    let config = StackConfig { lease_nodes: 3, ..StackConfig::default() };
    let stack = Stack::start(config, &Silent).await.unwrap();
    let said = Said::by(env!("CARGO_BIN_EXE_example-fenced-write"), &stack).await;
    let tokens = said.tokens();
    assert!(tokens.len() == 3 && tokens[0] < tokens[1], "{:?}", said.0);
    let (late, newest) = (tokens[0], tokens[1]);
    said.assert_is(&[
        "the first holder has token *, and pauses",
        "its lease is over: the lease reached its longest lifetime",
        "the second holder has token *",
        "the second holder counts to 1",
        &format!(
            "the first holder is refused: stale fencing token {late} for resource \
             example/counter: the newest is {newest}"
        ),
    ]);
}

#[test]
fn every_example_is_run_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lock/examples");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().path().file_stem().unwrap().to_string_lossy().replace('_', "-");
        let run = format!("\"CARGO_BIN_EXE_example-{name}\"");
        assert!(include_str!("examples.rs").contains(&run), "nobody runs {name}");
    }
}

#[test]
fn a_star_stands_for_anything() {
    for (line, pattern) in [("a b c", "a * c"), ("ab", "a*b"), ("a", "a*"), ("", "*"), ("a", "a")] {
        assert!(is_like(line, pattern), "{line:?} is like {pattern:?}");
    }
    for (line, pattern) in [("a b c", "a * d"), ("b", "a*"), ("a b", "a"), ("", "a"), ("ab", "*a")]
    {
        assert!(!is_like(line, pattern), "{line:?} is not like {pattern:?}");
    }
}
