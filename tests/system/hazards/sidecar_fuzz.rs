//! Whatever is sent to the sidecar, it answers as its description says: schemathesis makes requests from
//! `/v1/openapi.json`, right and wrong ones, and holds the answers against it.

use std::time::Duration;

use hyper::Method;
use leasehold_stack::{Launch, Process};
use sha2::{Digest as _, Sha256};

use crate::{
    interop::install::{FUZZER, sources},
    sidecar::{Beside, Client},
};

/// How long it may ask; it takes about one minute.
const ASKING_LIMIT: Duration = Duration::from_secs(400);

/// Lines of its report that are shown when it found something.
const LINES_SHOWN: usize = 400;

/// An admin's: it may do everything, so that requests get past the door, and leases are taken away too.
const KEY: &str = "office";

#[tokio::test]
async fn the_sidecar_answers_as_it_is_described() {
    let Some(packages) = FUZZER.packages().await else { return };
    let digest = Sha256::digest(KEY).iter().map(|b| format!("{b:02x}")).collect::<String>();
    let keys = format!("{KEY}:admin:{digest}");
    let beside =
        Beside::start_with(&[("LEASEHOLD_KEYS", &keys), ("LEASEHOLD_DAPR_STORES", "lockstore")])
            .await;
    // While it is open, leases can be bound to it.
    let (_open, link) = Client::of(beside.sidecar.url(), Some(KEY)).link().await;
    let folder = tempfile::tempdir().unwrap();
    let hooks = sources().join("schemathesis_sidecar.py");
    let launch = Launch::new("schemathesis", FUZZER.interpreter, folder.path().join("log"))
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(sources().join("schemathesis_sidecar.toml"))
        .args(["run", "--phases", "examples,coverage,fuzzing,stateful", "--no-color"])
        .args(["--header", &format!("Authorization: Bearer {KEY}")])
        .arg(format!("{}/v1/openapi.json", beside.sidecar.url()))
        // It leaves files where it runs.
        .folder(folder.path())
        .env("PYTHONPATH", packages.display().to_string())
        .env("SIDECAR_LINK", link)
        .env("SCHEMATHESIS_HOOKS", hooks.display().to_string())
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let process = Process::spawn(&launch).unwrap();
    let status = process.wait(ASKING_LIMIT).await.unwrap();
    let report = process.log_tail(LINES_SHOWN);
    assert!(status.success(), "schemathesis ended with {status}:\n{report}");
    // Nothing tested would be nothing found.
    assert!(report.contains("Stateful"), "{report}");
    let client = Client::of(beside.sidecar.url(), Some(KEY));
    let (_, _, counted) = client.send_with(Method::GET, "/metrics", "", &[]).await;
    let counted = String::from_utf8_lossy(&counted);
    for why in ["released", "evicted"] {
        assert!(counted.contains(&format!("why=\"{why}\"")), "no lease was {why}: {counted}");
    }
}
