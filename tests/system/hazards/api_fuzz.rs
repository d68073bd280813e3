//! Whatever is sent to the API, it answers as its description says: schemathesis makes requests from
//! `/v1/openapi.json`, right and wrong ones, and holds the answers against it.

use std::time::Duration;

use leasehold_stack::{Launch, Process};

use crate::{
    interop::install::{FUZZER, sources},
    world::World,
};

/// How long it may ask; it takes about one minute.
const ASKING_LIMIT: Duration = Duration::from_secs(400);

/// Lines of its report that are shown when it found something.
const LINES_SHOWN: usize = 400;

#[tokio::test]
async fn the_api_answers_as_it_is_described() {
    let Some(packages) = FUZZER.packages().await else { return };
    let world = World::start(1).await;
    let url = world.replicas[0].url();
    let folder = tempfile::tempdir().unwrap();
    let launch = Launch::new("schemathesis", FUZZER.interpreter, folder.path().join("log"))
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(sources().join("schemathesis.toml"))
        .args(["run", "--phases", "examples,coverage,fuzzing,stateful", "--no-color"])
        // An admin's key: it may do everything, so that requests get past the door.
        .args(["--header", &format!("Authorization: Bearer {}", world.shop.keys().admin)])
        .arg(format!("{url}/v1/openapi.json"))
        // It leaves files where it runs.
        .folder(folder.path())
        .env("PYTHONPATH", packages.display().to_string())
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let process = Process::spawn(&launch).unwrap();
    let status = process.wait(ASKING_LIMIT).await.unwrap();
    let report = process.log_tail(LINES_SHOWN);
    assert!(status.success(), "schemathesis ended with {status}:\n{report}");
    // Nothing tested would be nothing found.
    assert!(report.contains("Stateful"), "{report}");
}
