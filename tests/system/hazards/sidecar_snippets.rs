//! The sidecar's examples in other languages, on real servers, do what they say: a write under a lease, and
//! one that comes too late.

use std::{
    fs,
    path::{Path, PathBuf},
};

use leasehold::fence;
use leasehold_stack::{
    Keys, Launch, Process, Program, Shop, Sidecar, SidecarConfig, Silent, Stack, StackConfig,
};
use sqlx::{Connection as _, PgConnection};

use crate::{
    interop::install::{SIDECAR_NODE, SIDECAR_PYTHON, examples},
    servers::found,
    skipped::has,
    world::LIMIT,
};

/// What runs, and where.
const RUN: [&str; 4] = ["main.go", "node.mjs", "python.py", "shell.sh"];

/// What its own module runs.
const RUN_ELSEWHERE: &str = "redis_py_lock.py";

/// The servers that an example needs.
struct Servers {
    sidecar: Sidecar,
    stack: Stack,
}

impl Servers {
    async fn start() -> Self {
        let config = StackConfig { lease_nodes: 3, ..StackConfig::default() };
        let stack = Stack::start(config, &Silent).await.unwrap();
        found(&stack).await;
        let mut database = PgConnection::connect(&stack.database_url()).await.unwrap();
        fence::install(&mut database).await.unwrap();
        let table = "create table example_counter as select 0 as n";
        let _made = sqlx::query(table).execute(&mut database).await.unwrap();
        let program = Program { path: env!("CARGO_BIN_EXE_sidecar").into(), args: vec![] };
        // Patience for a slow machine.
        let config = SidecarConfig::on(&stack, program).env("LEASEHOLD_NODE_TIMEOUT_MS", "2000");
        let sidecar = config.start("sidecar").await.unwrap();
        Self { sidecar, stack }
    }

    /// The start of a program that finds the servers, and nothing between it and them.
    fn launch(&self, program: impl Into<PathBuf>) -> Launch {
        Launch::new("example", program, self.stack.folder().join("example.log"))
            .env("LEASEHOLD_URL", self.sidecar.url())
            .env("DATABASE_URL", self.stack.database_url())
            .env("no_proxy", "*")
            .env("NO_PROXY", "*")
            .env("PYTHONDONTWRITEBYTECODE", "1")
    }

    /// Runs an example to its end and holds it, and what is in the database then, to what it is for.
    async fn shows(&self, launch: &Launch, resource: &str) {
        let process = Process::spawn(launch).unwrap();
        let status = process.wait(LIMIT).await.unwrap();
        let said = process.log_tail(100);
        assert!(status.success(), "{status}: {said}");
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines.len() == 4 && lines[1] == "released", "{said}");
        let first = token(lines[0], "counted to 1 with token ");
        let newest = token(lines[2], "another counted to 2 with token ");
        let rest = lines[3].strip_prefix("the late one is refused: stale fencing token ").unwrap();
        let (late, because) = rest.split_once(' ').unwrap();
        assert_eq!(because, format!("for resource {resource}: the newest is {newest}"));
        let late: i64 = late.parse().unwrap();
        assert!(first < late && late < newest, "{said}");

        let mut database = PgConnection::connect(&self.stack.database_url()).await.unwrap();
        let count: i32 = sqlx::query_scalar("select n from example_counter")
            .fetch_one(&mut database)
            .await
            .unwrap();
        assert_eq!(count, 2, "{said}");
        let claimed: (String, i64) = sqlx::query_as("select resource, token from leasehold_fence")
            .fetch_one(&mut database)
            .await
            .unwrap();
        assert_eq!(claimed, (resource.to_owned(), newest));
        assert_eq!(self.held().await, serde_json::json!([]), "{said}");
    }

    /// What the sidecar still holds.
    async fn held(&self) -> serde_json::Value {
        let url = format!("{}/v1/leases", self.sidecar.url());
        Shop::new(Keys::random()).get(&url).await.unwrap().json()["leases"].take()
    }
}

#[track_caller]
fn token(line: &str, beginning: &str) -> i64 {
    line.strip_prefix(beginning).unwrap_or_default().parse().expect(line)
}

#[tokio::test]
async fn the_late_writer_in_python_is_refused() {
    let Some(packages) = SIDECAR_PYTHON.packages().await else { return };
    let servers = Servers::start().await;
    let launch = servers
        .launch(SIDECAR_PYTHON.interpreter)
        .arg(examples().join("python.py"))
        .env("PYTHONPATH", packages);
    servers.shows(&launch, "example/python").await;
}

#[tokio::test]
async fn the_late_writer_in_javascript_is_refused() {
    let Some(packages) = SIDECAR_NODE.packages().await else { return };
    let servers = Servers::start().await;
    // Modules are looked for beside the one that imports them.
    let folder = servers.stack.folder().join("node");
    fs::create_dir(&folder).unwrap();
    let modules = "node_modules";
    std::os::unix::fs::symlink(packages.join(modules), folder.join(modules)).unwrap();
    let script = folder.join("node.mjs");
    fs::copy(examples().join("node.mjs"), &script).unwrap();
    let launch = servers.launch(SIDECAR_NODE.interpreter).arg(script);
    servers.shows(&launch, "example/node").await;
}

#[tokio::test]
async fn the_late_writer_in_a_shell_is_refused() {
    if !has(&["curl", "psql"], "LEASEHOLD_PSQL") {
        return;
    }
    let servers = Servers::start().await;
    let launch = servers.launch("sh").arg(examples().join("shell.sh"));
    servers.shows(&launch, "example/shell").await;
}

#[tokio::test]
async fn the_late_writer_in_go_is_refused() {
    if !has(&["psql"], "LEASEHOLD_PSQL") || !has(&["go"], "LEASEHOLD_GO") {
        return;
    }
    let servers = Servers::start().await;
    let program = servers.stack.folder().join("example-go");
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("leasehold-interop");
    let build = Launch::new("go", "go", servers.stack.folder().join("go.log"))
        .args(["build", "-o"])
        .arg(&program)
        .arg(examples().join("main.go"))
        // It is not a part of a module, and nothing is fetched for it, not even another Go.
        .env("GO111MODULE", "off")
        .env("GOTOOLCHAIN", "local")
        // The standard library is built once.
        .env("GOCACHE", cache.join("go"));
    let build = Process::spawn(&build).unwrap();
    let status = build.wait(LIMIT).await.unwrap();
    assert!(status.success(), "{status}: {}", build.log_tail(100));
    servers.shows(&servers.launch(program), "example/go").await;
}

#[test]
fn every_example_of_the_sidecar_is_run() {
    for entry in fs::read_dir(examples()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_run = RUN.contains(&&*name) || name == RUN_ELSEWHERE;
        assert!(is_run, "nobody runs {name}");
    }
    let runs =
        |name: &str| include_str!("sidecar_snippets.rs").contains(&format!("join(\"{name}\")"));
    assert!(RUN.into_iter().all(runs));
}
