//! redis-py's own tests of its lock, run on locks that a sidecar holds.
//!
//! What of them holds is a table in `service/sidecar/docs/redis-py.md`; here it is compared with what
//! happens, so that it stays true. What differs has tests of its own.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use leasehold_stack::{Launch, Persistence, Process, Program, SidecarConfig, Stack};

use crate::{
    interop::install::{SIDECAR_PYTHON, examples, sources},
    servers::{found, nodes},
    world::LIMIT,
};

/// Not the lifetime of any lock in those tests: what looks at the key's must not be right by chance.
const LEASE_TTL_MS: &str = "5000";

/// The folder of its source, as [`SIDECAR_PYTHON`] has it.
const REDIS_PY: &str = "redis-8.1.0";

/// Cases by their name, and whether each holds.
type Cases = BTreeMap<String, bool>;

/// The table's rows: cases and whether they pass, and those that depend on the machine's speed.
fn in_the_table() -> (Cases, Vec<String>) {
    let table = examples().join("../docs/redis-py.md");
    let text = fs::read_to_string(table).unwrap();
    let (mut cases, mut hurried) = (Cases::new(), Vec::new());
    for row in text.lines().filter(|line| line.starts_with("| `test_")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, case, outcome, why, _] = cells[..] else { unreachable!("{row}") };
        assert_eq!(why.is_empty(), outcome == "passes", "{row}");
        let case = case.trim_matches('`').to_owned();
        match outcome {
            "in time" => hurried.push(case),
            "passes" | "differs" => drop(cases.insert(case, outcome == "passes")),
            _ => unreachable!("{row}"),
        }
    }
    (cases, hurried)
}

/// The lines of a report that name a case.
fn in_the_report(report: &str) -> Cases {
    let of = |line: &str| {
        let (outcome, case) = line.split_once(' ')?;
        let (_, name) = case.split(" - ").next()?.rsplit_once("::")?;
        // Neither a failure to begin nor one to clean up is a case that differs.
        assert!(!["ERROR", "SKIPPED", "XFAIL", "XPASS"].contains(&outcome), "{line}\n{report}");
        let counts = ["PASSED", "FAILED"].contains(&outcome);
        counts.then(|| (name.to_owned(), outcome == "PASSED"))
    };
    report.lines().filter_map(of).collect()
}

/// Lease nodes that vote.
async fn stack(count: usize) -> Stack {
    let stack = nodes(count, Persistence::Durable).await;
    found(&stack).await;
    stack
}

/// Runs the tests of a file, with these options, on a sidecar; the exit code and the report.
async fn pytest(
    packages: &Path,
    stack: &Stack,
    tests: PathBuf,
    options: &[&str],
) -> (Option<i32>, String) {
    let program = Program { path: env!("CARGO_BIN_EXE_sidecar").into(), args: vec![] };
    let config = SidecarConfig::on(stack, program)
        .env("LEASEHOLD_LEASE_TTL_MS", LEASE_TTL_MS)
        // Patience for a slow machine.
        .env("LEASEHOLD_NODE_TIMEOUT_MS", "1500");
    let sidecar = config.start("sidecar").await.unwrap();

    let theirs = packages.join(REDIS_PY);
    let paths = [theirs.clone(), packages.to_owned(), examples(), sources().join("sidecar")];
    let log = stack.folder().join("pytest.log");
    let launch = Launch::new("pytest", SIDECAR_PYTHON.interpreter, log)
        .args(["-m", "pytest", "-p", "no:cacheprovider", "-rA", "--tb=short", "--color=no"])
        .args(options)
        .arg(tests)
        .folder(&theirs)
        .env("PYTHONPATH", env::join_paths::<_, PathBuf>(paths).unwrap())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // Lines with names are cut at it.
        .env("COLUMNS", "300")
        .env("LEASEHOLD_URL", sidecar.url());
    let process = Process::spawn(&launch).unwrap();
    let status = process.wait(LIMIT).await.unwrap();
    (status.code(), fs::read_to_string(process.log_path()).unwrap())
}

#[tokio::test]
async fn what_redis_pys_tests_find_is_what_its_users_are_told() {
    let Some(packages) = SIDECAR_PYTHON.packages().await else { return };
    let tests = packages.join(REDIS_PY).join("tests/test_lock.py");
    // They look at the key on their one server.
    let stack = stack(1).await;
    let (table, hurried) = in_the_table();
    let left_out =
        hurried.iter().map(|case| format!("not {case}")).collect::<Vec<_>>().join(" and ");
    let url = &stack.redis_urls()[0];
    let options = ["-p", "redis_py_tests", "--redis-url", url, "-k", &left_out];
    let (code, report) = pytest(packages, &stack, tests, &options).await;
    // They ran to their end, and something differs.
    assert_eq!(code, Some(1), "{report}");
    assert_eq!(in_the_report(&report), table, "{report}");
}

#[tokio::test]
async fn what_differs_from_redis_py_is_so_on_purpose() {
    let Some(packages) = SIDECAR_PYTHON.packages().await else { return };
    let tests = sources().join("sidecar/test_what_differs.py");
    let (code, report) = pytest(packages, &stack(3).await, tests, &[]).await;
    assert_eq!(code, Some(0), "{report}");
}
